//! The table against the definitions in Java's clients.

use super::super::table::{self, Status};
use super::{PropertySet, Role};

/// Name, roles and default as printed by the `ConfigDef`s of kafka-clients 4.4.0, but for `internal.*`. `-` where
/// the default is null, required or a class of Java's; nothing where it is empty.
const DEFINITIONS: &str = "\
acks producer all
allow.auto.create.topics consumer true
auto.commit.interval.ms consumer 5000
auto.offset.reset consumer latest
batch.size producer 16384
bootstrap.controllers admin
bootstrap.resolve.timeout.ms producer,consumer,admin 0
bootstrap.servers admin
bootstrap.servers producer,consumer -
buffer.memory producer 33554432
buffer.memory.allocation.strategy producer full
check.crcs consumer true
client.dns.lookup producer,consumer,admin use_all_dns_ips
client.id producer,consumer,admin
client.rack producer,consumer
compression.gzip.level producer -1
compression.lz4.level producer 9
compression.type producer none
compression.zstd.level producer 3
config.providers producer,consumer,admin
connections.max.idle.ms admin 300000
connections.max.idle.ms producer,consumer 540000
default.api.timeout.ms consumer,admin 60000
delivery.timeout.ms producer 120000
enable.auto.commit consumer true
enable.idempotence producer true
enable.metrics.push admin false
enable.metrics.push producer,consumer true
exclude.internal.topics consumer true
fetch.max.bytes consumer 52428800
fetch.max.wait.ms consumer 500
fetch.min.bytes consumer 1
group.id consumer -
group.instance.id consumer -
group.protocol consumer classic
group.remote.assignor consumer -
heartbeat.interval.ms consumer 3000
interceptor.classes producer,consumer
isolation.level consumer read_uncommitted
key.deserializer consumer -
key.serializer producer -
linger.ms producer 5
max.block.ms producer 60000
max.in.flight.requests.per.connection producer 5
max.partition.fetch.bytes consumer 1048576
max.poll.interval.ms consumer 300000
max.poll.records consumer 500
max.request.size producer 1048576
metadata.cluster.check.enable producer,consumer,admin true
metadata.max.age.ms producer,consumer,admin 300000
metadata.max.idle.ms producer 300000
metadata.recovery.rebootstrap.trigger.ms producer,consumer,admin 300000
metadata.recovery.strategy producer,consumer,admin rebootstrap
metric.reporters producer,consumer,admin org.apache.kafka.common.metrics.JmxReporter
metrics.num.samples producer,consumer,admin 2
metrics.recording.level producer,consumer,admin INFO
metrics.sample.window.ms producer,consumer,admin 30000
partition.assignment.strategy consumer org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor
partitioner.adaptive.partitioning.enable producer true
partitioner.availability.timeout.ms producer 0
partitioner.class producer -
partitioner.ignore.keys producer false
partitioner.rack.aware producer false
receive.buffer.bytes producer 32768
receive.buffer.bytes consumer,admin 65536
reconnect.backoff.max.ms producer,consumer,admin 1000
reconnect.backoff.ms producer,consumer,admin 50
request.timeout.ms producer,consumer,admin 30000
retries producer,admin 2147483647
retry.backoff.max.ms producer,consumer,admin 1000
retry.backoff.ms producer,consumer,admin 100
sasl.client.callback.handler.class producer,consumer,admin -
sasl.jaas.config producer,consumer,admin -
sasl.kerberos.kinit.cmd producer,consumer,admin /usr/bin/kinit
sasl.kerberos.min.time.before.relogin producer,consumer,admin 60000
sasl.kerberos.service.name producer,consumer,admin -
sasl.kerberos.ticket.renew.jitter producer,consumer,admin 0.05
sasl.kerberos.ticket.renew.window.factor producer,consumer,admin 0.8
sasl.login.callback.handler.class producer,consumer,admin -
sasl.login.class producer,consumer,admin -
sasl.login.connect.timeout.ms producer,consumer,admin -
sasl.login.read.timeout.ms producer,consumer,admin -
sasl.login.refresh.buffer.seconds producer,consumer,admin 300
sasl.login.refresh.min.period.seconds producer,consumer,admin 60
sasl.login.refresh.window.factor producer,consumer,admin 0.8
sasl.login.refresh.window.jitter producer,consumer,admin 0.05
sasl.login.retry.backoff.max.ms producer,consumer,admin 10000
sasl.login.retry.backoff.ms producer,consumer,admin 100
sasl.mechanism producer,consumer,admin GSSAPI
sasl.oauthbearer.allow.unverified.audience producer,consumer,admin false
sasl.oauthbearer.allow.unverified.issuer producer,consumer,admin false
sasl.oauthbearer.assertion.algorithm producer,consumer,admin RS256
sasl.oauthbearer.assertion.claim.aud producer,consumer,admin -
sasl.oauthbearer.assertion.claim.exp.seconds producer,consumer,admin 300
sasl.oauthbearer.assertion.claim.iss producer,consumer,admin -
sasl.oauthbearer.assertion.claim.jti.include producer,consumer,admin false
sasl.oauthbearer.assertion.claim.nbf.seconds producer,consumer,admin 60
sasl.oauthbearer.assertion.claim.sub producer,consumer,admin -
sasl.oauthbearer.assertion.file producer,consumer,admin -
sasl.oauthbearer.assertion.private.key.file producer,consumer,admin -
sasl.oauthbearer.assertion.private.key.passphrase producer,consumer,admin -
sasl.oauthbearer.assertion.template.file producer,consumer,admin -
sasl.oauthbearer.client.credentials.client.id producer,consumer,admin -
sasl.oauthbearer.client.credentials.client.secret producer,consumer,admin -
sasl.oauthbearer.clock.skew.seconds producer,consumer,admin 30
sasl.oauthbearer.expected.audience producer,consumer,admin
sasl.oauthbearer.expected.issuer producer,consumer,admin -
sasl.oauthbearer.header.urlencode producer,consumer,admin false
sasl.oauthbearer.jwks.endpoint.refresh.ms producer,consumer,admin 3600000
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms producer,consumer,admin 10000
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms producer,consumer,admin 100
sasl.oauthbearer.jwks.endpoint.url producer,consumer,admin -
sasl.oauthbearer.jwt.retriever.class producer,consumer,admin -
sasl.oauthbearer.jwt.validator.class producer,consumer,admin -
sasl.oauthbearer.scope producer,consumer,admin -
sasl.oauthbearer.scope.claim.name producer,consumer,admin scope
sasl.oauthbearer.sub.claim.name producer,consumer,admin sub
sasl.oauthbearer.token.endpoint.url producer,consumer,admin -
security.protocol producer,consumer,admin PLAINTEXT
security.providers producer,consumer,admin -
send.buffer.bytes producer,consumer,admin 131072
session.timeout.ms consumer 45000
share.acknowledgement.mode consumer implicit
share.acquire.mode consumer BATCH_OPTIMIZED
socket.connection.setup.timeout.max.ms producer,consumer,admin 30000
socket.connection.setup.timeout.ms producer,consumer,admin 10000
ssl.cipher.suites producer,consumer,admin
ssl.enabled.protocols producer,consumer,admin TLSv1.2,TLSv1.3
ssl.endpoint.identification.algorithm producer,consumer,admin https
ssl.engine.factory.class producer,consumer,admin -
ssl.key.password producer,consumer,admin -
ssl.keymanager.algorithm producer,consumer,admin SunX509
ssl.keystore.certificate.chain producer,consumer,admin -
ssl.keystore.key producer,consumer,admin -
ssl.keystore.location producer,consumer,admin -
ssl.keystore.password producer,consumer,admin -
ssl.keystore.type producer,consumer,admin JKS
ssl.protocol producer,consumer,admin TLSv1.3
ssl.provider producer,consumer,admin -
ssl.secure.random.implementation producer,consumer,admin -
ssl.trustmanager.algorithm producer,consumer,admin PKIX
ssl.truststore.certificates producer,consumer,admin -
ssl.truststore.location producer,consumer,admin -
ssl.truststore.password producer,consumer,admin -
ssl.truststore.type producer,consumer,admin JKS
transaction.timeout.ms producer 60000
transaction.two.phase.commit.enable producer false
transactional.id producer -
value.deserializer consumer -
value.serializer producer -";

