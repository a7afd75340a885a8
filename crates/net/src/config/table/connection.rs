//! Properties of every role: addresses, connections, metadata.

use super::super::kind::Kind;
use super::{
    ADMIN, ALL, CLIENT, CONSUMER, INT, LONG, PRODUCER, Property, ignored, int_from, long_from,
    not_yet, supported,
};

const METRICS: &str = "klamm has no metrics reporters, it offers snapshots and an observer";
const OS_BUFFERS: &str =
    "klamm leaves socket buffers to the operating system, whose autotuning a fixed size would stop";

pub(super) const ROWS: &[Property] = &[
    supported("bootstrap.servers", ALL, Kind::Addresses),
    supported("bootstrap.controllers", ADMIN, Kind::Addresses),
    supported("bootstrap.resolve.timeout.ms", ALL, LONG),
    supported("client.id", ALL, Kind::Text),
    not_yet(
        "client.dns.lookup",
        ALL,
        Kind::Choice(&[
            "use_all_dns_ips",
            "resolve_canonical_bootstrap_servers_only",
        ]),
    )
    .accepts(&["use_all_dns_ips"]),
    supported("client.rack", CONSUMER.and(PRODUCER), Kind::Text),
    supported("request.timeout.ms", ALL, INT),
    supported(
        "default.api.timeout.ms",
        CLIENT.and(CONSUMER).and(ADMIN),
        INT,
    ),
    supported("retries", PRODUCER.and(ADMIN), INT),
    supported("retry.backoff.ms", ALL, LONG),
    supported("retry.backoff.max.ms", ALL, LONG),
    supported("reconnect.backoff.ms", ALL, LONG),
    supported("reconnect.backoff.max.ms", ALL, LONG),
    supported("socket.connection.setup.timeout.ms", ALL, long_from(1)),
    supported("socket.connection.setup.timeout.max.ms", ALL, long_from(1)),
    supported("connections.max.idle.ms", ALL, long_from(-1)),
    not_yet("send.buffer.bytes", ALL, int_from(-1))
        .accepts(&["-1"])
        .hint(OS_BUFFERS),
    not_yet("receive.buffer.bytes", ALL, int_from(-1))
        .accepts(&["-1"])
        .hint(OS_BUFFERS),
    supported("metadata.max.age.ms", ALL, LONG),
    supported("metadata.max.idle.ms", PRODUCER, long_from(5000)),
    supported(
        "metadata.recovery.strategy",
        ALL,
        Kind::ChoiceAnyCase(&["rebootstrap", "none"]),
    ),
    supported("metadata.recovery.rebootstrap.trigger.ms", ALL, LONG),
    supported("metadata.cluster.check.enable", ALL, Kind::Bool),
    // Telemetry is pushed only if a broker asks for it, so that not pushing honours both.
    not_yet("enable.metrics.push", ALL, Kind::Bool).accepts(&["true", "false"]),
    not_yet("interceptor.classes", PRODUCER.and(CONSUMER), Kind::List)
        .accepts(&[""])
        .hint("interceptors are not loaded by class name"),
    ignored("metric.reporters", ALL, Kind::List, METRICS),
    ignored("metrics.num.samples", ALL, int_from(1), METRICS),
    ignored("metrics.sample.window.ms", ALL, LONG, METRICS),
    ignored(
        "metrics.recording.level",
        ALL,
        Kind::Choice(&["INFO", "DEBUG", "TRACE"]),
        METRICS,
    ),
    // Not ignored: a `${file:...}` taken literally would become a password.
    not_yet("config.providers", ALL, Kind::List)
        .accepts(&[""])
        .hint("placeholders in values are not resolved"),
];
