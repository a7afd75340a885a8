//! librdkafka's spellings, so that a service that moves to klamm can keep its properties at first.
//!
//! Only names are here; other spellings of values (`smallest` for `earliest`) stand with their row of the table.

/// What a librdkafka name means here.
pub(super) enum Target {
    /// A property of Java's name, and how the value is translated. A value that cannot be translated stays as it
    /// is, for the property's own check to refuse.
    Property(&'static str, fn(&str) -> String),
    /// The level of whichever codec the set chooses: librdkafka has one property for all.
    LevelOfCodec,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// Java's "no limit" for times that are an int: 24.8 days.
const UNLIMITED_MS: i64 = i32::MAX as i64;

const ALIASES: &[(&str, Target)] = &[
    (
        "metadata.broker.list",
        Target::Property("bootstrap.servers", same),
    ),
    ("request.required.acks", Target::Property("acks", same)),
    (
        "message.send.max.retries",
        Target::Property("retries", same),
    ),
    (
        "message.timeout.ms",
        Target::Property("delivery.timeout.ms", zero_is_unlimited),
    ),
    (
        "queue.buffering.max.ms",
        Target::Property("linger.ms", whole_ms),
    ),
    (
        "compression.codec",
        Target::Property("compression.type", same),
    ),
    (
        "max.in.flight",
        Target::Property("max.in.flight.requests.per.connection", same),
    ),
    (
        "queue.buffering.max.kbytes",
        Target::Property("buffer.memory", kib_to_bytes),
    ),
    (
        "queue.buffering.max.messages",
        Target::Nothing("klamm bounds bytes (buffer.memory), not records"),
    ),
    (
        "batch.num.messages",
        Target::Nothing("klamm bounds bytes (batch.size), not records"),
    ),
    (
        "message.max.bytes",
        Target::Property("max.request.size", same),
    ),
    ("compression.level", Target::LevelOfCodec),
    ("partitioner", Target::Property("partitioner.class", same)),
    (
        "fetch.wait.max.ms",
        Target::Property("fetch.max.wait.ms", same),
    ),
    (
        "fetch.message.max.bytes",
        Target::Property("max.partition.fetch.bytes", same),
    ),
    (
        "topic.metadata.refresh.interval.ms",
        Target::Property("metadata.max.age.ms", minus_one_is_unlimited),
    ),
    (
        "socket.timeout.ms",
        Target::Property("request.timeout.ms", same),
    ),
    (
        "socket.send.buffer.bytes",
        Target::Property("send.buffer.bytes", zero_is_os),
    ),
    (
        "socket.receive.buffer.bytes",
        Target::Property("receive.buffer.bytes", zero_is_os),
    ),
    (
        "ssl.ca.location",
        Target::Property("ssl.truststore.location", same),
    ),
    (
        "ssl.ca.pem",
        Target::Property("ssl.truststore.certificates", same),
    ),
    (
        "ssl.certificate.location",
        Target::Property("ssl.keystore.location", same),
    ),
    (
        "ssl.certificate.pem",
        Target::Property("ssl.keystore.certificate.chain", same),
    ),
    ("ssl.key.pem", Target::Property("ssl.keystore.key", same)),
    (
        "ssl.providers",
        Target::Property("security.providers", same),
    ),
    ("sasl.mechanisms", Target::Property("sasl.mechanism", same)),
    (
        "sasl.oauthbearer.client.id",
        Target::Property("sasl.oauthbearer.client.credentials.client.id", same),
    ),
    (
        "sasl.oauthbearer.client.secret",
        Target::Property("sasl.oauthbearer.client.credentials.client.secret", same),
    ),
    (
        "sasl.oauthbearer.assertion.jwt.template.file",
        Target::Property("sasl.oauthbearer.assertion.template.file", same),
    ),
    (
        "statistics.interval.ms",
        Target::Nothing("klamm offers metrics as snapshots, not at intervals"),
    ),
    ("debug", Target::Nothing(TRACING)),
    ("log_level", Target::Nothing(TRACING)),
    (
        "socket.nagle.disable",
        Target::Nothing("Nagle's algorithm is always off"),
    ),
    (
        "socket.keepalive.enable",
        Target::Nothing("keep-alive is not a property in klamm"),
    ),
    (
        "broker.address.family",
        Target::Nothing("the address family is not a property in klamm"),
    ),
    (
        "enabled_events",
        Target::Nothing("events go to an observer"),
    ),
];

/// Whole families of librdkafka names that mean nothing here.
const IGNORED_PREFIXES: &[(&str, Target)] = &[
    (
        "api.version.",
        Target::Nothing("versions are always negotiated with the broker"),
    ),
    ("log.", Target::Nothing(TRACING)),
];

const TRACING: &str = "klamm logs by way of the tracing crate";

/// What a name means if librdkafka has it and Java does not.
pub(super) fn find(name: &str) -> Option<&'static Target> {
    let exact = ALIASES.iter().find(|(alias, _)| *alias == name);
    let found = exact.or_else(|| {
        IGNORED_PREFIXES
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
    });
    found.map(|(_, target)| target)
}

/// All aliases, each with the property it stands for, if there is one.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    ALIASES.iter().map(|(alias, target)| match target {
        Target::Property(property, _) => (*alias, Some(*property)),
        Target::LevelOfCodec | Target::Nothing(_) => (*alias, None),
    })
}

fn same(value: &str) -> String {
    value.to_owned()
}

fn zero_is_unlimited(value: &str) -> String {
    replaced(value, 0, UNLIMITED_MS)
}

fn minus_one_is_unlimited(value: &str) -> String {
    replaced(value, -1, UNLIMITED_MS)
}

fn zero_is_os(value: &str) -> String {
    replaced(value, 0, -1)
}

fn replaced(value: &str, special: i64, meaning: i64) -> String {
    if value.parse() == Ok(special) {
        meaning.to_string()
    } else {
        value.to_owned()
    }
}

fn kib_to_bytes(value: &str) -> String {
    let bytes = value
        .parse::<i64>()
        .ok()
        .and_then(|kib| kib.checked_mul(1024));
    bytes.map_or_else(|| value.to_owned(), |bytes| bytes.to_string())
}

/// librdkafka takes fractions of a millisecond; Java's property does not. Rounded up: 0.5 still asks for batching.
fn whole_ms(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(ms) if ms.is_finite() && ms.fract() != 0.0 => (ms.ceil() as i64).to_string(),
        _ => value.strip_suffix(".0").unwrap_or(value).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_translated_to_the_units_of_java() {
        assert_eq!(zero_is_unlimited("0"), "2147483647");
        assert_eq!(zero_is_unlimited("300000"), "300000");
        assert_eq!(minus_one_is_unlimited("-1"), "2147483647");
        assert_eq!(zero_is_os("0"), "-1");
        assert_eq!(kib_to_bytes("1048576"), "1073741824");
        assert_eq!(whole_ms("0.5"), "1");
        assert_eq!(whole_ms("5.0"), "5");
        assert_eq!(whole_ms("5"), "5");
    }

    #[test]
    fn what_cannot_be_translated_is_left_for_the_check() {
        assert_eq!(kib_to_bytes("9223372036854775807"), "9223372036854775807");
        assert_eq!(kib_to_bytes("many"), "many");
        assert_eq!(whole_ms("NaN"), "NaN");
        assert_eq!(zero_is_os(""), "");
    }
}
