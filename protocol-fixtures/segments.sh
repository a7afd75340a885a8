#!/usr/bin/env bash
# Starts a broker, fills topics (java/Segments.java) and copies their first log segments:  segments.sh KAFKA_LIBS OUTDIR
set -euo pipefail
libs=$1/'*'
out=$(realpath "$2")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
port=${PORT:-19477}
broker=

cleanup() {
    [[ -z $broker ]] || { kill "$broker" && wait "$broker" || true; }
    rm -rf "$work"
}
trap cleanup EXIT

cat > "$work/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
log.dirs=$work/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
log.cleaner.backoff.ms=200
PROPERTIES

java -cp "$libs" kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAA -c "$work/server.properties" > "$work/format.log" 2>&1
java -Xmx512m -cp "$libs" kafka.Kafka "$work/server.properties" > "$work/server.log" 2>&1 &
broker=$!
java -cp "$libs" "$here/java/Segments.java" "127.0.0.1:$port" 2> "$work/segments.log"

checkpoint=$work/data/cleaner-offset-checkpoint
for ((tries = 0; ; tries++)); do
    grep -qs '^compacted 0 [1-9]' "$checkpoint" && break
    ((tries < 300)) || { echo 'the topic was not cleaned within 30 s' >&2; exit 1; }
    sleep 0.1
done
for topic in transactions compacted append-time; do
    cp "$work/data/$topic-0/00000000000000000000.log" "$out/segment-$topic.bin"
done
