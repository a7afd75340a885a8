//! A broker from before Kafka 2.4: the test broker behind a proxy that lowers what it says it speaks.

use klamm_admin::{Admin, ApiKey, Error, NewTopic};
use klamm_net::{ClientConfig, Cluster};
use klamm_testbroker::TestBroker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// `CreateTopics` in the versions 2 to 7, as an `ApiVersions` response has it.
const NEW: [u8; 6] = [0, 19, 0, 2, 0, 7];
/// In the versions 2 and 3 only.
const OLD: [u8; 6] = [0, 19, 0, 2, 0, 3];

/// Passes connections on to `broker`; in what it answers, versions are lowered and its port is the
/// proxy's. Gives the proxy's address.
async fn proxy(broker: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = |address: &str| -> u32 { address.rsplit_once(':').unwrap().1.parse().unwrap() };
    let ports = [port(&broker), u32::from(address.port())].map(u32::to_be_bytes);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&broker).await.unwrap();
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            tokio::spawn(rewrite(from_server, to_client, ports));
        }
    });
    address.to_string()
}

async fn rewrite(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, ports: [[u8; 4]; 2]) {
    while let Ok(size) = from.read_u32().await {
        let mut frame = vec![0; size as usize];
        from.read_exact(&mut frame).await.unwrap();
        replace(&mut frame, &NEW, &OLD);
        replace(&mut frame, &ports[0], &ports[1]);
        to.write_u32(size).await.unwrap();
        to.write_all(&frame).await.unwrap();
    }
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    for at in 0..bytes.len().saturating_sub(old.len() - 1) {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
}

#[tokio::test]
async fn an_old_broker_is_not_asked_for_defaults_that_it_does_not_have() {
    let broker = TestBroker::builder().start().await.unwrap();
    let config = ClientConfig::new(&proxy(broker.bootstrap()).await).unwrap();
    let admin = Admin::new(Cluster::connect(config).await.unwrap());
    for (topic, missing) in [
        (NewTopic::new("audit").partitions(1), "replication factor"),
        (
            NewTopic::new("audit").replication_factor(1),
            "number of partitions",
        ),
    ] {
        let error = admin.create_topics([topic]).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(missing), "{error}");
    }
    assert_eq!(broker.requests(ApiKey::CREATE_TOPICS), 0);

    let full = NewTopic::new("audit").partitions(1).replication_factor(1);
    let created = admin.create_topics([full]).await.unwrap().all().unwrap();
    // Versions before 5 do not tell.
    assert_eq!(created[0].partitions, None);
    assert!(created[0].id.is_zero());
}
