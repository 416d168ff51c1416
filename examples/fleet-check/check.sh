#!/bin/sh
# Checks one cluster: its newest backup is whole, its journal is there and was written to.
set -eu
folder="$1/$2"
cd "$folder"
sha256sum --check --quiet backup.gz.sha256
gzip --test backup.gz
test -d journal || { echo "$folder/journal is not mounted" >&2; exit 1; }
{
    echo "bytes=$(wc -c < backup.gz)"
    echo "entries=$(wc -l < journal/current)"
} >> "$ROTA_OUTPUT"
echo "$2: the backup is whole"
