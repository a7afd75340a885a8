//! Security by the property names that every Kafka client knows.

#[cfg(feature = "__rustls")]
use std::path::PathBuf;
#[cfg(feature = "oauth")]
use std::time::Duration;

use super::Security;
use super::jaas::{Login, Module};
use crate::config::{ConfigError, Findings, Problem, PropertySet};
use crate::sasl::Sasl;
#[cfg(feature = "oauth")]
use crate::sasl::{ClientCredentials, TokenRefresh};
use crate::secret::Secret;
#[cfg(feature = "__rustls")]
use crate::tls::{Tls, TlsVersion};

impl Security {
    /// What a set of properties asks for: `security.protocol`, `ssl.*`, `sasl.*`. Files are read later, when the
    /// client connects.
    ///
    /// `security.protocol=SASL_PLAINTEXT` with `sasl.mechanism=PLAIN` says in so many words that the
    /// password goes in clear, and so counts as [`Sasl::dangerously_without_tls`].
    ///
    /// # Errors
    /// Everything that is missing or contradicts: a protocol with SASL without a mechanism, a mechanism without
    /// credentials, a login module of another mechanism.
    pub fn from_properties(set: &PropertySet) -> Result<Self, ConfigError> {
        let mut findings = Findings::new();
        let mut security = Self::default();
        let protocol = set.str("security.protocol").unwrap_or("PLAINTEXT");
        if protocol.ends_with("SSL") {
            #[cfg(feature = "__rustls")]
            {
                security.tls = Some(tls(set, &mut findings));
            }
            #[cfg(not(feature = "__rustls"))]
            findings.problem(Problem::not_implemented(
                "security.protocol",
                protocol,
                "klamm was built without TLS, build it with its feature `tls`",
            ));
        }
        if protocol.starts_with("SASL_") {
            security.sasl = sasl(set, &mut findings);
            if protocol == "SASL_PLAINTEXT" {
                security.sasl = security.sasl.map(Sasl::dangerously_without_tls);
            }
        }
        findings.finish()?;
        Ok(security)
    }
}

#[cfg(feature = "__rustls")]
fn tls(set: &PropertySet, findings: &mut Findings) -> Tls {
    let mut tls = Tls::new();
    let path = |name| set.str(name).map(PathBuf::from);
    match (
        path("ssl.truststore.location"),
        set.str("ssl.truststore.certificates"),
    ) {
        (Some(_), Some(_)) => findings.problem(both(
            "ssl.truststore.location",
            "ssl.truststore.certificates",
        )),
        (Some(path), None) => tls = tls.roots_file(path),
        (None, Some(pem)) => tls = tls.roots_pem(pem),
        (None, None) => {}
    }
    tls = identity(set, tls, findings);
    if let Some(password) = set.str("ssl.key.password") {
        tls = tls.key_password(password);
    }
    if let Some(versions) = set.list("ssl.enabled.protocols") {
        tls = tls.versions(versions.iter().map(|version| match version.as_str() {
            "TLSv1.2" => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        }));
    }
    if let Some("" | "none") = set.str("ssl.endpoint.identification.algorithm") {
        tls = tls.dangerously_without_host_name_check();
    }
    tls
}

/// The client's certificate: one file with all, or two, or texts; librdkafka mixes them.
#[cfg(feature = "__rustls")]
fn identity(set: &PropertySet, tls: Tls, findings: &mut Findings) -> Tls {
    let file = set.str("ssl.keystore.location");
    let chain = set.str("ssl.keystore.certificate.chain");
    let key_file = set.str("ssl.key.location");
    let key = set.str("ssl.keystore.key");
    if file.is_some() && chain.is_some() {
        findings.problem(both(
            "ssl.keystore.location",
            "ssl.keystore.certificate.chain",
        ));
    }
    if key_file.is_some() && key.is_some() {
        findings.problem(both("ssl.key.location", "ssl.keystore.key"));
    }
    match (file, chain, key_file, key) {
        (Some(file), None, None, None) => tls.identity_file(file),
        (Some(file), None, Some(key), None) => tls.identity_files(file, key),
        (None, Some(chain), None, Some(key)) => tls.identity_pem(chain, key),
        (None, Some(_), None, None) => {
            let needed = "the private key of ssl.keystore.certificate.chain, as PEM";
            findings.problem(Problem::missing("ssl.keystore.key", needed));
            tls
        }
        (Some(_), None, None, Some(_)) | (None, Some(_), Some(_), None) => {
            let rule = "give certificate and key both as files, or both as text";
            findings.problem(Problem::conflict("ssl.keystore.key", "", rule));
            tls
        }
        (None, None, Some(_), _) | (None, None, _, Some(_)) => {
            let needed = "the certificate that belongs to the private key, as PEM";
            findings.problem(Problem::missing("ssl.keystore.certificate.chain", needed));
            tls
        }
        _ => tls,
    }
}

