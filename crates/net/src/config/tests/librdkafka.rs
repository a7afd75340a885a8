//! librdkafka's spellings of names and values.

use super::super::{Fault, Role};
use super::{is_not_implemented, only_problem, parse, warnings};

#[test]
fn every_spelling_of_librdkafka_is_read_with_one_warning() {
    let producer = [
        (
            "metadata.broker.list",
            "a:9092",
            "bootstrap.servers",
            "[\"a:9092\"]",
        ),
        ("request.required.acks", "-1", "acks", "\"-1\""),
        ("message.send.max.retries", "7", "retries", "7"),
        (
            "message.timeout.ms",
            "0",
            "delivery.timeout.ms",
            "2147483647",
        ),
        ("queue.buffering.max.ms", "0.5", "linger.ms", "1"),
        ("compression.codec", "zstd", "compression.type", "\"zstd\""),
        (
            "max.in.flight",
            "3",
            "max.in.flight.requests.per.connection",
            "3",
        ),
        ("queue.buffering.max.kbytes", "2", "buffer.memory", "2048"),
        (
            "message.max.bytes",
            "1000000",
            "max.request.size",
            "1000000",
        ),
        (
            "topic.metadata.refresh.interval.ms",
            "-1",
            "metadata.max.age.ms",
            "2147483647",
        ),
        ("socket.timeout.ms", "60000", "request.timeout.ms", "60000"),
        ("socket.send.buffer.bytes", "0", "send.buffer.bytes", "-1"),
        (
            "socket.receive.buffer.bytes",
            "0",
            "receive.buffer.bytes",
            "-1",
        ),
    ];
    let consumer = [
        ("fetch.wait.max.ms", "100", "fetch.max.wait.ms", "100"),
        (
            "fetch.message.max.bytes",
            "1",
            "max.partition.fetch.bytes",
            "1",
        ),
    ];
    let cases = producer.map(|case| (Role::Producer, case)).into_iter();
    for (role, (alias, value, property, read)) in
        cases.chain(consumer.map(|case| (Role::Consumer, case)))
    {
        let set = parse(role, &[(alias, value)]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{set:?}"), format!("{{\"{property}\": {read}}}"));
        assert_eq!(set.warnings().len(), 1, "{alias}");
        let text = format!("{alias} is librdkafka's name, read as {property}");
        assert!(set.warnings()[0].starts_with(&text), "{:?}", set.warnings());
    }
}

#[test]
fn security_spellings_of_librdkafka_are_read_as_those_of_java() {
    for (alias, property) in [
        ("ssl.ca.location", "ssl.truststore.location"),
        ("ssl.ca.pem", "ssl.truststore.certificates"),
        ("ssl.certificate.location", "ssl.keystore.location"),
        ("ssl.certificate.pem", "ssl.keystore.certificate.chain"),
        ("ssl.key.pem", "ssl.keystore.key"),
        ("sasl.mechanisms", "sasl.mechanism"),
        (
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.client.credentials.client.id",
        ),
        (
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
        ),
    ] {
        let set = parse(Role::Client, &[(alias, "PLAIN")]).unwrap();
        assert_eq!(set.str(property), Some("PLAIN"), "{alias}");
    }
}

#[test]
fn security_spellings_of_librdkafka_are_known_though_not_implemented() {
    let aliases = [
        "sasl.mechanisms",
        "sasl.oauthbearer.assertion.jwt.template.file",
    ];
    for alias in aliases {
        let problem = only_problem(Role::Client, &[(alias, "x")]);
        assert!(is_not_implemented(&problem), "{problem}");
        assert_eq!(problem.property(), alias, "named as the user wrote it");
    }
}

#[test]
fn spellings_of_librdkafka_that_mean_nothing_are_warnings() {
    let names = [
        "queue.buffering.max.messages",
        "batch.num.messages",
        "statistics.interval.ms",
        "debug",
        "log_level",
        "socket.nagle.disable",
        "socket.keepalive.enable",
        "broker.address.family",
        "api.version.request",
        "api.version.fallback.ms",
        "enabled_events",
        "log.connection.close",
        "compression.level",
    ];
    for name in names {
        let warnings = warnings(Role::Producer, &[(name, "1")]);
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
    }
}

#[test]
fn the_one_compression_level_of_librdkafka_is_that_of_the_codec() {
    for (codec, property) in [
        ("gzip", "compression.gzip.level"),
        ("zstd", "compression.zstd.level"),
    ] {
        for codec_name in ["compression.codec", "compression.type"] {
            let set = parse(
                Role::Producer,
                &[("compression.level", "5"), (codec_name, codec)],
            )
            .unwrap();
            assert_eq!(set.i32(property), Some(5));
        }
    }
    let set = parse(
        Role::Producer,
        &[("compression.level", "-1"), ("compression.type", "zstd")],
    )
    .unwrap();
    assert_eq!(set.i32("compression.zstd.level"), None);
}

#[test]
fn an_lz4_level_other_than_the_fast_mode_is_a_warning() {
    assert_eq!(
        warnings(Role::Producer, &[("compression.lz4.level", "12")]).len(),
        1
    );
    assert!(warnings(Role::Producer, &[("compression.lz4.level", "9")]).is_empty());
}

#[test]
fn values_of_librdkafka_are_translated() {
    let resets = [
        ("smallest", "earliest"),
        ("beginning", "earliest"),
        ("largest", "latest"),
        ("end", "latest"),
        ("error", "none"),
    ];
    for (foreign, own) in resets {
        let set = parse(Role::Consumer, &[("auto.offset.reset", foreign)]).unwrap();
        assert_eq!(set.str("auto.offset.reset"), Some(own));
        assert_eq!(set.warnings().len(), 1);
    }
    let set = parse(Role::Producer, &[("partitioner", "murmur2_random")]).unwrap();
    assert_eq!(set.str("partitioner.class"), Some("default"));
    for (foreign, own) in [
        ("consistent", "crc32"),
        ("consistent_random", "crc32_random"),
        ("murmur2", "murmur2"),
        ("fnv1a", "fnv1a"),
        ("fnv1a_random", "fnv1a_random"),
    ] {
        let set = parse(Role::Producer, &[("partitioner", foreign)]).unwrap();
        assert_eq!(set.str("partitioner.class"), Some(own));
    }
    let problem = only_problem(Role::Producer, &[("partitioner", "random")]);
    assert!(matches!(problem.fault(), Fault::NotAllowed { .. }));
}

#[test]
fn of_both_spellings_the_java_one_counts_with_a_warning() {
    let set = parse(
        Role::Client,
        &[("socket.timeout.ms", "1"), ("request.timeout.ms", "2")],
    )
    .unwrap();
    assert_eq!(set.i32("request.timeout.ms"), Some(2));
    let expected =
        "socket.timeout.ms is librdkafka's name of request.timeout.ms, which is set too and counts";
    assert_eq!(set.warnings(), [expected]);
}

#[test]
fn an_alias_with_a_bad_value_is_reported_as_written() {
    let problem = only_problem(Role::Producer, &[("queue.buffering.max.kbytes", "-1")]);
    assert_eq!(
        (problem.property(), problem.value()),
        ("queue.buffering.max.kbytes", Some("-1"))
    );
}
