//! The conversation of RFC 7677, and every way in which a broker could cheat.

use proptest::prelude::*;

use super::*;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn client() -> Client {
    Client::new(
        Algorithm::Sha256,
        Secret::from("user"),
        NONCE,
        false,
        4096..=1_000_000,
    )
}

/// A client that has sent its proof.
fn proven() -> Client {
    let mut client = client();
    let first = client.handle_server_first(SERVER_FIRST.as_bytes()).unwrap();
    let keys = Keys::derive(Algorithm::Sha256, "pencil", &first.salt, first.iterations);
    client.final_message(&first, &keys);
    client
}

fn failure_of_first(challenge: &str) -> AuthenticationFailure {
    let error = client()
        .handle_server_first(challenge.as_bytes())
        .expect_err(challenge);
    error.failure()
}

#[test]
fn the_conversation_of_rfc_7677_is_reproduced() {
    let mut client = client();
    assert_eq!(*client.first_message(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let first = client.handle_server_first(SERVER_FIRST.as_bytes()).unwrap();
    let keys = Keys::derive(Algorithm::Sha256, "pencil", &first.salt, first.iterations);
    let message = client.final_message(&first, &keys);
    assert_eq!(
        std::str::from_utf8(&message).unwrap(),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    client.handle_server_final(SERVER_FINAL.as_bytes()).unwrap();
}

#[test]
fn names_are_escaped_and_tokens_say_so() {
    let client = Client::new(
        Algorithm::Sha512,
        Secret::from("a=b,c"),
        "n0",
        true,
        4096..=8192,
    );
    assert_eq!(
        *client.first_message(),
        b"n,,n=a=3Db=2Cc,r=n0,tokenauth=true"
    );
}

#[test]
fn a_nonce_that_is_not_ours_and_more_is_no_brokers() {
    use AuthenticationFailure::BrokerNotGenuine;
    for nonce in [
        "",
        "x",
        NONCE,
        "rOprNGfwEbeRWgbNEkqX123",
        "%hvYrOprNGfwEbeRWgbNEkqO",
    ] {
        let challenge = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(failure_of_first(&challenge), BrokerNotGenuine, "{nonce}");
    }
}

#[test]
fn iterations_outside_of_the_limits_are_refused_before_they_are_computed() {
    for iterations in [
        "0",
        "1",
        "4095",
        "1000001",
        "2147483648",
        "99999999999",
        "-4096",
        "many",
        "",
    ] {
        let challenge = format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}");
        assert_eq!(
            failure_of_first(&challenge),
            AuthenticationFailure::BadChallenge,
            "{iterations}"
        );
    }
    for iterations in ["4096", "1000000"] {
        let challenge = format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}");
        client().handle_server_first(challenge.as_bytes()).unwrap();
    }
}

#[test]
fn an_empty_salt_or_a_demanded_extension_is_refused() {
    for challenge in [
        format!("r={NONCE}x,s=,i=4096"),
        format!("r={NONCE}x,s=%%,i=4096"),
        format!("m=new,r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,m=new"),
        format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ=="),
        format!("s=W22ZaJ0SNY7soEsUEjb6gQ==,r={NONCE}x,i=4096"),
        String::new(),
    ] {
        assert_eq!(
            failure_of_first(&challenge),
            AuthenticationFailure::BadChallenge,
            "{challenge}"
        );
    }
    let extended = format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=optional");
    client().handle_server_first(extended.as_bytes()).unwrap();
}

#[test]
fn only_the_right_signature_is_accepted() {
    proven()
        .handle_server_final(SERVER_FINAL.as_bytes())
        .unwrap();
    for wrong in [
        "",
        "v=",
        "v=AAAA",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=",
        "x=1,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "v=%",
    ] {
        let error = proven()
            .handle_server_final(wrong.as_bytes())
            .expect_err(wrong);
        assert_eq!(error.failure(), AuthenticationFailure::BrokerNotGenuine);
    }
    // Before the client has computed one, none is right, the empty one least of all.
    assert!(client().handle_server_final(b"v=").is_err());
}

#[test]
fn the_brokers_refusal_is_one() {
    let error = proven()
        .handle_server_final(b"e=invalid-proof,pencil")
        .unwrap_err();
    assert_eq!(error.failure(), AuthenticationFailure::Rejected);
    assert!(error.to_string().ends_with("invalid-proof"), "{error}");
}

proptest! {
    #[test]
    fn no_message_of_a_broker_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "(r=rOprNGfwEbeRWgbNEkqO[a-z]{0,2},)?(s=[A-Za-z=]{0,9},)?(i=[0-9]{0,12})?(,m=[a-z,]*)?|[vremsi=,A-Z0-9]{0,40}",
    ) {
        for challenge in [bytes.as_slice(), text.as_bytes()] {
            let _ = client().handle_server_first(challenge);
            prop_assert!(client().handle_server_final(challenge).is_err());
        }
    }
}
