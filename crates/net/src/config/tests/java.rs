//! The table against the definitions in Java's clients.

use super::super::table::{self, Status};
use super::{PropertySet, Role};

/// Name, default and roles as printed by the `ConfigDef`s of kafka-clients 4.4.0, but for `internal.*`. No default
/// where it is null, required or a class of Java's.
const DEFINITIONS: &[(&str, Option<&str>, &[Role])] = &[
    ("acks", Some("all"), &[Role::Producer]),
    ("allow.auto.create.topics", Some("true"), &[Role::Consumer]),
    ("auto.commit.interval.ms", Some("5000"), &[Role::Consumer]),
    ("auto.offset.reset", Some("latest"), &[Role::Consumer]),
    ("batch.size", Some("16384"), &[Role::Producer]),
    ("bootstrap.controllers", Some(""), &[Role::Admin]),
    (
        "bootstrap.resolve.timeout.ms",
        Some("0"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("bootstrap.servers", None, &[Role::Producer, Role::Consumer]),
    ("bootstrap.servers", Some(""), &[Role::Admin]),
    ("buffer.memory", Some("33554432"), &[Role::Producer]),
    (
        "buffer.memory.allocation.strategy",
        Some("full"),
        &[Role::Producer],
    ),
    ("check.crcs", Some("true"), &[Role::Consumer]),
    (
        "client.dns.lookup",
        Some("use_all_dns_ips"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "client.id",
        Some(""),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("client.rack", Some(""), &[Role::Producer, Role::Consumer]),
    ("compression.gzip.level", Some("-1"), &[Role::Producer]),
    ("compression.lz4.level", Some("9"), &[Role::Producer]),
    ("compression.type", Some("none"), &[Role::Producer]),
    ("compression.zstd.level", Some("3"), &[Role::Producer]),
    (
        "config.providers",
        Some(""),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("connections.max.idle.ms", Some("300000"), &[Role::Admin]),
    (
        "connections.max.idle.ms",
        Some("540000"),
        &[Role::Producer, Role::Consumer],
    ),
    (
        "default.api.timeout.ms",
        Some("60000"),
        &[Role::Consumer, Role::Admin],
    ),
    ("delivery.timeout.ms", Some("120000"), &[Role::Producer]),
    ("enable.auto.commit", Some("true"), &[Role::Consumer]),
    ("enable.idempotence", Some("true"), &[Role::Producer]),
    ("enable.metrics.push", Some("false"), &[Role::Admin]),
    (
        "enable.metrics.push",
        Some("true"),
        &[Role::Producer, Role::Consumer],
    ),
    ("exclude.internal.topics", Some("true"), &[Role::Consumer]),
    ("fetch.max.bytes", Some("52428800"), &[Role::Consumer]),
    ("fetch.max.wait.ms", Some("500"), &[Role::Consumer]),
    ("fetch.min.bytes", Some("1"), &[Role::Consumer]),
    ("group.id", None, &[Role::Consumer]),
    ("group.instance.id", None, &[Role::Consumer]),
    ("group.protocol", Some("classic"), &[Role::Consumer]),
    ("group.remote.assignor", None, &[Role::Consumer]),
    ("heartbeat.interval.ms", Some("3000"), &[Role::Consumer]),
    (
        "interceptor.classes",
        Some(""),
        &[Role::Producer, Role::Consumer],
    ),
    (
        "isolation.level",
        Some("read_uncommitted"),
        &[Role::Consumer],
    ),
    ("key.deserializer", None, &[Role::Consumer]),
    ("key.serializer", None, &[Role::Producer]),
    ("linger.ms", Some("5"), &[Role::Producer]),
    ("max.block.ms", Some("60000"), &[Role::Producer]),
    (
        "max.in.flight.requests.per.connection",
        Some("5"),
        &[Role::Producer],
    ),
    (
        "max.partition.fetch.bytes",
        Some("1048576"),
        &[Role::Consumer],
    ),
    ("max.poll.interval.ms", Some("300000"), &[Role::Consumer]),
    ("max.poll.records", Some("500"), &[Role::Consumer]),
    ("max.request.size", Some("1048576"), &[Role::Producer]),
    (
        "metadata.cluster.check.enable",
        Some("true"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metadata.max.age.ms",
        Some("300000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("metadata.max.idle.ms", Some("300000"), &[Role::Producer]),
    (
        "metadata.recovery.rebootstrap.trigger.ms",
        Some("300000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metadata.recovery.strategy",
        Some("rebootstrap"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metric.reporters",
        Some("org.apache.kafka.common.metrics.JmxReporter"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metrics.num.samples",
        Some("2"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metrics.recording.level",
        Some("INFO"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "metrics.sample.window.ms",
        Some("30000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "partition.assignment.strategy",
        Some(
            "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        ),
        &[Role::Consumer],
    ),
    (
        "partitioner.adaptive.partitioning.enable",
        Some("true"),
        &[Role::Producer],
    ),
    (
        "partitioner.availability.timeout.ms",
        Some("0"),
        &[Role::Producer],
    ),
    ("partitioner.class", None, &[Role::Producer]),
    ("partitioner.ignore.keys", Some("false"), &[Role::Producer]),
    ("partitioner.rack.aware", Some("false"), &[Role::Producer]),
    ("receive.buffer.bytes", Some("32768"), &[Role::Producer]),
    (
        "receive.buffer.bytes",
        Some("65536"),
        &[Role::Consumer, Role::Admin],
    ),
    (
        "reconnect.backoff.max.ms",
        Some("1000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "reconnect.backoff.ms",
        Some("50"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "request.timeout.ms",
        Some("30000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "retries",
        Some("2147483647"),
        &[Role::Producer, Role::Admin],
    ),
    (
        "retry.backoff.max.ms",
        Some("1000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "retry.backoff.ms",
        Some("100"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.client.callback.handler.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.jaas.config",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.kerberos.kinit.cmd",
        Some("/usr/bin/kinit"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.kerberos.min.time.before.relogin",
        Some("60000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.kerberos.service.name",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.kerberos.ticket.renew.jitter",
        Some("0.05"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.kerberos.ticket.renew.window.factor",
        Some("0.8"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.callback.handler.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.connect.timeout.ms",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.read.timeout.ms",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.refresh.buffer.seconds",
        Some("300"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.refresh.min.period.seconds",
        Some("60"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.refresh.window.factor",
        Some("0.8"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.refresh.window.jitter",
        Some("0.05"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.retry.backoff.max.ms",
        Some("10000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.login.retry.backoff.ms",
        Some("100"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.mechanism",
        Some("GSSAPI"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.allow.unverified.audience",
        Some("false"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.allow.unverified.issuer",
        Some("false"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.algorithm",
        Some("RS256"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.aud",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        Some("300"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.iss",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.jti.include",
        Some("false"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        Some("60"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.claim.sub",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.file",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.private.key.file",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.private.key.passphrase",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.assertion.template.file",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.client.credentials.client.id",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.client.credentials.client.secret",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.clock.skew.seconds",
        Some("30"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.expected.audience",
        Some(""),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.expected.issuer",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.header.urlencode",
        Some("false"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        Some("3600000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Some("10000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Some("100"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwks.endpoint.url",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwt.retriever.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.jwt.validator.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.scope",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.scope.claim.name",
        Some("scope"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.sub.claim.name",
        Some("sub"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "sasl.oauthbearer.token.endpoint.url",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "security.protocol",
        Some("PLAINTEXT"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "security.providers",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "send.buffer.bytes",
        Some("131072"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("session.timeout.ms", Some("45000"), &[Role::Consumer]),
    (
        "share.acknowledgement.mode",
        Some("implicit"),
        &[Role::Consumer],
    ),
    (
        "share.acquire.mode",
        Some("BATCH_OPTIMIZED"),
        &[Role::Consumer],
    ),
    (
        "socket.connection.setup.timeout.max.ms",
        Some("30000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "socket.connection.setup.timeout.ms",
        Some("10000"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.cipher.suites",
        Some(""),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.enabled.protocols",
        Some("TLSv1.2,TLSv1.3"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.endpoint.identification.algorithm",
        Some("https"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.engine.factory.class",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.key.password",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keymanager.algorithm",
        Some("SunX509"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keystore.certificate.chain",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keystore.key",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keystore.location",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keystore.password",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.keystore.type",
        Some("JKS"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.protocol",
        Some("TLSv1.3"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.provider",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.secure.random.implementation",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.trustmanager.algorithm",
        Some("PKIX"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.truststore.certificates",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.truststore.location",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.truststore.password",
        None,
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    (
        "ssl.truststore.type",
        Some("JKS"),
        &[Role::Producer, Role::Consumer, Role::Admin],
    ),
    ("transaction.timeout.ms", Some("60000"), &[Role::Producer]),
    (
        "transaction.two.phase.commit.enable",
        Some("false"),
        &[Role::Producer],
    ),
    ("transactional.id", None, &[Role::Producer]),
    ("value.deserializer", None, &[Role::Consumer]),
    ("value.serializer", None, &[Role::Producer]),
];

/// Defaults of Java's that klamm refuses or has not, each for a reason of the configuration reference.
const REFUSED: &[&str] = &[
    // The operating system's size, which is klamm's default, is not a number.
    "receive.buffer.bytes",
    "send.buffer.bytes",
    // Lists more than klamm implements.
    "partition.assignment.strategy",
    // klamm has no default: GSSAPI needs C.
    "sasl.mechanism",
    // PEM in klamm.
    "ssl.keystore.type",
    "ssl.truststore.type",
];

#[test]
fn the_table_has_every_property_of_the_java_clients_for_the_same_roles() {
    for (name, _, roles) in DEFINITIONS {
        let row = table::find(name).unwrap_or_else(|| panic!("{name} is missing"));
        for role in *roles {
            assert!(row.roles.contains(*role), "{name} for {role:?}");
        }
    }
    for role in [Role::Producer, Role::Consumer, Role::Admin] {
        for row in table::all().filter(|row| row.roles.contains(role)) {
            let mut definitions = DEFINITIONS
                .iter()
                .filter(|(name, ..)| *name == row.name)
                .peekable();
            let is_java = definitions.peek().is_some();
            assert!(
                !is_java || definitions.any(|(.., roles)| roles.contains(&role)),
                "{} for {role:?}",
                row.name
            );
        }
    }
}

#[test]
fn every_default_of_java_is_accepted_unless_klamm_differs() {
    for (name, default, roles) in DEFINITIONS {
        let Some(default) = default else { continue };
        for role in *roles {
            let result = PropertySet::parse(*role, [(*name, *default)]);
            assert_eq!(
                result.is_err(),
                REFUSED.contains(name),
                "{name} = {default}: {result:?}"
            );
        }
    }
}

#[test]
fn only_supported_and_pending_properties_are_held_by_a_set() {
    for (name, default, roles) in DEFINITIONS {
        let row = table::find(name).expect("checked above");
        let Some(Ok(set)) = default.map(|default| PropertySet::parse(roles[0], [(*name, default)]))
        else {
            continue;
        };
        assert_eq!(
            set.is_set(name),
            !matches!(row.status, Status::Ignored(_)),
            "{name}"
        );
    }
}
