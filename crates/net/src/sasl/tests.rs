//! Whole exchanges with scripted brokers: what they answer, what is accepted, what an error says.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use klamm_codec::{ApiKey, VersionRange};
use zeroize::Zeroizing;

use super::exchange::{ROUNDS_MAX, SaslChannel, authenticate, prepare};
use super::*;
use crate::error::Error;

/// A broker that answers from a script, whatever is asked.
struct Script {
    answers: VecDeque<Vec<u8>>,
    asked: Vec<(ApiKey, Vec<u8>)>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            asked: Vec::new(),
        }
    }
}

impl SaslChannel for Script {
    fn broker(&self) -> &'static str {
        "kafka:9093"
    }

    fn versions(&self, _: ApiKey) -> Option<VersionRange> {
        Some(VersionRange { min: 0, max: 2 })
    }

    async fn call(
        &mut self,
        api: ApiKey,
        _version: i16,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        self.asked.push((api, body.to_vec()));
        Ok(self.answers.pop_front().expect("the script goes on").into())
    }
}

fn handshake(code: i16, offered: &[&str]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend((offered.len() as i32).to_be_bytes());
    for name in offered {
        body.extend((name.len() as i16).to_be_bytes());
        body.extend(name.as_bytes());
    }
    body
}

fn answer(code: i16, text: &str, challenge: &[u8], lifetime_ms: i64) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend((text.len() as i16).to_be_bytes());
    body.extend(text.as_bytes());
    body.extend((challenge.len() as i32).to_be_bytes());
    body.extend(challenge);
    body.extend(lifetime_ms.to_be_bytes());
    body
}

async fn run(sasl: &Sasl, script: &mut Script) -> Result<Option<Duration>, Error> {
    let peer = SaslPeer {
        host: "kafka".to_owned(),
        port: 9093,
    };
    let prepared = prepare(sasl, &peer, "kafka:9093").await?;
    authenticate(script, sasl, prepared).await
}