struct Definition {
    name: &'static str,
    roles: Vec<Role>,
    default: Option<&'static str>,
}

fn definitions() -> impl Iterator<Item = Definition> {
    DEFINITIONS.lines().map(|line| {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let roles = words.next().unwrap().split(',').map(role).collect();
        let default = match words.next() {
            Some("-") => None,
            default => Some(default.unwrap_or("")),
        };
        Definition {
            name,
            roles,
            default,
        }
    })
}

fn role(name: &str) -> Role {
    let roles = [Role::Producer, Role::Consumer, Role::Admin];
    roles.into_iter().find(|role| role.name() == name).unwrap()
}

/// Defaults of Java's that klamm refuses or has not, each for a reason of the configuration reference.
const REFUSED: &[&str] = &[
    // Java's admin has one of them, and the other one empty.
    "bootstrap.servers",
    "bootstrap.controllers",
    // The operating system's size, which is klamm's default, is not a number.
    "receive.buffer.bytes",
    "send.buffer.bytes",
    // klamm has no default: GSSAPI needs C.
    "sasl.mechanism",
    // PEM in klamm.
    "ssl.keystore.type",
    "ssl.truststore.type",
];

#[test]
fn the_table_has_every_property_of_the_java_clients_for_the_same_roles() {
    for role in [Role::Producer, Role::Consumer, Role::Admin] {
        for Definition { name, roles, .. } in definitions() {
            let row = table::find(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert!(
                row.roles.contains(role) || !roles.contains(&role),
                "{name} for {role:?}"
            );
        }
        for row in table::all().filter(|row| row.roles.contains(role)) {
            let mut java = definitions()
                .filter(|definition| definition.name == row.name)
                .peekable();
            let is_java = java.peek().is_some();
            assert!(
                !is_java || java.any(|definition| definition.roles.contains(&role)),
                "{}",
                row.name
            );
        }
    }
}

#[test]
fn every_default_of_java_is_accepted_unless_klamm_differs() {
    for Definition {
        name,
        roles,
        default,
    } in definitions()
    {
        let Some(default) = default else { continue };
        for role in roles {
            let result = PropertySet::parse(role, [(name, default)]);
            assert_eq!(
                result.is_err(),
                REFUSED.contains(&name),
                "{name} = {default}: {result:?}"
            );
            let is_ignored = matches!(table::find(name).unwrap().status, Status::Ignored(_));
            assert!(
                result.is_err() || result.unwrap().is_set(name) != is_ignored,
                "{name}"
            );
        }
    }
}
