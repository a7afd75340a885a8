//! What a user relies on when handing in properties.

mod java;

use std::time::Duration;

use proptest::prelude::*;

use super::table::{self, Status};
use super::{ConfigError, Fault, Problem, PropertySet, Role, alias};

const ROLES: [Role; 4] = [Role::Client, Role::Producer, Role::Consumer, Role::Admin];

/// The first column of the tables in the configuration reference, sections 1 to 5.
const REFERENCE: &str = "
    bootstrap.servers bootstrap.controllers bootstrap.resolve.timeout.ms client.id
    client.dns.lookup client.rack request.timeout.ms default.api.timeout.ms retries
    retry.backoff.ms retry.backoff.max.ms reconnect.backoff.ms reconnect.backoff.max.ms
    socket.connection.setup.timeout.ms socket.connection.setup.timeout.max.ms
    connections.max.idle.ms send.buffer.bytes receive.buffer.bytes metadata.max.age.ms
    metadata.max.idle.ms metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms
    metadata.cluster.check.enable enable.metrics.push interceptor.classes security.protocol
    metric.reporters metrics.num.samples metrics.sample.window.ms metrics.recording.level
    config.providers security.providers acks enable.idempotence
    max.in.flight.requests.per.connection delivery.timeout.ms linger.ms batch.size buffer.memory
    buffer.memory.allocation.strategy max.block.ms max.request.size compression.type
    compression.gzip.level compression.lz4.level compression.zstd.level partitioner.class
    partitioner.ignore.keys partitioner.adaptive.partitioning.enable
    partitioner.availability.timeout.ms partitioner.rack.aware sticky.partitioning.linger.ms
    transactional.id transaction.timeout.ms transaction.two.phase.commit.enable key.serializer
    value.serializer group.id group.instance.id group.protocol group.remote.assignor
    partition.assignment.strategy session.timeout.ms heartbeat.interval.ms max.poll.interval.ms
    max.poll.records enable.auto.commit auto.commit.interval.ms auto.offset.reset
    isolation.level fetch.min.bytes fetch.max.wait.ms fetch.max.bytes max.partition.fetch.bytes
    check.crcs allow.auto.create.topics exclude.internal.topics queued.min.messages
    queued.max.messages.kbytes enable.auto.offset.store enable.partition.eof
    share.acknowledgement.mode share.acquire.mode key.deserializer value.deserializer
    ssl.truststore.location ssl.truststore.certificates ssl.truststore.type
    ssl.truststore.password ssl.keystore.location ssl.keystore.certificate.chain
    ssl.keystore.key ssl.keystore.type ssl.keystore.password ssl.key.password
    ssl.endpoint.identification.algorithm ssl.enabled.protocols ssl.protocol ssl.cipher.suites
    ssl.provider ssl.keymanager.algorithm ssl.trustmanager.algorithm
    ssl.secure.random.implementation ssl.engine.factory.class
    enable.ssl.certificate.verification ssl.crl.location ssl.curves.list ssl.sigalgs.list
    sasl.mechanism sasl.jaas.config sasl.username sasl.password
    sasl.login.callback.handler.class sasl.client.callback.handler.class sasl.login.class
    sasl.login.refresh.window.factor sasl.login.refresh.window.jitter
    sasl.login.refresh.min.period.seconds sasl.login.refresh.buffer.seconds
    sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.retry.backoff.ms
    sasl.login.retry.backoff.max.ms sasl.oauthbearer.token.endpoint.url
    sasl.oauthbearer.client.credentials.client.id
    sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.scope
    sasl.oauthbearer.header.urlencode sasl.oauthbearer.sub.claim.name
    sasl.oauthbearer.scope.claim.name sasl.oauthbearer.assertion.file
    sasl.oauthbearer.assertion.private.key.file
    sasl.oauthbearer.assertion.private.key.passphrase sasl.oauthbearer.assertion.algorithm
    sasl.oauthbearer.assertion.template.file sasl.oauthbearer.assertion.claim.aud
    sasl.oauthbearer.assertion.claim.iss sasl.oauthbearer.assertion.claim.sub
    sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.nbf.seconds
    sasl.oauthbearer.assertion.claim.jti.include sasl.oauthbearer.grant.type
    sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class
    sasl.oauthbearer.jwks.endpoint.url sasl.oauthbearer.jwks.endpoint.refresh.ms
    sasl.oauthbearer.jwks.endpoint.retry.backoff.ms
    sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms sasl.oauthbearer.expected.audience
    sasl.oauthbearer.expected.issuer sasl.oauthbearer.clock.skew.seconds
    sasl.oauthbearer.allow.unverified.audience sasl.oauthbearer.allow.unverified.issuer
    sasl.oauthbearer.extensions sasl.oauthbearer.config
    sasl.oauthbearer.metadata.authentication.type sasl.kerberos.service.name
    sasl.kerberos.kinit.cmd sasl.kerberos.ticket.renew.window.factor
    sasl.kerberos.ticket.renew.jitter sasl.kerberos.min.time.before.relogin