async fn failure(sasl: &Sasl, answers: Vec<Vec<u8>>) -> (AuthenticationFailure, String) {
    let error = run(sasl, &mut Script::new(answers)).await.unwrap_err();
    let text = error.to_string();
    assert!(!error.is_retriable());
    match error {
        Error::Authentication { failure, .. } => (failure, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn plain_is_accepted_with_its_lifetime() {
    let mut script = Script::new([handshake(0, &["PLAIN"]), answer(0, "", b"", 3_600_000)]);
    let lifetime = run(&Sasl::plain("alice", "secret"), &mut script)
        .await
        .unwrap();
    assert_eq!(lifetime, Some(Duration::from_secs(3600)));
    assert_eq!(
        script.asked[0],
        (ApiKey::SASL_HANDSHAKE, b"\0\x05PLAIN".to_vec())
    );
    let sent = b"\0\0\0\x0d\0alice\0secret".to_vec();
    assert_eq!(script.asked[1], (ApiKey::SASL_AUTHENTICATE, sent));
}

#[tokio::test]
async fn no_lifetime_means_for_ever() {
    for lifetime in [0, -1, i64::MIN] {
        let mut script = Script::new([handshake(0, &[]), answer(0, "", b"", lifetime)]);
        assert_eq!(
            run(&Sasl::plain("a", "b"), &mut script).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn a_broker_that_offers_less_is_never_given_less() {
    // The downgrade that a broker, or somebody before it, may suggest.
    let mut script = Script::new([handshake(33, &["PLAIN"])]);
    let sasl = Sasl::scram_sha_256("alice", "secret");
    let error = run(&sasl, &mut script).await.unwrap_err();
    assert_eq!(script.asked.len(), 1, "nothing more is said");
    let text = error.to_string();
    assert!(
        text.contains("SCRAM-SHA-256") && text.contains("it offers: PLAIN"),
        "{text}"
    );
    assert!(matches!(
        error,
        Error::Authentication {
            failure: AuthenticationFailure::MechanismNotEnabled,
            ..
        }
    ));
}

#[tokio::test]
async fn refusals_are_told_without_the_secrets() {
    let sasl = Sasl::plain("alice", "hunter2");
    let echo = "Invalid password hunter2 for alice";
    let (kind, text) = failure(&sasl, vec![handshake(0, &[]), answer(58, echo, b"", 0)]).await;
    assert_eq!(kind, AuthenticationFailure::Rejected);
    assert!(
        text.contains("Invalid password [hidden]") && !text.contains("hunter2"),
        "{text}"
    );

    let (kind, _) = failure(&sasl, vec![handshake(34, &[])]).await;
    assert_eq!(kind, AuthenticationFailure::NotExpected);
}

#[tokio::test]
async fn scram_insists_on_the_brokers_signature() {
    // A broker that accepts anything, as one without the password must.
    let sasl = Sasl::scram_sha_512("alice", "hunter2");
    for challenge in [&b""[..], b"v=", b"r=abc,s=c2FsdA==,i=4096"] {
        let answers = vec![handshake(0, &[]), answer(0, "", challenge, 0)];
        let (kind, text) = failure(&sasl, answers).await;
        assert!(
            matches!(
                kind,
                AuthenticationFailure::BadChallenge | AuthenticationFailure::BrokerNotGenuine
            ),
            "{text}"
        );
    }
}

/// A broker that plays along without knowing the password.
struct Impostor {
    last: Option<&'static str>,
}

impl SaslChannel for Impostor {
    fn broker(&self) -> &'static str {
        "kafka:9093"
    }

    fn versions(&self, _: ApiKey) -> Option<VersionRange> {
        Some(VersionRange { min: 0, max: 2 })
    }

    async fn call(
        &mut self,
        api: ApiKey,
        _version: i16,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Bytes, Error> {
        if api == ApiKey::SASL_HANDSHAKE {
            return Ok(handshake(0, &["SCRAM-SHA-256"]).into());
        }
        let text = String::from_utf8(body[4..].to_vec()).unwrap();
        assert!(
            !text.contains("hunter2"),
            "the password itself is never sent"
        );
        let challenge = match text.strip_prefix("n,,n=alice,r=") {
            Some(nonce) => format!("r={nonce}more,s=c2FsdA==,i=4096"),
            None => self
                .last
                .take()
                .expect("nothing follows the proof")
                .to_owned(),
        };
        Ok(answer(0, "", challenge.as_bytes(), 0).into())
    }
}

#[tokio::test]
async fn an_impostor_who_accepts_everything_is_found_out_by_the_signature() {
    let sasl = Sasl::scram_sha_256("alice", "hunter2");
    let peer = SaslPeer {
        host: "kafka".to_owned(),
        port: 9093,
    };
    for last in [
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "v=",
        "",
        "ok",
    ] {
        let mut impostor = Impostor { last: Some(last) };
        let prepared = prepare(&sasl, &peer, "kafka:9093").await.unwrap();
        let error = authenticate(&mut impostor, &sasl, prepared)
            .await
            .unwrap_err();
        let genuine = AuthenticationFailure::BrokerNotGenuine;
        let told = matches!(&error, Error::Authentication { failure, .. } if *failure == genuine);
        assert!(told && !error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_token_is_acknowledged_and_told() {
    let sasl = Sasl::oauth_bearer(|| async { Ok(BearerToken::new("tok")) });
    let json = br#"{"status":"invalid_token"}"#;
    let mut script = Script::new([
        handshake(0, &[]),
        answer(0, "", json, 0),
        answer(58, "{\"status\":\"invalid_token\"}", b"", 0),
    ]);
    let error = run(&sasl, &mut script).await.unwrap_err();
    assert_eq!(script.asked[2].1, [0, 0, 0, 1, 1]);
    assert!(error.to_string().contains("invalid_token"), "{error}");
    // And one that says yes after all is not believed.
    let answers = vec![
        handshake(0, &[]),
        answer(0, "", json, 0),
        answer(0, "", b"", 0),
    ];
    assert_eq!(
        failure(&sasl, answers).await.0,
        AuthenticationFailure::Rejected
    );
}

#[tokio::test]
async fn a_provider_that_fails_is_named() {
    let sasl = Sasl::oauth_bearer(|| async { Err(TokenError::from("issuer is down")) });
    let (kind, text) = failure(&sasl, vec![]).await;
    assert_eq!(kind, AuthenticationFailure::NoCredentials);
    assert!(text.contains("issuer is down"), "{text}");
}

struct Endless;

impl SaslMechanism for Endless {
    fn name(&self) -> &'static str {
        "ENDLESS"
    }

    fn start<'a>(&'a self, _: &'a SaslPeer) -> SaslFuture<'a, Box<dyn SaslSession>> {
        Box::pin(async { Ok(Box::new(Endless) as Box<dyn SaslSession>) })
    }
}

impl SaslSession for Endless {
    fn step<'a>(&'a mut self, _: &'a [u8]) -> SaslFuture<'a, SaslStep> {
        Box::pin(async { Ok(SaslStep::Send(SaslMessage::new(vec![7]))) })
    }
}

#[tokio::test]
async fn an_exchange_without_end_is_ended() {
    let mut answers = vec![handshake(0, &[])];
    answers.extend((0..ROUNDS_MAX).map(|_| answer(0, "", b"more", 0)));
    let (kind, _) = failure(&Sasl::mechanism(Endless), answers).await;
    assert_eq!(kind, AuthenticationFailure::BadChallenge);
}

#[tokio::test]
async fn answers_that_are_none_are_errors() {
    for bytes in [
        vec![],
        vec![0],
        vec![0, 0, 0x7f, 0xff, 0xff, 0xff],
        vec![0, 33, 0, 0, 0, 1, 0, 9],
    ] {
        let error = run(&Sasl::plain("a", "b"), &mut Script::new([bytes]))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
    for bytes in [
        vec![0, 0, 0, 9],
        vec![0, 0, 255, 255, 0x7f, 0xff, 0xff, 0xff],
    ] {
        let mut script = Script::new([handshake(0, &[]), bytes]);
        let error = run(&Sasl::plain("a", "b"), &mut script).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    }
}

#[test]
fn nothing_of_the_credentials_is_in_debug() {
    let sasl = Sasl::plain("alice", "hunter2").dangerously_without_tls();
    let text = format!("{sasl:?} {:?}", BearerToken::new("hunter2"));
    assert!(
        text.contains("PLAIN") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn only_what_reveals_nothing_goes_without_tls() {
    assert!(!Sasl::plain("a", "b").may_go_without_tls());
    assert!(!Sasl::oauth_bearer(|| async { Ok(BearerToken::new("t")) }).may_go_without_tls());
    assert!(!Sasl::mechanism(Endless).may_go_without_tls());
    assert!(Sasl::scram_sha_256("a", "b").may_go_without_tls());
    assert!(
        Sasl::plain("a", "b")
            .dangerously_without_tls()
            .may_go_without_tls()
    );
}
