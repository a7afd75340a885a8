//! A peer that ends what it knows of the client, in simulated time.

use tokio::io::{AsyncReadExt, DuplexStream};

use super::super::tests::{LIMITS, TIMEOUT, answer, begin, read_request, send};
use super::super::{Connection, PendingResponse};
use super::*;

const LIFETIME: Duration = Duration::from_secs(100);
const METADATA: i16 = 3;
const HANDSHAKE: i16 = 17;
const AUTHENTICATE: i16 = 36;

async fn open() -> (Connection, DuplexStream) {
    let (mut setup, peer) = begin().await;
    let renewal = Renewal {
        sasl: Sasl::plain("alice", "secret"),
        peer: SaslPeer {
            host: "peer".to_owned(),
            port: 1,
        },
        lifetime: LIFETIME,
        timeout: TIMEOUT,
    };
    setup.renew_by(Some(renewal));
    (setup.start(None, LIMITS, Arc::default()), peer)
}

fn due() -> (Duration, Duration) {
    (LIFETIME.mul_f64(DUE.0), LIFETIME.mul_f64(DUE.1))
}

/// Takes the handshake and the password; `code` answers the latter.
async fn authenticate(peer: &mut DuplexStream, code: i16) {
    let (key, version, id) = read_request(peer).await;
    assert_eq!((key, version), (HANDSHAKE, 1));
    answer(peer, id, &[0, 0, 0, 0, 0, 0]).await;
    let (key, version, id) = read_request(peer).await;
    assert_eq!((key, version), (AUTHENTICATE, 1));
    let mut body = code.to_be_bytes().to_vec();
    body.extend([0xff, 0xff, 0, 0, 0, 0]);
    body.extend((LIFETIME.as_millis() as i64).to_be_bytes());
    answer(peer, id, &body).await;
}

async fn serve(peer: &mut DuplexStream, pending: PendingResponse) {
    let (key, _, id) = read_request(peer).await;
    assert_eq!(key, METADATA);
    answer(peer, id, b"answer").await;
    pending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_answered_and_what_follows_waits_for_the_authentication() {
    let (connection, mut peer) = open().await;
    let started = Instant::now();
    serve(&mut peer, send(&connection, TIMEOUT)).await;
    let (least, most) = due();
    for _ in 0..2 {
        let began = Instant::now();
        tokio::time::sleep(least.saturating_sub(TIMEOUT / 2)).await;
        // Still unanswered when the time comes.
        let before = send(&connection, LIFETIME);
        let (key, _, before_id) = read_request(&mut peer).await;
        assert_eq!(key, METADATA);
        let (key, _, id) = read_request(&mut peer).await;
        assert_eq!(key, HANDSHAKE);
        let waited = began.elapsed();
        assert!(
            least <= waited && waited <= most,
            "{waited:?} after {:?}",
            started.elapsed()
        );
        let held = [send(&connection, LIFETIME), send(&connection, LIFETIME)];
        answer(&mut peer, before_id, b"answer").await;
        before.await.unwrap();
        answer(&mut peer, id, &[0, 0, 0, 0, 0, 0]).await;
        let (key, _, id) = read_request(&mut peer).await;
        assert_eq!(key, AUTHENTICATE, "nothing comes between");
        let mut body = vec![0, 0, 0xff, 0xff, 0, 0, 0, 0];
        body.extend((LIFETIME.as_millis() as i64).to_be_bytes());
        answer(&mut peer, id, &body).await;
        for pending in held {
            serve(&mut peer, pending).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_stays_silent_until_somebody_does() {
    let (connection, mut peer) = open().await;
    let silence = tokio::time::timeout(LIFETIME * 5, peer.read_u8()).await;
    assert!(silence.is_err(), "nothing was sent");
    let pending = send(&connection, TIMEOUT);
    authenticate(&mut peer, 0).await;
    serve(&mut peer, pending).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_connection_and_says_so() {
    let (connection, mut peer) = open().await;
    tokio::time::sleep(LIFETIME).await;
    let pending = send(&connection, TIMEOUT);
    authenticate(&mut peer, 58).await;
    let error = pending.await.unwrap_err();
    assert!(!error.may_have_been_processed());
    let text = error.to_string();
    assert!(text.contains("re-authentication failed: PLAIN"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_given_up() {
    let (connection, _peer) = open().await;
    tokio::time::sleep(LIFETIME).await;
    let error = send(&connection, LIFETIME).await.unwrap_err();
    assert!(error.to_string().contains("re-authentication"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_connection_was_dropped_is_still_answered() {
    let (connection, mut peer) = open().await;
    tokio::time::sleep(LIFETIME).await;
    let pending = send(&connection, TIMEOUT);
    drop(connection);
    authenticate(&mut peer, 0).await;
    serve(&mut peer, pending).await;
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "then it is closed");
}
