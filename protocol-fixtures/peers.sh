#!/usr/bin/env bash
# Starts a broker, lets librdkafka (kcat) and franz-go write to it with every codec, and copies the log segments:  peers.sh OUTDIR
#
# Needs kcat (Debian: apt-get install kcat) and Go.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath "$1")
. "$here/broker.sh"
start_broker 4.3.1

# Key and value with headers, each also empty and null; then enough lines for compression to bite, some of them long.
lines() {
    printf ':\nkey:\n:value\nkey:value\n'
    for i in $(seq 200); do printf 'key-%d:{"user":%d,"state":"paid"}\n' "$i" $((i * 7919)); done
    for i in 1 2 3; do printf 'long-%d:%s\n' "$i" "$(seq -s, 3000)"; done
}
for codec in none gzip snappy lz4 zstd; do
    lines | kcat -P -b "$bootstrap" -t "librdkafka-$codec" -p 0 -z "$codec" -K : -Z -H a=1 -H a=2 -H empty= -X linger.ms=1000
done
(cd "$here/go" && go run . "$bootstrap")
for codec in none gzip snappy lz4 zstd; do
    for peer in librdkafka franz-go; do
        cp "$data/$peer-$codec-0/00000000000000000000.log" "$out/$peer-$codec.bin"
    done
done
stop_broker
