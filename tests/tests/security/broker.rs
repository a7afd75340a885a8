//! One broker with a listener for everything that the suite tries, and the certificates for it.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use klamm::net::Tls;
use klamm_tests::Kafka;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData,
    SignatureAlgorithm, date_time_ymd,
};

/// Alice's password with every mechanism.
pub(crate) const PASSWORD: &str = "alices-secret-pw";

type Authority = CertifiedIssuer<'static, KeyPair>;

/// The broker, and the folder with the clients' files.
pub(crate) struct SecureKafka {
    pub(crate) kafka: Kafka,
    pub(crate) folder: PathBuf,
}

impl SecureKafka {
    /// The broker of this suite, started by the first that asks.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<SecureKafka> = OnceLock::new();
        SHARED.get_or_init(|| tokio::task::block_in_place(start))
    }

    /// `host:port` of a listener.
    pub(crate) fn address(&self, listener: &str) -> String {
        self.kafka.bootstrap_of(listener)
    }

    /// Trusts the authority of the brokers.
    pub(crate) fn tls(&self) -> Tls {
        Tls::new().roots_file(self.folder.join("ca.pem"))
    }
}

/// An unsecured token, as Kafka's default validator takes them, that ends in so many seconds.
pub(crate) fn token(subject: &str, seconds: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let header = r#"{"alg":"none"}"#;
    let (issued, ends) = (now - 120, now + seconds);
    let claims = format!(r#"{{"sub":"{subject}","iat":{issued},"exp":{ends}}}"#);
    format!(
        "{}.{}.",
        base64_url(header.as_bytes()),
        base64_url(claims.as_bytes())
    )
}

/// Base64 for URLs, without padding.
fn base64_url(bytes: &[u8]) -> String {
    super::log::base64(bytes)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, in PEM.
fn issue(
    by: &Authority,
    names: &[&str],
    adjust: impl FnOnce(&mut CertificateParams),
) -> (String, String) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "klamm test");
    adjust(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// RSA with 1024 bits, by `openssl genrsa 1024`: nothing in Rust makes such keys any more, but Java serves them.
struct WeakKey;

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        include_bytes!("weak-key.public.der")
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

fn issue_for_weak_key(by: &Authority) -> (String, String) {
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&WeakKey, by).unwrap();
    (certificate.pem(), include_str!("weak-key.pem").to_owned())
}

fn start() -> SecureKafka {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let good = issue(&ours, &["127.0.0.1", "localhost"], |_| ());
    let other = issue(&ours, &["other.test"], |_| ());
    let name_only = issue(&ours, &["localhost"], |_| ());
    let weak = issue_for_weak_key(&ours);
    let expired = issue(&ours, &["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let scram = |bits: u32| format!("SCRAM-SHA-{bits}=[name=alice,password={PASSWORD}]");
    let mut builder = Kafka::builder()
        .property("delegation.token.secret.key", "a-key-that-signs-tokens")
        .format_arguments(&["--add-scram", &scram(256), "--add-scram", &scram(512)]);
    for (name, protocol) in [
        ("TLS", "SSL"),
        ("MUTUAL", "SSL"),
        ("EXPIRED", "SSL"),
        ("OTHER", "SSL"),
        ("NAMEONLY", "SASL_SSL"),
        ("WEAK", "SSL"),
        ("SASL", "SASL_PLAINTEXT"),
        ("SASLTLS", "SASL_SSL"),
        ("REAUTH", "SASL_PLAINTEXT"),
    ] {
        builder = builder.listener(name, protocol);
        let prefix = format!("listener.name.{}", name.to_lowercase());
        let (chain, key) = match name {
            "EXPIRED" => &expired,
            "OTHER" => &other,
            "NAMEONLY" => &name_only,
            "WEAK" => &weak,
            _ => &good,
        };
        for (property, value) in [
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.certificate.chain", chain.as_str()),
            ("ssl.keystore.key", key.as_str()),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.certificates", &ours.pem()),
            (
                "ssl.client.auth",
                if name == "MUTUAL" { "required" } else { "none" },
            ),
        ] {
            if protocol.ends_with("SSL") {
                builder = builder.property(&format!("{prefix}.{property}"), value);
            }
        }
        if protocol.starts_with("SASL") {
            let mechanisms = match name {
                "REAUTH" => "SCRAM-SHA-256,OAUTHBEARER",
                _ => "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            };
            builder = builder.property(&format!("{prefix}.sasl.enabled.mechanisms"), mechanisms);
            let kafkas = "org.apache.kafka.common.security";
            for (mechanism, module) in [
                ("plain", format!("plain.PlainLoginModule required user_alice=\"{PASSWORD}\";")),
                ("scram-sha-256", "scram.ScramLoginModule required;".to_owned()),
                ("scram-sha-512", "scram.ScramLoginModule required;".to_owned()),
                (
                    "oauthbearer",
                    "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";".to_owned(),
                ),
            ] {
                let property = format!("{prefix}.{mechanism}.sasl.jaas.config");
                builder = builder.property(&property, format!("{kafkas}.{module}"));
                if name == "REAUTH" {
                    let property = format!("{prefix}.{mechanism}.connections.max.reauth.ms");
                    builder = builder.property(&property, 3000);
                }
            }
        }
    }
    let kafka = builder
        .start()
        .unwrap_or_else(|error| panic!("the broker did not start: {error}"));
    let folder = kafka.run_dir().join("clients");
    fs::create_dir_all(&folder).unwrap();
    let own = issue(&ours, &["client"], |_| ());
    let foreign = issue(&theirs, &["client"], |_| ());
    for (name, text) in [
        ("ca.pem", ours.pem()),
        ("other-ca.pem", theirs.pem()),
        ("client.pem", format!("{}{}", own.0, own.1)),
        ("client.key", own.1),
        ("foreign-client.pem", format!("{}{}", foreign.0, foreign.1)),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    SecureKafka { kafka, folder }
}
