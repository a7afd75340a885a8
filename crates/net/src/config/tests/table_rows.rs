//! The table is complete and agrees with itself.

use super::super::alias;
use super::super::table::{self, Status};
use super::{ROLES, is_not_implemented, parse};

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