";

fn parse(role: Role, properties: &[(&str, &str)]) -> Result<PropertySet, ConfigError> {
    PropertySet::parse(role, properties.iter().copied())
}

fn problems(role: Role, properties: &[(&str, &str)]) -> Vec<Problem> {
    parse(role, properties)
        .expect_err("must be refused")
        .problems()
        .to_vec()
}

fn only_problem(role: Role, properties: &[(&str, &str)]) -> Problem {
    let problems = problems(role, properties);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

fn warnings(role: Role, properties: &[(&str, &str)]) -> Vec<String> {
    parse(role, properties).unwrap().warnings().to_vec()
}

fn is_not_implemented(problem: &Problem) -> bool {
    matches!(problem.fault(), Fault::NotImplemented { .. })
}

#[test]
fn every_name_of_the_reference_is_in_the_table_once() {
    let names: Vec<_> = REFERENCE.split_whitespace().collect();
    assert_eq!(names.len(), 161);
    for name in names {
        assert_eq!(
            table::all().filter(|row| row.name == name).count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn no_name_is_both_a_property_and_an_alias_and_no_alias_leads_nowhere() {
    for (alias, property) in alias::all() {
        assert!(table::find(alias).is_none(), "{alias}");
        assert!(
            property.is_none_or(|property| table::find(property).is_some()),
            "{alias}"
        );
    }
    for row in table::all() {
        assert!(alias::find(row.name).is_none(), "{}", row.name);
    }
}

#[test]
fn every_accepted_value_is_one_that_its_property_can_have() {
    for row in table::all() {
        for value in row.accepted {
            assert!(row.kind.read(value).is_some(), "{} = {value:?}", row.name);
        }
        for (synonym, own) in row.synonyms {
            assert!(row.kind.read(own).is_some(), "{} = {synonym:?}", row.name);
            assert!(row.read(synonym).is_some(), "{} = {synonym:?}", row.name);
        }
    }
}

#[test]
fn a_value_klamm_acts_by_is_accepted_and_any_other_of_it_refused() {
    for row in table::all().filter(|row| matches!(row.status, Status::NotYet)) {
        let role = ROLES
            .into_iter()
            .find(|role| row.roles.contains(*role))
            .unwrap();
        for value in row.accepted {
            let set = parse(role, &[(row.name, value)]).unwrap_or_else(|error| panic!("{error}"));
            assert!(set.is_set(row.name), "{}", row.name);
        }
        let others = [
            "other", "7000", "17", "true", "false", "0.6", "0.1", "none", "JKS", "explicit",
            "ES256",
        ];
        let more = [
            "azure_imds",
            "oidc",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "TLSv1.3",
            "record_limit",
        ];
        let also = ["resolve_canonical_bootstrap_servers_only"];
        let refused = others.iter().chain(&more).chain(&also).filter_map(|value| {
            let error = parse(role, &[(row.name, value)]).err()?;
            error
                .problems()
                .iter()
                .any(is_not_implemented)
                .then_some(value)
        });
        // Telemetry is the one property of which each value is honoured by doing nothing.
        assert_eq!(
            refused.count() > 0,
            row.name != "enable.metrics.push",
            "{}",
            row.name
        );
    }
}

#[test]
fn tls_never_becomes_plaintext() {
    for protocol in ["SSL", "SASL_SSL", "sasl_plaintext"] {
        let problem = only_problem(Role::Client, &[("security.protocol", protocol)]);
        assert!(is_not_implemented(&problem), "{problem}");
    }
    let set = parse(Role::Client, &[("security.protocol", "plaintext")]).unwrap();
    assert_eq!(set.str("security.protocol"), Some("PLAINTEXT"));
}

#[test]
fn values_partly_implemented_say_what_is_accepted() {
    let cases = [
        ("isolation.level", "read_committed", "read_uncommitted"),
        ("group.protocol", "CONSUMER", "classic"),
        (
            "auto.offset.reset",
            "by_duration:PT1H",
            "earliest or latest or none",
        ),
        (
            "partition.assignment.strategy",
            "range,cooperative-sticky",
            "range",
        ),
    ];
    for (name, value, accepted) in cases {
        let problem = only_problem(Role::Consumer, &[(name, value)]);
        let expected = format!(
            "{name} = \"{value}\": known to Kafka, not implemented by klamm yet; accepted: {accepted}"
        );
        assert_eq!(problem.to_string(), expected);
    }
    assert!(is_not_implemented(&only_problem(
        Role::Producer,
        &[("partitioner.class", "crc32")]
    )));
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let problem = only_problem(Role::Producer, &[("compresion.type", "lz4")]);
    assert_eq!(
        problem.fault(),
        &Fault::Unknown {
            nearest: Some("compression.type")
        }
    );
    assert_eq!(
        problem.to_string(),
        "compresion.type: no such property, did you mean compression.type?"
    );
    let problem = only_problem(Role::Producer, &[("spring.kafka.whatever", "1")]);
    assert_eq!(problem.fault(), &Fault::Unknown { nearest: None });
}

#[test]
fn names_are_case_sensitive() {
    let problem = only_problem(Role::Producer, &[("ACKS", "all")]);
    assert_eq!(
        problem.fault(),
        &Fault::Unknown {
            nearest: Some("acks")
        }
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = parse(
        Role::Consumer,
        &[
            ("bootstrap.servers", "a:9092,,b:9092"),
            ("fetch.min.bytes", "many"),
            ("gruop.id", "g"),
            ("security.protocol", "SSL"),
            ("group.protocol", "consumer"),
            ("session.timeout.ms", "10000"),
        ],
    )
    .unwrap_err();
    let properties: Vec<_> = error.problems().iter().map(Problem::property).collect();
    let found = [
        "gruop.id",
        "bootstrap.servers",
        "fetch.min.bytes",
        "group.protocol",
        "security.protocol",
    ];
    assert_eq!(properties[..5], found);
    assert_eq!(
        properties[5..],
        ["group.protocol"],
        "the conflict with session.timeout.ms"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("invalid configuration, 6 problems:\n- "),
        "{text}"
    );
    assert!(
        text.contains("fetch.min.bytes = \"many\": must be a whole number from 0 to 2147483647"),
        "{text}"
    );
}

#[test]
fn numbers_outside_their_range_are_refused_never_clamped() {
    let refused = [
        ("acks", "2"),
        ("linger.ms", "-1"),
        ("linger.ms", "0.5"),
        ("linger.ms", "9223372036854775808"),
        ("batch.size", "2147483648"),
        ("max.in.flight.requests.per.connection", "0"),
        ("compression.gzip.level", "0"),
        ("compression.gzip.level", "10"),
        ("compression.lz4.level", "18"),
        ("compression.zstd.level", "23"),
        ("compression.type", "LZ4"),
        ("enable.idempotence", "yes"),
        ("metadata.max.idle.ms", "4999"),
        ("send.buffer.bytes", "-2"),
    ];
    for (name, value) in refused {
        let problem = only_problem(Role::Producer, &[(name, value)]);
        assert!(
            matches!(problem.fault(), Fault::NotAllowed { .. }),
            "{problem}"
        );
        assert_eq!((problem.property(), problem.value()), (name, Some(value)));
    }
    let allowed = [
        ("linger.ms", "9223372036854775807"),
        ("batch.size", "2147483647"),
        ("compression.gzip.level", "-1"),
        ("compression.zstd.level", "-131072"),
        ("compression.lz4.level", "17"),
        ("acks", "-1"),
    ];
    for (name, value) in allowed {
        parse(Role::Producer, &[(name, value)]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn getters_give_each_type() {
    let properties = [
        ("client.id", "  billing "),
        ("enable.auto.commit", "FALSE"),
        ("fetch.max.wait.ms", "250"),
        ("fetch.max.bytes", " 1024 "),
        ("bootstrap.servers", " a:1 , [::1]:2,c "),
        ("connections.max.idle.ms", "-1"),
        ("sasl.login.refresh.window.factor", "0.80"),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor",
        ),
    ];
    let set = parse(Role::Consumer, &properties).unwrap();
    assert_eq!(set.role(), Role::Consumer);
    assert_eq!(set.str("client.id"), Some("billing"));
    assert_eq!(set.string("client.id"), Some("billing".to_owned()));
    assert_eq!(set.bool("enable.auto.commit"), Some(false));
    assert_eq!(
        set.duration_ms("fetch.max.wait.ms"),
        Some(Duration::from_millis(250))
    );
    assert_eq!(set.i32("fetch.max.bytes"), Some(1024));
    assert_eq!(set.i64("fetch.max.bytes"), Some(1024));
    assert_eq!(set.u64("fetch.max.bytes"), Some(1024));
    assert_eq!(set.usize("fetch.max.bytes"), Some(1024));
    assert_eq!(
        set.list("bootstrap.servers"),
        Some(vec!["a:1".into(), "[::1]:2".into(), "c".into()])
    );
    assert_eq!(
        set.list("partition.assignment.strategy"),
        Some(vec!["range".into()])
    );
    assert_eq!(set.f64("sasl.login.refresh.window.factor"), Some(0.8));
    assert_eq!(
        (
            set.i64("connections.max.idle.ms"),
            set.duration_ms("connections.max.idle.ms")
        ),
        (Some(-1), None)
    );
    assert!(set.is_set("client.id"));
    assert!(!set.is_set("group.id"));
    assert_eq!(set.i32("max.poll.records"), None);
}

#[test]
#[should_panic(expected = "is no property of the table")]
#[cfg(debug_assertions)]
fn asking_for_a_name_outside_the_table_is_a_bug() {
    parse(Role::Client, &[]).unwrap().is_set("no.such.name");
}

#[test]
fn the_last_of_several_values_counts() {
    let set = parse(Role::Producer, &[("acks", "0"), ("acks", "all")]).unwrap();
    assert_eq!(set.str("acks"), Some("all"));
}

#[test]
fn a_property_of_another_role_is_a_warning_whatever_its_value() {
    let set = parse(
        Role::Producer,
        &[
            ("group.id", "g"),
            ("isolation.level", "read_committed"),
            ("acks", "1"),
        ],
    )
    .unwrap();
    let expected = [
        "group.id is a property of consumer, the producer does not use it",
        "isolation.level is a property of consumer, the producer does not use it",
    ];
    assert_eq!(set.warnings(), expected);
    assert!(!set.is_set("group.id"));
}

#[test]
fn an_ignored_property_is_checked_and_warned_of() {
    let warnings = warnings(
        Role::Producer,
        &[("buffer.memory.allocation.strategy", "FULL")],
    );
    assert_eq!(
        warnings,
        [
            "buffer.memory.allocation.strategy is ignored: klamm always allocates as records are written"
        ]
    );
    let problem = only_problem(
        Role::Producer,
        &[("buffer.memory.allocation.strategy", "half")],
    );
    assert!(matches!(problem.fault(), Fault::NotAllowed { .. }));
}

#[test]
fn names_with_a_prefix_of_the_application_are_passed_over() {
    let properties = [("x.anything", "1"), ("acks", "all"), ("y.z", "2")];
    let error = PropertySet::parse_except(Role::Producer, &["x."], properties).unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert_eq!(error.problems()[0].property(), "y.z");
    assert!(
        PropertySet::parse_except(Role::Producer, &["x.", "y."], properties)
            .unwrap()
            .warnings()
            .is_empty()
    );
}

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
fn security_spellings_of_librdkafka_are_known_though_not_implemented() {
    let aliases = [
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.key.location",
        "ssl.key.pem",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.secret",
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
    for foreign in [
        "consistent",
        "consistent_random",
        "murmur2",
        "fnv1a",
        "fnv1a_random",
    ] {
        assert!(
            is_not_implemented(&only_problem(Role::Producer, &[("partitioner", foreign)])),
            "{foreign}"
        );
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

#[test]
fn settings_of_the_classic_protocol_conflict_with_the_consumer_protocol() {
    let properties = [
        ("group.protocol", "consumer"),
        ("session.timeout.ms", "45000"),
        ("heartbeat.interval.ms", "3000"),
        ("partition.assignment.strategy", "range"),
    ];
    let conflicts = |problems: Vec<Problem>| {
        problems
            .iter()
            .filter(|problem| matches!(problem.fault(), Fault::Conflict { .. }))
            .count()
    };
    assert_eq!(conflicts(problems(Role::Consumer, &properties)), 3);
    assert_eq!(
        conflicts(problems(
            Role::Consumer,
            &[("group.remote.assignor", "uniform")]
        )),
        1
    );
    let both = [
        ("group.remote.assignor", "uniform"),
        ("group.protocol", "consumer"),
    ];
    assert_eq!(conflicts(problems(Role::Consumer, &both)), 0);
}

#[test]
fn two_phase_commit_excludes_a_transaction_timeout() {
    let properties = [
        ("transaction.two.phase.commit.enable", "true"),
        ("transaction.timeout.ms", "60000"),
    ];
    let problems = problems(Role::Producer, &properties);
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem.fault(), Fault::Conflict { .. })),
        "{problems:?}"
    );
}

#[test]
fn tls_settings_without_tls_are_a_warning_about_the_protocol() {
    let warnings = warnings(
        Role::Client,
        &[("ssl.endpoint.identification.algorithm", "https")],
    );
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("security.protocol = PLAINTEXT"),
        "{warnings:?}"
    );
}

#[test]
fn secrets_are_never_printed() {
    const SECRET: &str = "hunter2";
    let names = [
        "ssl.truststore.password",
        "ssl.keystore.password",
        "ssl.key.password",
        "ssl.keystore.key",
        "ssl.key.pem",
        "ssl.ca.pem",
        "ssl.certificate.pem",
        "ssl.truststore.certificates",
        "ssl.keystore.certificate.chain",
        "sasl.jaas.config",
        "sasl.username",
        "sasl.password",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        // Misspelled ones too.
        "sasl.pasword",
        "SASL.JAAS.CONFIG",
        "my.secret",
    ];
    for name in names {
        let error = parse(Role::Client, &[(name, SECRET)]).expect_err(name);
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    // Once they are implemented, the set itself holds them.
    let mut set = parse(Role::Client, &[("client.id", "shown")]).unwrap();
    for row in table::all().filter(|row| names.contains(&row.name)) {
        set.values.insert(row.name, row.kind.read(SECRET).unwrap());
    }
    let debug = format!("{set:?} {set:#?}");
    assert!(
        !debug.contains(SECRET) && debug.contains("shown") && debug.contains("[hidden]"),
        "{debug}"
    );
}

#[test]
fn what_a_user_wrote_is_shown_on_one_line_and_shortened() {
    let value = "a\nb\u{1b}[31m".repeat(1000);
    let text = only_problem(Role::Producer, &[("acks", &value)]).to_string();
    assert!(
        !text.contains(['\n', '\u{1b}']) && text.len() < 1000,
        "{text}"
    );
}

fn any_name() -> impl Strategy<Value = String> {
    let known: Vec<String> = table::all()
        .map(|row| row.name)
        .chain(alias::all().map(|(alias, _)| alias))
        .map(str::to_owned)
        .collect();
    prop_oneof![4 => prop::sample::select(known), 1 => "(?s).{0,30}"]
}

fn any_value() -> impl Strategy<Value = String> {
    let words = [
        "",
        "true",
        "-1",
        "0",
        "5",
        "consumer",
        "zstd",
        "SASL_SSL",
        "by_duration:",
        "[",
        "[:",
        ":",
        ",",
        "%",
    ];
    prop_oneof![
        prop::sample::select(words.map(str::to_owned).to_vec()),
        "(?s).{0,20}",
        any::<i64>().prop_map(|n| n.to_string())
    ]
}

proptest! {
    #[test]
    fn no_pairs_of_strings_panic(
        role in prop::sample::select(ROLES.to_vec()),
        properties in prop::collection::vec((any_name(), any_value()), 0..12),
    ) {
        match PropertySet::parse(role, properties) {
            Ok(set) => {
                let debug = format!("{set:?}");
                prop_assert!(!debug.is_empty());
            }
            Err(error) => prop_assert!(!error.problems().is_empty() && !error.to_string().is_empty()),
        }
    }
}