#[cfg(feature = "__rustls")]
fn both(one: &str, other: &str) -> Problem {
    Problem::conflict(
        one,
        "",
        format!("leave it or {other} out, both say the same"),
    )
}

fn sasl(set: &PropertySet, findings: &mut Findings) -> Option<Sasl> {
    let Some(mechanism) = set.str("sasl.mechanism") else {
        findings.problem(Problem::missing(
            "sasl.mechanism",
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (Java's default, GSSAPI, is not built in)",
        ));
        return None;
    };
    let login = match set.str("sasl.jaas.config").map(Login::read) {
        Some(Ok(login)) => Some(login),
        Some(Err(reason)) => {
            findings.problem(Problem::conflict("sasl.jaas.config", "", reason));
            return None;
        }
        None => None,
    };
    let module = match mechanism {
        "PLAIN" => Module::Plain,
        "OAUTHBEARER" => Module::OAuthBearer,
        _ => Module::Scram,
    };
    if login.as_ref().is_some_and(|login| login.module != module) {
        let rule =
            format!("is the login module of another mechanism than sasl.mechanism = {mechanism}");
        findings.problem(Problem::conflict("sasl.jaas.config", "", rule));
        return None;
    }
    if module == Module::OAuthBearer {
        return oauth_bearer(set, login.as_ref(), findings);
    }
    let (username, password) = credentials(set, login.as_ref(), findings)?;
    let sasl = match mechanism {
        "PLAIN" => Sasl::plain(username, password),
        "SCRAM-SHA-256" => Sasl::scram_sha_256(username, password),
        _ => Sasl::scram_sha_512(username, password),
    };
    let token = login.as_ref().and_then(|login| login.option("tokenauth"));
    let is_token = token.is_some_and(|token| token.expose().eq_ignore_ascii_case("true"));
    Some(if is_token {
        sasl.delegation_token()
    } else {
        sasl
    })
}

fn credentials(
    set: &PropertySet,
    login: Option<&Login>,
    findings: &mut Findings,
) -> Option<(Secret, Secret)> {
    let own = set.is_set("sasl.username") || set.is_set("sasl.password");
    if let Some(login) = login {
        if own {
            let rule = "leave it or sasl.username and sasl.password out, both are credentials";
            findings.problem(Problem::conflict("sasl.jaas.config", "", rule));
            return None;
        }
        let (username, password) = (login.option("username"), login.option("password"));
        let (Some(username), Some(password)) = (username, password) else {
            let rule = "needs the options username and password";
            findings.problem(Problem::conflict("sasl.jaas.config", "", rule));
            return None;
        };
        return Some((username.clone(), password.clone()));
    }
    let (username, password) = (set.str("sasl.username"), set.str("sasl.password"));
    let (Some(username), Some(password)) = (username, password) else {
        let needed = "the login module of the mechanism with username and password (or set sasl.username and sasl.password)";
        findings.problem(Problem::missing("sasl.jaas.config", needed));
        return None;
    };
    Some((username.into(), password.into()))
}

/// Tokens from a token endpoint, the only provider that properties can name.
#[cfg(feature = "oauth")]
fn oauth_bearer(set: &PropertySet, login: Option<&Login>, findings: &mut Findings) -> Option<Sasl> {
    const PREFIX: &str = "sasl.oauthbearer";
    let Some(url) = set.str("sasl.oauthbearer.token.endpoint.url") else {
        findings.problem(no_provider("or set sasl.oauthbearer.token.endpoint.url"));
        return None;
    };
    // Before Kafka 4.1 they were options of the login module.
    let find = |property: &str, option: &str| {
        let set = set.str(&format!("{PREFIX}.{property}")).map(Secret::from);
        set.or_else(|| login?.option(option).cloned())
    };
    let id = find("client.credentials.client.id", "clientId");
    let secret = find("client.credentials.client.secret", "clientSecret");
    let (Some(id), Some(secret)) = (id, secret) else {
        let name = "sasl.oauthbearer.client.credentials.client.secret";
        findings.problem(Problem::missing(name, "set, and the id of the client, too"));
        return None;
    };
    let credentials = match ClientCredentials::new(url, id.expose(), secret) {
        Ok(credentials) => credentials,
        Err(error) => {
            let name = "sasl.oauthbearer.token.endpoint.url";
            findings.problem(Problem::conflict(name, url, error.to_string()));
            return None;
        }
    };
    let mut credentials =
        credentials.header_url_encode(set.bool("sasl.oauthbearer.header.urlencode") == Some(true));
    if let Some(scope) = find("scope", "scope") {
        credentials = credentials.scope(scope.expose());
    }
    for (name, value) in login.into_iter().flat_map(Login::options) {
        if let Some(name) = name.strip_prefix("extension_") {
            credentials = credentials.extension(name, value.expose());
        }
    }
    for pair in set.list("sasl.oauthbearer.extensions").unwrap_or_default() {
        let Some((name, value)) = pair.split_once('=') else {
            let rule = "must be name=value, several of them separated by commas";
            findings.problem(Problem::conflict(
                "sasl.oauthbearer.extensions",
                &pair,
                rule,
            ));
            return None;
        };
        credentials = credentials.extension(name, value);
    }
    let duration = |name, default| set.duration_ms(name).unwrap_or(default);
    let ten_seconds = Duration::from_secs(10);
    credentials = credentials
        .timeouts(
            duration("sasl.login.connect.timeout.ms", ten_seconds),
            duration("sasl.login.read.timeout.ms", ten_seconds),
        )
        .retry_backoff(
            duration("sasl.login.retry.backoff.ms", Duration::from_millis(100)),
            duration("sasl.login.retry.backoff.max.ms", ten_seconds),
        );
    // As in Java, the login module says how the token endpoint is known.
    if let Some(file) = login.and_then(|login| login.option("ssl.truststore.location")) {
        credentials = credentials.tls(Tls::new().roots_file(file.expose()));
    }
    Some(Sasl::oauth_bearer(credentials).token_refresh(refresh(set)))
}

#[cfg(not(feature = "oauth"))]
fn oauth_bearer(
    _set: &PropertySet,
    _login: Option<&Login>,
    findings: &mut Findings,
) -> Option<Sasl> {
    findings.problem(no_provider(
        "or build klamm with its feature `oauth` and set sasl.oauthbearer.token.endpoint.url",
    ));
    None
}

fn no_provider(otherwise: &str) -> Problem {
    let rule = format!(
        "takes its tokens from the application, Client::builder(..).sasl(Sasl::oauth_bearer(provider)), {otherwise}"
    );
    Problem::conflict("sasl.mechanism", "OAUTHBEARER", rule)
}

#[cfg(feature = "oauth")]
fn refresh(set: &PropertySet) -> TokenRefresh {
    let mut refresh = TokenRefresh::default();
    let seconds = |name| set.u64(name).map(Duration::from_secs);
    if let Some(factor) = set.f64("sasl.login.refresh.window.factor") {
        refresh.window_factor = factor;
    }
    if let Some(jitter) = set.f64("sasl.login.refresh.window.jitter") {
        refresh.window_jitter = jitter;
    }
    if let Some(period) = seconds("sasl.login.refresh.min.period.seconds") {
        refresh.min_period = period;
    }
    if let Some(buffer) = seconds("sasl.login.refresh.buffer.seconds") {
        refresh.buffer = buffer;
    }
    refresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    const PLAIN_LINE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"hunter2\";";
    const SCRAM_LINE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"hunter2\";";

    fn read(properties: &[(&str, &str)]) -> Result<Security, ConfigError> {
        let set = PropertySet::parse(Role::Client, properties.iter().copied())?;
        Security::from_properties(&set)
    }

    fn refused(properties: &[(&str, &str)]) -> String {
        let error = read(properties).expect_err("it is refused");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
        error.to_string()
    }

    #[test]
    fn nothing_set_is_plaintext() {
        let security = read(&[]).unwrap();
        assert!(security.sasl.is_none() && !security.has_tls());
    }

    #[test]
    fn javas_and_librdkafkas_spellings_come_to_the_same() {
        for (mechanism, line) in [
            ("PLAIN", PLAIN_LINE),
            ("SCRAM-SHA-256", SCRAM_LINE),
            ("SCRAM-SHA-512", SCRAM_LINE),
        ] {
            let java = [
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", mechanism),
                ("sasl.jaas.config", line),
            ];
            let librdkafka = [
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanisms", mechanism),
                ("sasl.username", "alice"),
                ("sasl.password", "hunter2"),
            ];
            for security in [read(&java).unwrap(), read(&librdkafka).unwrap()] {
                let sasl = security.sasl.as_ref().unwrap();
                assert_eq!(sasl.mechanism_name(), mechanism);
                assert!(sasl.may_go_without_tls() && !security.has_tls());
                assert!(!format!("{security:?}").contains("hunter2"));
            }
        }
    }

    #[test]
    fn whatever_is_missing_fails_closed() {
        let protocol = ("security.protocol", "SASL_PLAINTEXT");
        for (properties, words) in [
            (&[protocol][..], "sasl.mechanism: missing"),
            (
                &[protocol, ("sasl.mechanism", "PLAIN")],
                "sasl.jaas.config: missing",
            ),
            (&[protocol, ("sasl.mechanism", "GSSAPI")], "accepted: PLAIN"),
            (
                &[
                    protocol,
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.username", "alice"),
                ],
                "sasl.jaas.config: missing",
            ),
            (
                &[
                    protocol,
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.jaas.config", SCRAM_LINE),
                ],
                "another mechanism",
            ),
            (
                &[
                    protocol,
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.jaas.config", PLAIN_LINE),
                    ("sasl.password", "hunter2"),
                ],
                "both are credentials",
            ),
            (
                &[
                    protocol,
                    ("sasl.mechanism", "SCRAM-SHA-256"),
                    (
                        "sasl.jaas.config",
                        "com.sun.security.auth.module.JndiLoginModule required x=\"hunter2\";",
                    ),
                ],
                "never loaded",
            ),
        ] {
            let text = refused(properties);
            assert!(text.contains(words), "{text}");
        }
    }

    #[cfg(feature = "__rustls")]
    #[test]
    fn tls_is_read_from_files_and_texts() {
        let ssl = ("security.protocol", "SSL");
        let debug =
            |properties: &[(&str, &str)]| format!("{:?}", read(properties).unwrap().tls.unwrap());
        let text = debug(&[
            ssl,
            ("ssl.ca.location", "/ca.pem"),
            ("ssl.certificate.location", "/own.pem"),
            ("ssl.key.location", "/own.key"),
            ("ssl.key.password", "hunter2"),
        ]);
        assert!(
            text.contains("/ca.pem") && text.contains("/own.pem"),
            "{text}"
        );
        assert!(
            text.contains("check_host_name: true") && !text.contains("hunter2"),
            "{text}"
        );
        for off in ["", "none"] {
            let text = debug(&[ssl, ("ssl.endpoint.identification.algorithm", off)]);
            assert!(text.contains("check_host_name: false"), "{text}");
        }
        let text = debug(&[ssl, ("ssl.enabled.protocols", "TLSv1.3")]);
        assert!(text.contains("[Tls13]"), "{text}");
        let text = debug(&[
            ssl,
            ("ssl.keystore.certificate.chain", "hunter2"),
            ("ssl.keystore.key", "hunter2"),
        ]);
        assert!(
            text.contains("PEM text") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn tokens_need_a_provider_or_an_endpoint_that_is_https() {
        let sasl = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
        ];
        let text = refused(&sasl);
        assert!(text.contains("Sasl::oauth_bearer"), "{text}");
        #[cfg(feature = "oauth")]
        {
            let line = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"a\" \
                        clientSecret=\"hunter2\" scope=\"kafka\" extension_logicalCluster=\"lkc-1\";";
            let url = |url| {
                [
                    &sasl[..],
                    &[
                        ("sasl.oauthbearer.token.endpoint.url", url),
                        ("sasl.jaas.config", line),
                    ],
                ]
                .concat()
            };
            let security = read(&url("https://id.example.com/token")).unwrap();
            assert_eq!(security.sasl.unwrap().mechanism_name(), "OAUTHBEARER");
            for bad in ["http://id.example.com/token", "file:///etc/passwd"] {
                let text = refused(&url(bad));
                assert!(text.contains("must begin with https://"), "{text}");
            }
            let text = refused(&url("https://id.example.com/token")[..3]);
            assert!(text.contains("client.secret: missing"), "{text}");
        }
    }

    #[cfg(feature = "__rustls")]
    #[test]
    fn half_an_identity_or_two_are_refused() {
        let ssl = ("security.protocol", "SASL_SSL");
        let text = refused(&[
            ssl,
            ("ssl.keystore.certificate.chain", "hunter2"),
            ("ssl.truststore.location", "/a"),
            ("ssl.truststore.certificates", "hunter2"),
        ]);
        for words in [
            "ssl.keystore.key: missing",
            "ssl.truststore.location",
            "sasl.mechanism: missing",
        ] {
            assert!(text.contains(words), "{text}");
        }
        let text = refused(&[("security.protocol", "SSL"), ("ssl.keystore.type", "JKS")]);
        assert!(text.contains("openssl"), "{text}");
        let text = refused(&[
            ("security.protocol", "SSL"),
            ("ssl.truststore.password", "hunter2"),
        ]);
        assert!(text.contains("openssl"), "{text}");
    }
}
