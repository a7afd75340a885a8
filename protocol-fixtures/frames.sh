#!/usr/bin/env bash
# Starts brokers and writes the frames that Java's client exchanges with them (java/Frames.java):  frames.sh OUTDIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath "$1")
client=${KLAMM_TEST_CACHE:-$HOME/.cache/klamm-tests}/kafka-4.3.1
log=$(mktemp)
trap 'rm "$log"' EXIT
. "$here/broker.sh"

for version in 2.8.2 3.9.2 4.3.1; do
    start_broker "$version"
    all=()
    [[ $version == 4.3.1 ]] && all=(all)
    java -cp "$client/*" "$here/java/Frames.java" "${bootstrap%:*}" "${bootstrap#*:}" "$version" "$out" "${all[@]}" 2> "$log" || { cat "$log"; exit 1; }
    stop_broker
done
