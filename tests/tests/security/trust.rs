//! Whom a client trusts: what is wrong with a broker's certificate, or with having none, is told by its name.

use klamm::Client;
use klamm::net::{ClientConfig, Cluster, Error as NetError, Lane, Sasl, Tls, TlsFailure};

use super::broker::{PASSWORD, SecureKafka};
use crate::support::{Outcome, within};
use crate::{PATIENCE, refused, round_trip};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_trusted_gets_no_password_and_is_told_by_its_fault() {
    let kafka = SecureKafka::shared();
    let ours = || kafka.tls();
    let client = |name: &str| kafka.tls().identity_file(kafka.folder.join(name));
    for (what, listener, tls, expected) in [
        ("expired", "EXPIRED", ours(), TlsFailure::CertificateExpired),
        ("other host", "OTHER", ours(), TlsFailure::WrongHostName),
        (
            "unknown authority",
            "TLS",
            Tls::new().roots_file(kafka.folder.join("other-ca.pem")),
            TlsFailure::UnknownAuthority,
        ),
        (
            "TLS to a plaintext port",
            "PLAINTEXT",
            ours(),
            TlsFailure::NotTls,
        ),
        (
            "no client certificate",
            "MUTUAL",
            ours(),
            TlsFailure::ClientCertificateRequired,
        ),
        (
            "foreign client certificate",
            "MUTUAL",
            client("foreign-client.pem"),
            TlsFailure::ClientCertificateRejected,
        ),
    ] {
        let sasl = Sasl::plain("alice", PASSWORD);
        let builder = Client::builder(&kafka.address(listener))
            .tls(tls)
            .sasl(sasl);
        let (error, connections) = refused(what, builder).await;
        let told = matches!(&error, NetError::Tls { failure, .. } if *failure == expected);
        assert!(told, "{what}: {error:?}");
        assert_eq!(connections, 1, "{what}");
        println!("{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_weak_proves_nothing() {
    let kafka = SecureKafka::shared();
    let builder = Client::builder(&kafka.address("WEAK")).tls(kafka.tls());
    let (error, connections) = refused("a weak key", builder).await;
    // To TLS a signature by a weak key is none, as one by the wrong key.
    let expected = TlsFailure::UnknownAuthority;
    let told = matches!(&error, NetError::Tls { failure, .. } if *failure == expected);
    assert!(told, "{error:?}");
    assert!(error.to_string().contains("2048 bits"), "{error}");
    assert_eq!(connections, 1);
}

/// The name that counts is the one that is dialled: a broker that vouches for the bootstrap's name alone cannot be
/// followed to the address that it advertises.
#[tokio::test(flavor = "multi_thread")]
async fn an_advertised_address_that_the_certificate_is_not_for_is_refused() {
    let kafka = SecureKafka::shared();
    let advertised = kafka.address("NAMEONLY");
    let bootstrap = advertised.replace("127.0.0.1", "localhost");
    let mut config = ClientConfig::new(&bootstrap).unwrap();
    config.security.tls = Some(kafka.tls());
    config.security.sasl = Some(Sasl::plain("alice", PASSWORD));
    let connected = within(10, "connecting", Cluster::connect(config)).await;
    let cluster = connected.expect("the certificate is for the bootstrap's name");
    let node = cluster.snapshot().brokers[0].node;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let connected = cluster.connection(node, Lane::Produce, deadline).await;
    let error = connected.unwrap_err();
    let expected = TlsFailure::WrongHostName;
    let told = matches!(&error, NetError::Tls { failure, broker, .. } if *failure == expected && *broker == advertised);
    assert!(told, "{error:?}");
    for part in ["127.0.0.1", "localhost"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_to_a_tls_port_is_told() {
    let kafka = SecureKafka::shared();
    let (error, connections) =
        refused("plain to TLS", Client::builder(&kafka.address("TLS"))).await;
    println!("{error}");
    assert!(matches!(error, NetError::NotKafka { .. }), "{error:?}");
    assert!(
        error.to_string().contains("security.protocol=SSL"),
        "{error}"
    );
    assert_eq!(connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_name_that_is_not_checked_may_be_any() -> Outcome {
    let kafka = SecureKafka::shared();
    let tls = kafka.tls().dangerously_without_host_name_check();
    let client = Client::builder(&kafka.address("OTHER"))
        .tls(tls)
        .connect()
        .await?;
    round_trip(&client, "any host name").await;
    Ok(())
}
