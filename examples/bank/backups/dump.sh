#!/bin/sh
# Dumps this host's MongoDB into a scratch file, tells its checksum on standard error, and sends it to standard output.
set -eu
umask 077
scratch=$(mktemp ./rota-backup.XXXXXX)
trap 'rm -f "$scratch"' EXIT
trap 'exit 143' TERM INT HUP
mongodump --archive="$scratch" --gzip >&2
echo "sha256=$(sha256sum < "$scratch" | cut -d ' ' -f 1)" >&2
cat "$scratch"
