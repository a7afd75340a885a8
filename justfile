# Short names for the steps of .ci/run, where they are explained. Nothing needs `just`: `.ci/run fmt` is `just fmt`.

# The list of recipes.
default:
    @{{ just_executable() }} --list

# Everything that continuous integration does.
ci:
    .ci/run

# The formatting is rustfmt's.
fmt:
    .ci/run fmt

# No warnings, in any target.
clippy:
    .ci/run clippy

# The documentation has no broken links.
doc:
    .ci/run doc

# Licences, banned crates, sources, advisories.
deny:
    .ci/run deny

# The default build needs no C compiler.
no-c:
    .ci/run no-c

# The oldest Rust that is promised still builds it.
msrv:
    .ci/run msrv

# Every published crate can be packaged.
package:
    .ci/run package

# The README's first program.
quickstart:
    .ci/run quickstart

# All tests, real broker included; arguments go to `cargo test`.
test *arguments:
    ./test {{ arguments }}

# The first program on many versions of Kafka, 2.1 to 4.4, the refusal of one that is too old, and transactions on 2.3; fetches each once.
compat:
    cargo test --package klamm-tests --test thin_path --test transactions -- --ignored --nocapture --test-threads 1

# Three real nodes that restart, die and move while klamm is at work.
moves:
    cargo test --package klamm-tests --test moving_cluster -- --ignored --nocapture --test-threads 1

# One connection with many requests in flight, and a client of a few topics in a cluster of many.
bench-net:
    cargo bench --package klamm-benches --bench connection

# Reading from the replica in the consumer's rack, on three brokers; half a minute.
racks:
    cargo test --package klamm-tests --test racks -- --ignored --nocapture

# Reading across an unclean leader election on three brokers; a minute or two.
truncation:
    cargo test --package klamm-tests --test truncation -- --ignored --nocapture

# The record codec beside the message crate's, in one run; arguments pick rows, such as `just bench "100 B none"`.
bench *arguments:
    cargo bench --package klamm-benches --bench codec -- {{ arguments }}

# Lets libFuzzer look for bytes that hurt the codec, such as `just fuzz zstd 600`; `all` is every target.
fuzz target="all" seconds="60":
    fuzz/run {{ target }} {{ seconds }}

# A real Kafka for the hand until Ctrl-C, such as `just kafka --nodes 3`.
kafka *arguments:
    cargo run --package klamm-tests --bin kafka -- {{ arguments }}

# How long a partition stands still after each kind of trouble, on the test broker and on three real nodes; wants a machine with nothing else to do.
recovery:
    cargo test --package klamm-producer --test recovery -- --ignored --nocapture
    cargo test --package klamm-tests --test recovery -- --ignored --nocapture

# The same of a member of a group: what it reads and commits, of both protocols.
consumer-recovery:
    cargo test --package klamm-consumer --test recovery -- --nocapture
    cargo test --package klamm-tests --test consumer_recovery -- --ignored --nocapture

# Ten times more than a broker takes: memory, other partitions, errors; wants a machine with nothing else to do.
overload:
    cargo test --release --package klamm-tests --test overload -- --ignored --nocapture

# Copies in transactions while copiers and brokers are killed, such as `just chaos-transactions 300`; in the protocol of
# `transaction.version` 2, or 1.
chaos-transactions seconds="180" version="2":
    KLAMM_CHAOS_SECONDS={{ seconds }} KLAMM_CHAOS_TRANSACTION_VERSION={{ version }} cargo test --package klamm-tests --test chaos_transactions -- --ignored --exact copies_are_whole_and_single_for_minutes --nocapture

# The transaction manager and the sender against a model of a cluster, with as many seeds as asked for.
model-transactions cases="100000":
    KLAMM_MODEL_CASES={{ cases }} cargo test --package klamm-producer --release --lib model_tests -- --nocapture

# klamm beside its peers on a real Kafka, in turn; arguments pick rounds, clients and workloads, such as `just bench-peers --rounds 5 produce`
# or, for the CPU of consumers that wait, `just bench-peers idle-1000p`.
bench-peers *arguments:
    cargo run --release --package klamm-benches --bin peers -- {{ arguments }}

# 1,000 topics and the offsets of 1,000 groups while controllers are killed: nothing missing, nothing wrong. Also an
# unclean election, a broker that is unregistered, and an admin of controllers whose active one goes.
admin-moves:
    cargo test --package klamm-tests --test admin -- --ignored --nocapture --test-threads 1 nothing_is_missing unclean_election three_nodes::a_broker

# The same work by klamm's admin and by Java's in turn: milliseconds and requests.
admin-beside-java:
    cargo test --package klamm-tests --test admin -- --ignored --nocapture beside_javas_admin

# Runs docs/cli.md on a terminal (util-linux's script) and writes it anew with what it shows.
cli-page:
    KLAMM_WRITE_CLI_PAGE=1 cargo test --package klamm-cli --test real_kafka -- the_walk

# The command moves replicas and leaders between three nodes.
command-on-three-nodes:
    cargo test --package klamm-cli --test real_kafka -- --ignored --nocapture three_nodes::

# `klamm verify` beside the Java programs that it stands in for: the same lines in the same order.
verify-beside-java:
    cargo test --package klamm-cli --test real_kafka -- --ignored --nocapture verify::

# Admin calls on Kafka 2.4, 2.8 and 3.5; fetches each once.
admin-old:
    cargo test --package klamm-tests --test admin -- --ignored --nocapture old_brokers

# What brokers of Kafka 4.4 know, too; fetches it once.
admin-new:
    cargo test --package klamm-tests --test admin -- --ignored --nocapture newer_brokers

# Two million records through groups of both protocols, while members and brokers come and go.
chaos-groups:
    cargo test --package klamm-tests --test group_chaos -- --ignored --nocapture

# Groups of klamm's, Java's and librdkafka's members, one of each as leader in turn; wants kcat 1.7 (Debian: apt-get install kcat).
mixed-groups:
    cargo test --package klamm-tests --test mixed_groups -- --ignored --nocapture

# How long a group of 50 members on 200 partitions takes to rebalance, with both protocols, and beside franz-go's if there is Go.
rebalance-time:
    -cd benches/peers/franz-go && go build -o peer-rebalance ./rebalance
    KLAMM_TEST_PEER={{ justfile_directory() }}/benches/peers/franz-go/peer-rebalance cargo test --release --package klamm-tests --test rebalance_time -- --ignored --nocapture

# What TLS and SASL cost: time of a connection, records a second, beside plain text.
tls-cost:
    cargo test --release -p klamm-tests --test security -- --ignored --nocapture what_tls_costs

# 2,000,000 records through kills, long sleeps and a cut network on three nodes, with time enough and with too little; takes minutes.
chaos-producer:
    cargo test --release --package klamm-tests --test chaos_producer -- --ignored --nocapture --test-threads 1
