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
mod tests;
