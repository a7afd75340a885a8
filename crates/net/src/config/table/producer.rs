//! Properties of the producer.

use super::super::kind::Kind;
use super::{
    INT, LONG, PRODUCER, Property, TYPED_RECORDS, between, ignored, int_from, not_yet, supported,
};

const PARTITIONERS: Kind = Kind::Choice(&[
    "default",
    "round_robin",
    "least_backup",
    "murmur2",
    "crc32",
    "crc32_random",
    "fnv1a",
    "fnv1a_random",
]);

const PARTITIONER_SYNONYMS: &[(&str, &str)] = &[
    (
        "org.apache.kafka.clients.producer.RoundRobinPartitioner",
        "round_robin",
    ),
    ("consistent", "crc32"),
    ("consistent_random", "crc32_random"),
    ("murmur2_random", "default"),
];

pub(super) const ROWS: &[Property] = &[
    supported("acks", PRODUCER, Kind::Choice(&["all", "-1", "0", "1"])),
    supported("enable.idempotence", PRODUCER, Kind::Bool),
    supported(
        "max.in.flight.requests.per.connection",
        PRODUCER,
        int_from(1),
    ),
    supported("delivery.timeout.ms", PRODUCER, INT),
    supported("linger.ms", PRODUCER, LONG),
    supported("batch.size", PRODUCER, INT),
    supported("buffer.memory", PRODUCER, LONG),
    ignored(
        "buffer.memory.allocation.strategy",
        PRODUCER,
        Kind::ChoiceAnyCase(&["full", "incremental"]),
        "klamm always allocates as records are written",
    ),
    supported("max.block.ms", PRODUCER, LONG),
    supported("max.request.size", PRODUCER, INT),
    supported(
        "compression.type",
        PRODUCER,
        Kind::Choice(&["none", "gzip", "snappy", "lz4", "zstd"]),
    ),
    supported(
        "compression.gzip.level",
        PRODUCER,
        Kind::IntOr {
            other: -1,
            min: 1,
            max: 9,
        },
    ),
    supported("compression.lz4.level", PRODUCER, between(1, 17)),
    supported("compression.zstd.level", PRODUCER, between(-131_072, 22)),
    supported("partitioner.class", PRODUCER, PARTITIONERS).synonyms(PARTITIONER_SYNONYMS),
    supported("partitioner.ignore.keys", PRODUCER, Kind::Bool),
    supported(
        "partitioner.adaptive.partitioning.enable",
        PRODUCER,
        Kind::Bool,
    ),
    supported("partitioner.availability.timeout.ms", PRODUCER, LONG),
    supported("partitioner.rack.aware", PRODUCER, Kind::Bool),
    ignored(
        "sticky.partitioning.linger.ms",
        PRODUCER,
        LONG,
        "klamm changes the sticky partition by bytes (KIP-794), not by time",
    ),
    supported("transactional.id", PRODUCER, Kind::NonEmpty),
    supported("transaction.timeout.ms", PRODUCER, int_from(1)),
    not_yet("transaction.two.phase.commit.enable", PRODUCER, Kind::Bool).accepts(&["false"]),
    ignored("key.serializer", PRODUCER, Kind::Text, TYPED_RECORDS),
    ignored("value.serializer", PRODUCER, Kind::Text, TYPED_RECORDS),
];
