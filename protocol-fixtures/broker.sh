# To be sourced: start_broker VERSION starts an Apache Kafka as the tests do, and sets `bootstrap`, `libs` and `data`.
# stop_broker ends it.

start_broker() {
    local kafka version=$1 log line
    kafka=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && cargo build --quiet -p klamm-tests --bin kafka && pwd)/target/debug/kafka
    libs=${KLAMM_TEST_CACHE:-$HOME/.cache/klamm-tests}/kafka-$version
    coproc BROKER { exec "$kafka" --version "$version"; }
    while read -r line <&"${BROKER[0]}"; do
        case $line in
        'log '*) log=${line#log } ;;
        'bootstrap '*)
            bootstrap=${line#bootstrap }
            break
            ;;
        esac
    done
    data=$(dirname "$log")/data
}

# It ends with its input.
stop_broker() {
    local input=${BROKER[1]} pid=$BROKER_PID
    exec {input}>&-
    wait "$pid" || true
}
