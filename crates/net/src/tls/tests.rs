//! Both ends of TLS in one process: what is accepted, and what each refusal is called.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::provider::provider;
use super::{Tls, TlsDialer, TlsFailure, TlsVersion};
use crate::error::Error;

mod own_config;

const HOST: &str = "kafka.test";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Pair {
    chain: String,
    key: String,
}

fn issue(by: &Authority, names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Pair {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, HOST);
    adjust(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    Pair {
        chain: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// How the peer does its part.
struct Broker {
    pair: Pair,
    clients: Option<Authority>,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
}

impl Broker {
    fn new(pair: Pair) -> Self {
        Self {
            pair,
            clients: None,
            versions: vec![&rustls::version::TLS12, &rustls::version::TLS13],
        }
    }

    /// Accepts one connection, reads five bytes and sends them back; tells what it read.
    async fn serve(&self, stream: DuplexStream) -> Option<Vec<u8>> {
        let provider = provider().unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .unwrap();
        let builder = match &self.clients {
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let chain = CertificateDer::pem_slice_iter(self.pair.chain.as_bytes());
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.pair.key.as_bytes()).unwrap();
        let config = builder.with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut stream = acceptor.accept(stream).await.ok()?;
        let mut read = vec![0; 5];
        stream.read_exact(&mut read).await.ok()?;
        stream.write_all(&read).await.ok()?;
        stream.shutdown().await.ok()?;
        Some(read)
    }
}

/// A connection from `tls` to `host` at the broker, and one exchange on it.
async fn meet_at(host: &str, tls: &Tls, broker: &Broker) -> Result<(), Error> {
    let dialer = TlsDialer::new(tls)?;
    let (near, far) = duplex(1 << 16);
    let client = async {
        let mut stream = dialer.connect(near, host, "kafka.test:9093").await?;
        let exchange = async {
            stream.write_all(b"hello").await?;
            stream.flush().await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        let answer: std::io::Result<_> = exchange.await;
        let answer = answer.map_err(|error| Error::connect("kafka.test:9093", error))?;
        assert_eq!(&answer, b"hello");
        Ok(())
    };
    let (met, read) = tokio::join!(client, broker.serve(far));
    assert_eq!(
        met.is_ok(),
        read.is_some(),
        "data is read only if all is well"
    );
    met
}

async fn meet(tls: &Tls, broker: &Broker) -> Result<(), Error> {
    meet_at(HOST, tls, broker).await
}

async fn failure(tls: &Tls, broker: &Broker) -> (TlsFailure, String) {
    failure_at(HOST, tls, broker).await
}

async fn failure_at(host: &str, tls: &Tls, broker: &Broker) -> (TlsFailure, String) {
    let error = meet_at(host, tls, broker).await.unwrap_err();
    let text = error.to_string();
    match error {
        Error::Tls { failure, .. } => (failure, text),
        other => panic!("{other:?}"),
    }
}

fn trusting(authority: &Authority) -> Tls {
    Tls::new().roots_pem(authority.pem())
}

#[tokio::test]
async fn a_broker_with_a_certificate_of_a_trusted_authority_is_met_in_both_versions() {
    let authority = authority("ours");
    let mut broker = Broker::new(issue(&authority, &[HOST, "127.0.0.1", "::1"], |_| ()));
    for versions in [
        vec![TlsVersion::Tls12],
        vec![TlsVersion::Tls13],
        vec![TlsVersion::Tls12, TlsVersion::Tls13],
    ] {
        let tls = trusting(&authority).versions(versions);
        for host in [HOST, "127.0.0.1", "::1"] {
            meet_at(host, &tls, &broker).await.unwrap();
        }
    }
    broker.versions = vec![&rustls::version::TLS12];
    let tls = trusting(&authority).versions([TlsVersion::Tls13]);
    let (kind, text) = failure(&tls, &broker).await;
    assert_eq!(kind, TlsFailure::NothingInCommon, "{text}");
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_name() {
    let authority = authority("ours");
    let tls = trusting(&authority);
    let expired = issue(&authority, &[HOST], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let future = issue(&authority, &[HOST], |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2095, 1, 1);
    });
    let for_clients = issue(&authority, &[HOST], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let other_host = issue(&authority, &["other.test", "10.1.2.3"], |_| ());
    let common_name_only = issue(&authority, &[], |_| ());
    for (pair, expected, word) in [
        (expired, TlsFailure::CertificateExpired, "days ago"),
        (future, TlsFailure::CertificateNotYetValid, "clock"),
        (
            for_clients,
            TlsFailure::CertificateInvalid,
            "extended key usage",
        ),
        (
            other_host,
            TlsFailure::WrongHostName,
            "but for other.test, ",
        ),
        (common_name_only, TlsFailure::WrongHostName, "common name"),
    ] {
        let (kind, text) = failure(&tls, &Broker::new(pair)).await;
        assert_eq!(kind, expected, "{text}");
        assert!(
            text.contains(word) && text.contains("kafka.test:9093"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_address_counts_only_if_the_certificate_is_for_it() {
    let authority = authority("ours");
    let broker = Broker::new(issue(&authority, &["127.0.0.2", HOST], |_| ()));
    let (kind, _) = failure_at("127.0.0.1", &trusting(&authority), &broker).await;
    assert_eq!(kind, TlsFailure::WrongHostName);
    let (kind, _) = failure_at("no host", &trusting(&authority), &broker).await;
    assert_eq!(kind, TlsFailure::WrongHostName);
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_even_under_the_same_name() {
    let (ours, theirs) = (authority("ours"), authority("ours"));
    let broker = Broker::new(issue(&theirs, &[HOST], |_| ()));
    let (kind, text) = failure(&trusting(&ours), &broker).await;
    // A wrong signature under a known name is no different from an unknown one.
    assert_eq!(kind, TlsFailure::UnknownAuthority, "{text}");

    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let pair = Pair {
        chain: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    let (kind, _) = failure(&trusting(&ours), &Broker::new(pair)).await;
    assert_eq!(kind, TlsFailure::UnknownAuthority);
}

#[tokio::test]
async fn without_the_check_of_names_the_authority_still_counts() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let broker = Broker::new(issue(&ours, &["other.test"], |_| ()));
    let tls = trusting(&ours).dangerously_without_host_name_check();
    meet(&tls, &broker).await.unwrap();
    let tls = tls.versions([TlsVersion::Tls12]);
    meet(&tls, &broker).await.unwrap();
    let tls = trusting(&theirs).dangerously_without_host_name_check();
    let (kind, _) = failure(&tls, &broker).await;
    assert_eq!(kind, TlsFailure::UnknownAuthority);
}

#[tokio::test]
async fn a_client_certificate_is_shown_missed_or_refused() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let own = issue(&ours, &["client"], |_| ());
    let foreign = issue(&theirs, &["client"], |_| ());
    let mut broker = Broker::new(issue(&ours, &[HOST], |_| ()));
    broker.clients = Some(ours);
    let tls = trusting(broker.clients.as_ref().unwrap());
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let tls = tls.clone().versions([version]);
        let with = |pair: &Pair| {
            tls.clone()
                .identity_pem(pair.chain.as_str(), pair.key.as_str())
        };
        meet(&with(&own), &broker).await.unwrap();
        let (kind, text) = failure(&tls, &broker).await;
        assert_eq!(kind, TlsFailure::ClientCertificateRequired, "{text}");
        let (kind, text) = failure(&with(&foreign), &broker).await;
        assert_eq!(kind, TlsFailure::ClientCertificateRejected, "{text}");
    }
}

#[tokio::test]
async fn a_peer_without_tls_is_told_apart() {
    let authority = authority("ours");
    let dialer = TlsDialer::new(&trusting(&authority)).unwrap();
    // One that answers in plain text, one that hangs up, one that hangs up within the handshake.
    for answer in [
        &b"\0\0\0\x08\0\0\0\x01\0\x23\0\0"[..],
        b"",
        b"\x16\x03\x03\0\x7a\x02",
    ] {
        let (near, mut far) = duplex(1 << 16);
        let peer = async {
            let mut hello = [0; 5];
            far.read_exact(&mut hello).await.unwrap();
            far.write_all(answer).await.unwrap();
            drop(far);
        };
        let (connected, ()) = tokio::join!(dialer.connect(near, HOST, "kafka.test:9092"), peer);
        let error = connected.err().expect("there is no TLS");
        let told = matches!(
            &error,
            Error::Tls {
                failure: TlsFailure::NotTls,
                ..
            }
        );
        assert!(told && error.to_string().contains("plaintext"), "{error}");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_only_tls_1_1_is_not_spoken_to() {
    let authority = authority("ours");
    let dialer = TlsDialer::new(&trusting(&authority)).unwrap();
    // A ServerHello of TLS 1.1: version, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let mut hello = b"\x16\x03\x02\0\x2a\x02\0\0\x26\x03\x02".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\0\0\x2f\0");
    // And the fatal alert protocol_version, by which most such peers answer.
    let alert = b"\x15\x03\x02\0\x02\x02\x46".to_vec();
    for answer in [hello, alert] {
        let (near, mut far) = duplex(1 << 16);
        let peer = async {
            let mut start = [0; 5];
            far.read_exact(&mut start).await.unwrap();
            far.write_all(&answer).await.unwrap();
            // Nothing follows the client's hello but, at most, its alert.
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.unwrap();
            rest.len()
        };
        let (connected, sent) = tokio::join!(
            async { dialer.connect(near, HOST, "kafka.test:9093").await.err() },
            peer
        );
        let error = connected.expect("TLS 1.1 is too old");
        let told = matches!(
            &error,
            Error::Tls {
                failure: TlsFailure::NothingInCommon,
                ..
            }
        );
        assert!(told && error.to_string().contains("TLS"), "{error}");
        assert!(sent < 2000, "{sent} bytes");
    }
}

/// A directory that is removed in the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("klamm-net-tls-{id}-{name}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn new_certificates_in_the_files_count_without_a_restart() {
    let (first, second) = (authority("first"), authority("second"));
    let folder = Folder::new("reload");
    let path = folder.write("ca.pem", first.pem());
    let dialer = TlsDialer::new(&Tls::new().roots_file(&path)).unwrap();
    let meet = async |authority: &Authority| {
        let broker = Broker::new(issue(authority, &[HOST], |_| ()));
        let (near, far) = duplex(1 << 16);
        let client = async {
            let mut stream = dialer.connect(near, HOST, "kafka.test:9093").await?;
            stream.write_all(b"hello").await.unwrap();
            stream.flush().await.unwrap();
            Ok::<_, Error>(())
        };
        tokio::join!(client, broker.serve(far)).0
    };
    meet(&first).await.unwrap();
    meet(&second).await.unwrap_err();
    folder.write("ca.pem", second.pem());
    meet(&second).await.unwrap();
    meet(&first).await.unwrap_err();
    // What cannot be used changes nothing.
    folder.write("ca.pem", "half a fi");
    meet(&second).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    meet(&second).await.unwrap();
    folder.write("ca.pem", first.pem());
    meet(&first).await.unwrap();
}

fn refusal(tls: &Tls) -> String {
    match TlsDialer::new(tls) {
        Err(Error::Security { reason }) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[test]
fn files_that_cannot_be_used_say_what_they_are() {
    let authority = authority("ours");
    let pair = issue(&authority, &["client"], |_| ());
    let other = issue(&authority, &["client"], |_| ());
    let folder = Folder::new("refused");
    let roots = |bytes: &[u8]| {
        let name = format!("roots-{}", bytes.len());
        Tls::new().roots_file(folder.write(&name, bytes))
    };
    for (tls, words) in [
        (
            Tls::new().roots_file("/nowhere/ca.pem"),
            &["cannot read /nowhere/ca.pem"][..],
        ),
        (roots(b""), &["no certificate in PEM"]),
        (
            roots(&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]),
            &["JKS", "keytool", "openssl"],
        ),
        (
            roots(&[0x30, 0x82, 1, 2, 2, 1, 3]),
            &["PKCS#12", "openssl pkcs12"],
        ),
        (
            trusting(&authority).identity_pem(pair.chain.as_str(), other.key.as_str()),
            &["does not belong"],
        ),
        (
            trusting(&authority).identity_pem(pair.chain.as_str(), pair.chain.as_str()),
            &["no private key"],
        ),
        (
            trusting(&authority).versions([]),
            &["ssl.enabled.protocols"],
        ),
    ] {
        let text = refusal(&tls);
        for word in words {
            assert!(text.contains(word), "{text}");
        }
    }
}

/// Made by OpenSSL 3: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, then `openssl pkcs8 -topk8
/// -v2 aes-256-cbc -passout pass:hunter2`, `openssl pkcs8 -topk8 -v1 PBE-MD5-DES`, `openssl ec -aes128`; and the
/// certificate by `openssl req -x509`.
const ENCRYPTED: &str = include_str!("tests/encrypted.pem");
const ENCRYPTED_BADLY: &str = include_str!("tests/encrypted-des.pem");
const ENCRYPTED_LEGACY: &str = include_str!("tests/encrypted-legacy.pem");
const ENCRYPTED_CERTIFICATE: &str = include_str!("tests/encrypted-certificate.pem");

#[test]
fn encrypted_keys_are_read_or_refused_in_words() {
    let authority = authority("ours");
    let with = |key: &str| trusting(&authority).identity_pem(ENCRYPTED_CERTIFICATE, key);
    TlsDialer::new(&with(ENCRYPTED).key_password("hunter2")).unwrap();
    for (tls, word) in [
        (with(ENCRYPTED), "ssl.key.password"),
        (with(ENCRYPTED).key_password("hunter3"), "wrong"),
        (
            with(ENCRYPTED_BADLY).key_password("hunter2"),
            "openssl pkcs8",
        ),
        (
            with(ENCRYPTED_LEGACY).key_password("hunter2"),
            "openssl pkcs8",
        ),
    ] {
        let text = refusal(&tls);
        assert!(text.contains(word) && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn nothing_of_a_key_is_in_debug() {
    let tls = Tls::new()
        .identity_pem("chain", "the key")
        .key_password("hunter2")
        .roots_file("/etc/ca.pem");
    let text = format!("{tls:?}");
    assert!(text.contains("/etc/ca.pem"), "{text}");
    assert!(
        !text.contains("hunter2") && !text.contains("the key"),
        "{text}"
    );
}
