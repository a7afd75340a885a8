//! Properties of the consumer.

use super::super::kind::Kind;
use super::{
    CONSUMER, INT, Property, TYPED_RECORDS, between, ignored, int_from, not_yet, supported,
};

const ASSIGNORS: Kind = Kind::ListOf(&["range", "roundrobin", "sticky", "cooperative-sticky"]);

const ASSIGNOR_CLASSES: &[(&str, &str)] = &[
    ("org.apache.kafka.clients.consumer.RangeAssignor", "range"),
    (
        "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "roundrobin",
    ),
    ("org.apache.kafka.clients.consumer.StickyAssignor", "sticky"),
    (
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "cooperative-sticky",
    ),
];

const OFFSET_RESET_SYNONYMS: &[(&str, &str)] = &[
    ("smallest", "earliest"),
    ("beginning", "earliest"),
    ("largest", "latest"),
    ("end", "latest"),
    ("error", "none"),
];

pub(super) const ROWS: &[Property] = &[
    supported("group.id", CONSUMER, Kind::NonEmpty),
    supported("group.instance.id", CONSUMER, Kind::NonEmpty),
    supported(
        "group.protocol",
        CONSUMER,
        Kind::ChoiceAnyCase(&["classic", "consumer"]),
    ),
    supported("group.remote.assignor", CONSUMER, Kind::Text),
    supported("partition.assignment.strategy", CONSUMER, ASSIGNORS).synonyms(ASSIGNOR_CLASSES),
    supported("session.timeout.ms", CONSUMER, int_from(1)),
    supported("heartbeat.interval.ms", CONSUMER, int_from(1)),
    supported("max.poll.interval.ms", CONSUMER, int_from(1)),
    supported("max.poll.records", CONSUMER, int_from(1)),
    supported("enable.auto.commit", CONSUMER, Kind::Bool),
    supported("auto.commit.interval.ms", CONSUMER, INT),
    supported(
        "auto.offset.reset",
        CONSUMER,
        Kind::ChoiceOrDuration(&["earliest", "latest", "none"], "by_duration:"),
    )
    .synonyms(OFFSET_RESET_SYNONYMS),
    supported(
        "isolation.level",
        CONSUMER,
        Kind::Choice(&["read_uncommitted", "read_committed"]),
    ),
    supported("fetch.min.bytes", CONSUMER, INT),
    supported("fetch.max.wait.ms", CONSUMER, INT),
    supported("fetch.max.bytes", CONSUMER, INT),
    supported("max.partition.fetch.bytes", CONSUMER, INT),
    supported("check.crcs", CONSUMER, Kind::Bool),
    supported("allow.auto.create.topics", CONSUMER, Kind::Bool),
    not_yet("exclude.internal.topics", CONSUMER, Kind::Bool).accepts(&["true"]),
    // librdkafka's. Their own defaults are accepted: such a set asks for nothing special.
    not_yet("queued.min.messages", CONSUMER, between(1, 10_000_000)).accepts(&["100000"]),
    not_yet(
        "queued.max.messages.kbytes",
        CONSUMER,
        between(1, 2_097_151),
    )
    .accepts(&["65536"]),
    supported("enable.auto.offset.store", CONSUMER, Kind::Bool),
    not_yet("enable.partition.eof", CONSUMER, Kind::Bool).accepts(&["false"]),
    not_yet(
        "share.acknowledgement.mode",
        CONSUMER,
        Kind::Choice(&["implicit", "explicit"]),
    )
    .accepts(&["implicit"]),
    not_yet(
        "share.acquire.mode",
        CONSUMER,
        Kind::ChoiceAnyCase(&["batch_optimized", "record_limit"]),
    )
    .accepts(&["batch_optimized"]),
    ignored("key.deserializer", CONSUMER, Kind::Text, TYPED_RECORDS),
    ignored("value.deserializer", CONSUMER, Kind::Text, TYPED_RECORDS),
];
