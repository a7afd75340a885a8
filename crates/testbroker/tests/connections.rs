//! What clients and brokers do to their connections.

mod client;

use client::{Client, named, start, text};
use kafka_protocol::messages::ApiVersionsRequest;
use klamm_testbroker::{ApiKey, TestBroker};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn api_versions_tells_what_is_served_and_survives_unknown_versions() {
    let broker = TestBroker::builder()
        .transaction_version(2)
        .start()
        .await
        .unwrap();
    let mut client = Client::new(broker.connect(1).unwrap());
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("klamm"))
        .with_client_software_version(text("0.1.0"));
    for version in 0..=4 {
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let produce = response
            .api_keys
            .iter()
            .find(|api| api.api_key == ApiKey::PRODUCE.0)
            .unwrap();
        assert_eq!((produce.min_version, produce.max_version), (0, 13));
        assert_eq!(response.finalized_features.len(), usize::from(version >= 3));
    }
    let nameless = request.clone().with_client_software_name(text("-klamm"));
    assert_eq!(client.call(3, &nameless).await.error_code, 42);
    // KIP-511: version 99 is answered as version 0, with error 35 and this API's versions.
    client
        .send_frame(&[0, 18, 0, 99, 0, 0, 0, 77, 1, 2, 3])
        .await;
    let answer = client.receive_frame().await.unwrap();
    assert_eq!(
        answer[..],
        [0, 0, 0, 77, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5]
    );
    assert_eq!(
        client.call(3, &request).await.error_code,
        0,
        "the connection lives"
    );
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_loses_its_connection_only() {
    let (broker, mut witness) = start().await;
    let frames: [&[u8]; 7] = [
        &[0, 0, 0, 3, 1, 2, 3],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0, 0, 0],
        &[0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff],
        &[
            0, 0, 0, 20, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9,
        ],
    ];
    for frame in frames {
        let mut stream = broker.connect(1).unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, frame)
            .await
            .unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0, "{frame:?}");
    }
    assert_eq!(
        witness.call(12, &named(&["orders"])).await.topics[0].error_code,
        0
    );
}

#[tokio::test]
async fn a_broker_that_is_shut_down_or_dropped_closes_its_connections() {
    for drops in [false, true] {
        let broker = TestBroker::builder().start().await.unwrap();
        let address = broker.bootstrap();
        let mut tcp = tokio::net::TcpStream::connect(&address).await.unwrap();
        let mut memory = broker.connect(1).unwrap();
        if drops {
            drop(broker);
        } else {
            broker.shutdown().await;
        }
        assert_eq!(memory.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(tcp.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    }
}
