//! An identity provider that answers from a script.

use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::provider;

const SECRET: &str = "hunter2-s3cret";

struct Issuer {
    url: String,
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// Answers the first connection with the first of `answers`, and so on; an empty one is silence.
    async fn start(answers: Vec<String>) -> Self {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider::provider().unwrap())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/oauth/token?x=y", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                let accepted = acceptor.accept(stream);
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let Ok(mut stream) = accepted.await else {
                        return;
                    };
                    let mut request = Vec::new();
                    while !request.ends_with(b"client_credentials")
                        && !request.ends_with(b"kafka%20read")
                    {
                        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            break;
                        }
                    }
                    log.lock()
                        .unwrap()
                        .push(String::from_utf8(request).unwrap());
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            url,
            certificate,
            asked,
        }
    }

    fn client(&self) -> ClientCredentials {
        let client = ClientCredentials::new(&self.url, "billing", SECRET).unwrap();
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(20));
        client
            .tls(Tls::new().roots_pem(self.certificate.as_str()))
            .retry_backoff(short, short)
            .timeouts(long, long)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn refusal(client: &ClientCredentials) -> String {
    let text = client.fetch().await.unwrap_err().to_string();
    assert!(!text.contains(SECRET), "{text}");
    text
}

#[tokio::test]
async fn a_token_is_asked_for_with_id_secret_and_scope() {
    let body = r#"{"access_token":"tok.en","token_type":"Bearer","expires_in":3600}"#;
    let issuer = Issuer::start(vec![answer("200 OK", body)]).await;
    let client = issuer
        .client()
        .scope("kafka read")
        .extension("logicalCluster", "lkc-1");
    let token = client.fetch().await.unwrap();
    let text = format!("{token:?} {client:?}");
    assert!(
        text.contains("expires: Some") && !text.contains(SECRET) && !text.contains("tok.en"),
        "{text}"
    );
    let asked = &issuer.asked()[0];
    assert!(
        asked.starts_with("POST /oauth/token?x=y HTTP/1.1\r\n"),
        "{asked}"
    );
    let basic = STANDARD.encode(format!("billing:{SECRET}"));
    assert!(
        asked.contains(&format!("authorization: Basic {basic}\r\n")),
        "{asked}"
    );
    assert!(
        asked.ends_with("\r\n\r\ngrant_type=client_credentials&scope=kafka%20read"),
        "{asked}"
    );
}

#[tokio::test]
async fn the_end_is_read_from_the_token_if_the_answer_has_none() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":4102444800}"#);
    let body = format!(r#"{{"access_token":"e30.{claims}.x"}}"#);
    let issuer = Issuer::start(vec![answer("200 OK", &body)]).await;
    let token = issuer.client().fetch().await.unwrap();
    assert!(format!("{token:?}").contains("4102444800"), "{token:?}");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_secret_and_not_repeated() {
    let body = format!(r#"{{"error":"invalid_client","error_description":"bad secret {SECRET}"}}"#);
    let issuer = Issuer::start(vec![answer("401 Unauthorized", &body)]).await;
    let text = refusal(&issuer.client()).await;
    assert!(
        text.contains("invalid_client") && text.contains("[hidden]"),
        "{text}"
    );
    assert_eq!(issuer.asked().len(), 1);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let other = Issuer::start(vec![answer("200 OK", "{}")]).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        other.url
    );
    let issuer = Issuer::start(vec![redirect]).await;
    let text = refusal(&issuer.client()).await;
    assert!(text.contains("redirects are not followed"), "{text}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_fails_for_a_moment_is_asked_again_but_not_for_ever() {
    let good = answer("200 OK", r#"{"access_token":"t"}"#);
    let bad = answer("503 Service Unavailable", "");
    let issuer = Issuer::start(vec![bad.clone(), good]).await;
    issuer.client().fetch().await.unwrap();
    let issuer = Issuer::start(vec![bad; 5]).await;
    let text = refusal(&issuer.client()).await;
    assert!(text.contains("503"), "{text}");
    assert_eq!(issuer.asked().len(), ATTEMPTS_MAX as usize);
}

#[tokio::test]
async fn an_answer_is_neither_endless_nor_anything_but_a_token() {
    let padding = " ".repeat(ANSWER_BYTES_MAX);
    let large = answer("200 OK", &format!(r#"{{"access_token":"t"{padding}}}"#));
    let issuer = Issuer::start(vec![large; 3]).await;
    let text = refusal(&issuer.client()).await;
    assert!(text.contains("64 KiB"), "{text}");
    for body in ["", "[]", "{}", r#"{"access_token":7}"#, "not JSON"] {
        let issuer = Issuer::start(vec![answer("200 OK", body)]).await;
        let text = refusal(&issuer.client()).await;
        assert!(text.contains("no access_token"), "{text}");
    }
    let issuer = Issuer::start(vec![String::new(); 3]).await;
    let short = Duration::from_millis(50);
    let text = refusal(&issuer.client().timeouts(Duration::from_secs(20), short)).await;
    assert!(
        text.contains("in time") || text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn an_endpoint_that_nobody_vouches_for_gets_no_secret() {
    let issuer = Issuer::start(vec![answer("200 OK", "{}")]).await;
    let other = Issuer::start(vec![]).await;
    let client = issuer
        .client()
        .tls(Tls::new().roots_pem(other.certificate.as_str()));
    let text = refusal(&client).await;
    assert!(text.contains("no TLS connection"), "{text}");
    assert!(issuer.asked().is_empty());
}

#[test]
fn only_https_urls_are_read() {
    for url in [
        "http://id.example.com/token",
        "file:///etc/passwd",
        "HTTPS://x",
        "https://",
        "https:///token",
        "https://user@host/token",
        "https://host:port/",
        "https://host:99999/",
        "https://host/a b",
        "https://host/\r\nX: y",
        "https://host/#x",
        "",
    ] {
        let error = ClientCredentials::new(url, "id", "secret").unwrap_err();
        assert!(matches!(error, Error::Security { .. }), "{url}: {error}");
    }
    for (url, host, port, target) in [
        ("https://id.example.com", "id.example.com", 443, "/"),
        ("https://id.example.com?x", "id.example.com", 443, "/?x"),
        (
            "https://10.0.0.1:8443/a/b?c=d",
            "10.0.0.1",
            8443,
            "/a/b?c=d",
        ),
        ("https://[::1]:1/t", "::1", 1, "/t"),
    ] {
        let endpoint = Endpoint::read(url).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (
                endpoint.host.as_str(),
                endpoint.port,
                endpoint.target.as_str()
            ),
            (host, port, target)
        );
    }
}
