#!/bin/sh
# Lays out one folder per cluster, with a backup, its checksum and a journal; what is there already stays.
# Two of them are in a bad way: the backup of db-23 is damaged, the journal of db-41 is not mounted.
set -eu
root="${TMPDIR:-/tmp}/rota-fleet-check-$(id -u)"
if [ ! -e "$root/ready" ]; then
    mkdir -p "$root"
    for name in $(sed -n 's/^- {name: \([^,]*\),.*/\1/p' inventory.yaml); do
        mkdir -p "$root/$name/journal"
        seq 1 "${#name}000" | gzip -n > "$root/$name/backup.gz"
        (cd "$root/$name" && sha256sum backup.gz > backup.gz.sha256)
        seq 1 40 | sed "s/^/$name committed transaction /" > "$root/$name/journal/current"
    done
    printf 'a bad sector' | dd of="$root/db-23/backup.gz" bs=1 seek=100 conv=notrunc 2>/dev/null
    mv "$root/db-41/journal" "$root/db-41/journal.unmounted"
    touch "$root/ready"
fi
echo "root=$root" >> "$ROTA_OUTPUT"
echo "the clusters are in $root"
