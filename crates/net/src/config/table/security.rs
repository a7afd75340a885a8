//! Properties of TLS and SASL, the same for every role.

use super::super::kind::Kind;
use super::{ALL, INT, LONG, Property, between, ignored, int_from, not_yet, supported};

const JCA: &str = "it configures Java's security providers";
const CALLBACKS: &str =
    "Java classes cannot be loaded, klamm takes a token provider from the builder";
const VALIDATION: &str = "validating tokens is the broker's matter";
const KERBEROS: &str = "klamm has no GSSAPI";
const STORE_TYPE: Kind = Kind::Choice(&["JKS", "PKCS12", "PEM"]);
const STORE_HINT: &str = "klamm reads PEM, which has neither type nor password; convert a JKS store with: keytool \
     -importkeystore -srckeystore STORE.jks -destkeystore STORE.p12 -deststoretype PKCS12; and PKCS12 with: openssl \
     pkcs12 -in STORE.p12 -nodes -out STORE.pem (for a trust store add -nokeys)";

pub(super) const ROWS: &[Property] = &[
    supported(
        "security.protocol",
        ALL,
        Kind::ChoiceAnyCase(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
    ),
    ignored("security.providers", ALL, Kind::Text, JCA),
    // TLS
    supported("ssl.truststore.location", ALL, Kind::NonEmpty),
    supported("ssl.truststore.certificates", ALL, Kind::NonEmpty),
    supported("ssl.truststore.type", ALL, STORE_TYPE)
        .accepts(&["PEM"])
        .hint(STORE_HINT),
    not_yet("ssl.truststore.password", ALL, Kind::Text).hint(STORE_HINT),
    supported("ssl.keystore.location", ALL, Kind::NonEmpty),
    supported("ssl.keystore.certificate.chain", ALL, Kind::NonEmpty),
    supported("ssl.keystore.key", ALL, Kind::NonEmpty),
    // librdkafka's, without a counterpart in Java: the key in a file apart from its certificate.
    supported("ssl.key.location", ALL, Kind::NonEmpty),
    supported("ssl.keystore.type", ALL, STORE_TYPE)
        .accepts(&["PEM"])
        .hint(STORE_HINT),
    not_yet("ssl.keystore.password", ALL, Kind::Text).hint(STORE_HINT),
    supported("ssl.key.password", ALL, Kind::Text),
    // Empty is Java's word for no check, `none` is librdkafka's.
    supported(
        "ssl.endpoint.identification.algorithm",
        ALL,
        Kind::Choice(&["https", "none", ""]),
    ),
    supported(
        "ssl.enabled.protocols",
        ALL,
        Kind::ListOf(&["TLSv1.2", "TLSv1.3"]),
    ),
    ignored(
        "ssl.protocol",
        ALL,
        Kind::Choice(&["TLS", "TLSv1.2", "TLSv1.3"]),
        "ssl.enabled.protocols alone decides the versions of TLS",
    ),
    not_yet("ssl.cipher.suites", ALL, Kind::List).accepts(&[""]),
    ignored("ssl.provider", ALL, Kind::Text, JCA),
    ignored("ssl.keymanager.algorithm", ALL, Kind::Text, JCA),
    ignored("ssl.trustmanager.algorithm", ALL, Kind::Text, JCA),
    ignored("ssl.secure.random.implementation", ALL, Kind::Text, JCA),
    ignored("ssl.engine.factory.class", ALL, Kind::Text, JCA),
    not_yet("enable.ssl.certificate.verification", ALL, Kind::Bool)
        .accepts(&["true"])
        .hint("certificates are always verified"),
    not_yet("ssl.crl.location", ALL, Kind::NonEmpty),
    not_yet("ssl.curves.list", ALL, Kind::NonEmpty),
    not_yet("ssl.sigalgs.list", ALL, Kind::NonEmpty),
    // SASL
    supported("sasl.mechanism", ALL, Kind::NonEmpty)
        .accepts(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
        .hint("others, such as GSSAPI and AWS_MSK_IAM, are the application's to bring (Sasl::mechanism)"),
    supported("sasl.jaas.config", ALL, Kind::NonEmpty),
    supported("sasl.username", ALL, Kind::Text),
    supported("sasl.password", ALL, Kind::Text),
    ignored(
        "sasl.login.callback.handler.class",
        ALL,
        Kind::Text,
        CALLBACKS,
    ),
    ignored(
        "sasl.client.callback.handler.class",
        ALL,
        Kind::Text,
        CALLBACKS,
    ),
    ignored("sasl.login.class", ALL, Kind::Text, CALLBACKS),
    supported(
        "sasl.login.refresh.window.factor",
        ALL,
        Kind::Double { min: 0.5, max: 1.0 },
    ),
    supported(
        "sasl.login.refresh.window.jitter",
        ALL,
        Kind::Double {
            min: 0.0,
            max: 0.25,
        },
    ),
    supported(
        "sasl.login.refresh.min.period.seconds",
        ALL,
        between(0, 900),
    ),
    supported("sasl.login.refresh.buffer.seconds", ALL, between(0, 3600)),
    supported("sasl.login.connect.timeout.ms", ALL, INT),
    supported("sasl.login.read.timeout.ms", ALL, INT),
    supported("sasl.login.retry.backoff.ms", ALL, LONG),
    supported("sasl.login.retry.backoff.max.ms", ALL, LONG),
    // OAuth
    supported(
        "sasl.oauthbearer.method",
        ALL,
        Kind::Choice(&["default", "oidc"]),
    ),
    supported("sasl.oauthbearer.token.endpoint.url", ALL, Kind::NonEmpty),
    supported(
        "sasl.oauthbearer.client.credentials.client.id",
        ALL,
        Kind::NonEmpty,
    ),
    supported(
        "sasl.oauthbearer.client.credentials.client.secret",
        ALL,
        Kind::NonEmpty,
    ),
    supported("sasl.oauthbearer.scope", ALL, Kind::Text),
    supported("sasl.oauthbearer.header.urlencode", ALL, Kind::Bool),
    not_yet("sasl.oauthbearer.sub.claim.name", ALL, Kind::NonEmpty).accepts(&["sub"]),
    not_yet("sasl.oauthbearer.scope.claim.name", ALL, Kind::NonEmpty).accepts(&["scope"]),
    not_yet("sasl.oauthbearer.assertion.file", ALL, Kind::NonEmpty),
    not_yet(
        "sasl.oauthbearer.assertion.private.key.file",
        ALL,
        Kind::NonEmpty,
    ),
    not_yet(
        "sasl.oauthbearer.assertion.private.key.pem",
        ALL,
        Kind::NonEmpty,
    ),
    not_yet(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        ALL,
        Kind::Text,
    ),
    not_yet(
        "sasl.oauthbearer.assertion.algorithm",
        ALL,
        Kind::ChoiceAnyCase(&["RS256", "ES256"]),
    )
    .accepts(&["RS256"]),
    not_yet(
        "sasl.oauthbearer.assertion.template.file",
        ALL,
        Kind::NonEmpty,
    ),
    not_yet("sasl.oauthbearer.assertion.claim.aud", ALL, Kind::NonEmpty),
    not_yet("sasl.oauthbearer.assertion.claim.iss", ALL, Kind::NonEmpty),
    not_yet("sasl.oauthbearer.assertion.claim.sub", ALL, Kind::NonEmpty),
    not_yet(
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        ALL,
        between(0, 86_400),
    )
    .accepts(&["300"]),
    not_yet(
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        ALL,
        between(0, 3600),
    )
    .accepts(&["60"]),
    not_yet(
        "sasl.oauthbearer.assertion.claim.jti.include",
        ALL,
        Kind::Bool,
    )
    .accepts(&["false"]),
    not_yet(
        "sasl.oauthbearer.grant.type",
        ALL,
        Kind::Choice(&[
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ]),
    )
    .accepts(&["client_credentials"]),
    ignored(
        "sasl.oauthbearer.jwt.retriever.class",
        ALL,
        Kind::Text,
        CALLBACKS,
    ),
    ignored(
        "sasl.oauthbearer.jwt.validator.class",
        ALL,
        Kind::Text,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.jwks.endpoint.url",
        ALL,
        Kind::Text,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        ALL,
        LONG,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        ALL,
        LONG,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        ALL,
        LONG,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.expected.audience",
        ALL,
        Kind::List,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.expected.issuer",
        ALL,
        Kind::Text,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.clock.skew.seconds",
        ALL,
        int_from(0),
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.allow.unverified.audience",
        ALL,
        Kind::Bool,
        VALIDATION,
    ),
    ignored(
        "sasl.oauthbearer.allow.unverified.issuer",
        ALL,
        Kind::Bool,
        VALIDATION,
    ),
    supported("sasl.oauthbearer.extensions", ALL, Kind::List),
    not_yet("sasl.oauthbearer.config", ALL, Kind::NonEmpty),
    not_yet(
        "sasl.oauthbearer.metadata.authentication.type",
        ALL,
        Kind::Choice(&["none", "azure_imds", "aws_iam"]),
    )
    .accepts(&["none"]),
    // Kerberos
    ignored("sasl.kerberos.service.name", ALL, Kind::Text, KERBEROS),
    ignored("sasl.kerberos.principal", ALL, Kind::Text, KERBEROS),
    ignored("sasl.kerberos.keytab", ALL, Kind::Text, KERBEROS),
    ignored("sasl.kerberos.kinit.cmd", ALL, Kind::Text, KERBEROS),
    ignored(
        "sasl.kerberos.ticket.renew.window.factor",
        ALL,
        Kind::Text,
        KERBEROS,
    ),
    ignored(
        "sasl.kerberos.ticket.renew.jitter",
        ALL,
        Kind::Text,
        KERBEROS,
    ),
    ignored(
        "sasl.kerberos.min.time.before.relogin",
        ALL,
        Kind::Text,
        KERBEROS,
    ),
];
