#!/bin/sh
# Tells what a host is, as one line of JSON; what changes from minute to minute is left out.
set -eu
text() { printf '%s' "$1" | tr -d '"\\\n\t'; }

system=unknown
if [ -r /etc/os-release ]; then
    system=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
fi
memory=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)
disk=$(df -Pk . | awk 'NR == 2 {print $2}')

printf '{"system": "%s", "kernel": "%s", "architecture": "%s", "cpus": %d, "memory_kib": %d, "disk_kib": %d}\n' \
    "$(text "$system")" "$(uname -r)" "$(uname -m)" "$(getconf _NPROCESSORS_ONLN)" "$memory" "$disk"
