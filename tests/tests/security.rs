//! TLS and SASL with a real broker: every mechanism in, every fault told by its own name, no secret told at all.

mod security {
    pub(crate) mod broker;
    pub(crate) mod log;
}
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use klamm::config::PropertySet;
use klamm::net::{
    AuthenticationFailure, BearerToken, ClientConfig, Cluster, Connecting, Connector,
    Error as NetError, HostPort, Lane, Sasl, TcpConnector, Tls, TlsFailure,
};
use klamm::{Client, Error, ErrorCode, OffsetReset, Record};
use security::broker::{PASSWORD, SecureKafka, token};
use security::log::{Log, base64};
use support::{Outcome, blocking, within};

const PATIENCE: Duration = Duration::from_secs(20);

/// Counts the connections that a client makes.
#[derive(Clone, Debug, Default)]
struct Counting {
    tcp: Arc<TcpConnector>,
    connections: Arc<AtomicUsize>,
}

impl Counting {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Connector for Counting {
    fn connect<'a>(&'a self, address: &'a HostPort, timeout: Duration) -> Connecting<'a> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.tcp.connect(address, timeout)
    }
}

/// Writes ten records and reads them again.
async fn round_trip(client: &Client, what: &str) {
    let kafka = SecureKafka::shared();
    let topic = blocking(|| kafka.kafka.create_topic("secured", 1)).unwrap();
    let producer = client.producer().build().unwrap();
    for number in 0..10_u32 {
        let value = number.to_string();
        let record = Record::to(&topic).value(&value);
        let delivery = within(20, what, producer.send(record)).await.unwrap();
        within(20, what, delivery).await.unwrap();
    }
    let consumer = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = consumer
        .topics([&topic])
        .group(&topic)
        .build()
        .await
        .unwrap();
    let mut read = Vec::new();
    while read.len() < 10 {
        let records = within(30, what, consumer.poll()).await.unwrap();
        let value = |record: klamm::ConsumerRecord<'_>| record.value.map(<[u8]>::to_vec).unwrap();
        read.extend(records.iter().map(value));
    }
    let expected: Vec<_> = (0..10_u32)
        .map(|number| number.to_string().into_bytes())
        .collect();
    assert_eq!(read, expected, "{what}");
    consumer.close(PATIENCE).await.unwrap();
    producer.close(PATIENCE).await.unwrap();
}

/// Each with the name of a listener, and the text of a Java client's properties file.
fn java_files(kafka: &SecureKafka) -> Vec<(&'static str, String)> {
    let plain = format!(
        "sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  \
         username=\"alice\" password=\"{PASSWORD}\";\n"
    );
    let scram = |bits: u32| {
        format!(
            "sasl.mechanism=SCRAM-SHA-{bits}\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule \
             required username='alice' password='{PASSWORD}';\n"
        )
    };
    let ca = format!(
        "ssl.truststore.type=PEM\nssl.truststore.location={}\n",
        kafka.folder.join("ca.pem").display()
    );
    let own = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\n",
        kafka.folder.join("client.pem").display()
    );
    let mut files = vec![
        ("TLS", format!("security.protocol=SSL\n{ca}")),
        (
            "TLS",
            format!("security.protocol=SSL\nssl.enabled.protocols=TLSv1.2\n{ca}"),
        ),
        ("MUTUAL", format!("security.protocol=SSL\n{ca}{own}")),
    ];
    for mechanism in [plain, scram(256), scram(512)] {
        files.push((
            "SASL",
            format!("security.protocol=SASL_PLAINTEXT\n{mechanism}"),
        ));
        files.push((
            "SASLTLS",
            format!("security.protocol=SASL_SSL\n{ca}{mechanism}"),
        ));
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_properties_file_works_as_it_is_with_every_mechanism() -> Outcome {
    let kafka = SecureKafka::shared();
    for (listener, text) in java_files(kafka) {
        let mut properties = PropertySet::read_file_text(&text)?;
        properties.push(("bootstrap.servers".to_owned(), kafka.address(listener)));
        let what = text.lines().take(2).collect::<Vec<_>>().join(" ");
        let client = within(30, &what, Client::from_properties(properties)).await?;
        round_trip(&client, &what).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_work_over_tls_and_the_provider_is_asked_once() -> Outcome {
    let kafka = SecureKafka::shared();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let provider = move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok(BearerToken::new(token("alice", 3600)).expires_in(Duration::from_secs(3600))) }
    };
    let client = Client::builder(&kafka.address("SASLTLS"))
        .tls(kafka.tls())
        .sasl(Sasl::oauth_bearer(provider));
    let client = within(30, "connecting", client.connect()).await?;
    round_trip(&client, "OAUTHBEARER").await;
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "one token for all connections"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_token_is_as_good_as_its_owner() -> Outcome {
    let kafka = SecureKafka::shared();
    let log = Log::of_this_process();
    let address = kafka.address("SASL");
    let alice = Client::builder(&address).sasl(Sasl::scram_sha_512("alice", PASSWORD));
    let alice = within(30, "connecting", alice.connect()).await?.admin();
    let token = alice.create_token().await?;
    // The controller has made it. A broker takes it once it has read so in the log of the metadata, a moment later.
    let published = async {
        while !alice
            .describe_tokens([])
            .await?
            .iter()
            .any(|known| known.id == token.id)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, klamm::admin::Error>(())
    };
    within(30, "the broker's word on the token", published).await?;
    let hmac = base64(&token.hmac);
    for sasl in [
        Sasl::scram_sha_256(token.id.as_str(), hmac.as_str()),
        Sasl::scram_sha_512(token.id.as_str(), hmac.as_str()),
    ] {
        let client = Client::builder(&address).sasl(sasl.delegation_token());
        let client = within(30, "connecting", client.connect()).await?;
        round_trip(&client, "delegation token").await;
        // Its owner is who acts; and it is a token that was shown, not a password: it can't make tokens.
        let refused = client.admin().create_token().await.unwrap_err();
        assert_eq!(
            refused.code(),
            Some(ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
        );
    }
    for sasl in [
        Sasl::scram_sha_256(token.id.as_str(), "d3Jvbmc=").delegation_token(),
        Sasl::scram_sha_256(token.id.as_str(), hmac.as_str()),
    ] {
        let (error, connections) =
            refused("not the token", Client::builder(&address).sasl(sasl)).await;
        assert_eq!(
            failure(&error),
            Some(AuthenticationFailure::Rejected),
            "{error}"
        );
        assert_eq!(connections, 1);
    }
    log.assert_without(&[hmac.as_str(), PASSWORD]);
    Ok(())
}

fn failure(error: &NetError) -> Option<AuthenticationFailure> {
    match error {
        NetError::Authentication { failure, .. } => Some(*failure),
        _ => None,
    }
}

/// Connects in vain; gives the error and how often it was tried.
async fn refused(what: &str, builder: klamm::ClientBuilder) -> (NetError, usize) {
    let counting = Counting::default();
    let client = builder.connector(counting.clone());
    match within(10, what, client.connect()).await {
        Err(Error::Net(error)) => (error, counting.connections()),
        other => panic!("{what}: {other:?}"),
    }
}

/// Of nobody.
const WRONG: &str = "no-password-of-anybody";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_at_once_in_words_without_them() {
    let kafka = SecureKafka::shared();
    for (what, sasl) in [
        ("PLAIN, wrong password", Sasl::plain("alice", WRONG)),
        ("PLAIN, unknown user", Sasl::plain("nobody", WRONG)),
        (
            "SCRAM-SHA-256, wrong password",
            Sasl::scram_sha_256("alice", WRONG),
        ),
        (
            "SCRAM-SHA-256, unknown user",
            Sasl::scram_sha_256("nobody", WRONG),
        ),
        (
            "SCRAM-SHA-512, wrong password",
            Sasl::scram_sha_512("alice", WRONG),
        ),
        (
            "SCRAM-SHA-512, unknown user",
            Sasl::scram_sha_512("nobody", WRONG),
        ),
        (
            "OAUTHBEARER, expired token",
            Sasl::oauth_bearer(|| async { Ok(BearerToken::new(token("alice", -60))) }),
        ),
        (
            "OAUTHBEARER, no token",
            Sasl::oauth_bearer(|| async { Ok(BearerToken::new(WRONG)) }),
        ),
    ] {
        let builder = Client::builder(&kafka.address("SASLTLS"))
            .tls(kafka.tls())
            .sasl(sasl);
        let (error, connections) = refused(what, builder).await;
        assert_eq!(
            failure(&error),
            Some(AuthenticationFailure::Rejected),
            "{what}: {error}"
        );
        assert!(!error.is_retriable(), "{what}");
        assert_eq!(connections, 1, "{what}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(what.split(',').next().unwrap()), "{text}");
        assert!(
            !text.contains(WRONG) && !text.contains("eyJ"),
            "{what}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_listener_does_not_offer_is_told() {
    let kafka = SecureKafka::shared();
    let sasl = Sasl::plain("alice", PASSWORD).dangerously_without_tls();
    let builder = Client::builder(&kafka.address("REAUTH")).sasl(sasl.clone());
    let (error, connections) = refused("PLAIN is not offered", builder).await;
    assert_eq!(
        failure(&error),
        Some(AuthenticationFailure::MechanismNotEnabled),
        "{error}"
    );
    assert!(error.to_string().contains("SCRAM-SHA-256"), "{error}");
    assert_eq!(connections, 1);

    let builder = Client::builder(&kafka.kafka.bootstrap()).sasl(sasl);
    let (error, connections) = refused("no SASL there", builder).await;
    assert_eq!(
        failure(&error),
        Some(AuthenticationFailure::NotExpected),
        "{error}"
    );
    assert_eq!(connections, 1);

    let (error, _) = refused("SASL is wanted", Client::builder(&kafka.address("SASL"))).await;
    assert!(error.to_string().contains("SASL"), "{error}");
}

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

/// Produces and consumes until `end`; gives how many records went through.
async fn load(client: &Client, topic: &str, end: Instant) -> usize {
    let producer = client
        .producer()
        .linger(Duration::from_millis(1))
        .build()
        .unwrap();
    let builder = client.consumer().offset_reset(OffsetReset::Earliest);
    let mut consumer = builder.topics([topic]).group(topic).build().await.unwrap();
    let (mut sent, mut read) = (0, 0);
    while Instant::now() < end || read < sent {
        if Instant::now() < end {
            let deliveries: Vec<_> = {
                let mut deliveries = Vec::new();
                for _ in 0..20 {
                    let value = sent.to_string();
                    let record = Record::to(topic).value(&value);
                    deliveries.push(within(20, "sending", producer.send(record)).await.unwrap());
                    sent += 1;
                }
                deliveries
            };
            for delivery in deliveries {
                within(20, "delivery", delivery).await.unwrap();
            }
        }
        let records = consumer
            .poll_timeout(Duration::from_millis(20))
            .await
            .unwrap();
        for record in &records {
            assert_eq!(
                record.value,
                Some(read.to_string().as_bytes()),
                "in order, once"
            );
            read += 1;
        }
    }
    consumer.close(PATIENCE).await.unwrap();
    producer.close(PATIENCE).await.unwrap();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_under_load_authenticate_again_and_stay() -> Outcome {
    let kafka = SecureKafka::shared();
    let topic = blocking(|| kafka.kafka.create_topic("reauth", 1))?;
    let counting = Counting::default();
    let client = Client::builder(&kafka.address("REAUTH"))
        .sasl(Sasl::scram_sha_256("alice", PASSWORD))
        .connector(counting.clone());
    let client = within(30, "connecting", client.connect()).await?;
    let log = Log::of_this_process();
    // Three lifetimes of a session.
    let records = load(&client, &topic, Instant::now() + Duration::from_secs(9)).await;
    let made = counting.connections();
    let renewed = log.count("authenticated again");
    println!("{records} records, {made} connections, {renewed} re-authentications");
    // Bootstrap, then one a lane: a connection that the broker ends for being late would be made anew.
    assert!(made <= 6, "{made} connections were made");
    assert!(renewed >= 2 * 3, "{renewed} re-authentications");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_are_an_error_soon_and_no_storm_of_connections() -> Outcome {
    let kafka = SecureKafka::shared();
    let good = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let valid = Arc::clone(&good);
    let provider = move || {
        let seconds = if valid.load(Ordering::SeqCst) {
            3600
        } else {
            -60
        };
        async move { Ok(BearerToken::new(token("alice", seconds))) }
    };
    let counting = Counting::default();
    let sasl = Sasl::oauth_bearer(provider).dangerously_without_tls();
    let client = Client::builder(&kafka.address("REAUTH")).sasl(sasl);
    let client = within(
        30,
        "connecting",
        client.connector(counting.clone()).connect(),
    )
    .await?;
    let topic = blocking(|| kafka.kafka.create_topic("ending", 1))?;
    let admin = client.admin();
    let refused = admin
        .create_topics([klamm::NewTopic::new(&topic)])
        .await?
        .all();
    assert!(refused.is_err(), "it exists: the connection works");

    // From now on re-authentication fails, and so do new connections.
    good.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(20);
    let error = loop {
        let names = [klamm::NewTopic::new(&topic)];
        match within(
            10,
            "an admin call",
            admin.create_topics(names).into_future(),
        )
        .await
        {
            Err(error) if error.to_string().contains("authentication") => break error,
            _ if Instant::now() > deadline => panic!("it still works"),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    println!("{error}");
    // An application that asks again and again.
    let before = counting.connections();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let names = [klamm::NewTopic::new(&topic)];
        let error = within(
            10,
            "an admin call",
            admin.create_topics(names).into_future(),
        )
        .await
        .unwrap_err();
        assert!(!error.to_string().contains("eyJ"), "{error}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let made = counting.connections() - before;
    println!("{made} connections in 3 s");
    assert!(made <= 8, "{made} connections in 3 s");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_logged_at_any_level() -> Outcome {
    let kafka = SecureKafka::shared();
    let log = Log::of_this_process();
    let bearer = token("alice", 600);
    let key = std::fs::read_to_string(kafka.folder.join("client.key"))?;
    let key = key.lines().nth(1).unwrap().to_owned();
    for password in [PASSWORD, "another-password-here"] {
        for sasl in [
            Sasl::plain("alice", password),
            Sasl::scram_sha_256("alice", password),
            Sasl::scram_sha_512("alice", password),
            {
                let bearer = bearer.clone();
                Sasl::oauth_bearer(move || std::future::ready(Ok(BearerToken::new(bearer.clone()))))
            },
        ] {
            let tls = kafka.tls().identity_file(kafka.folder.join("client.pem"));
            let builder = Client::builder(&kafka.address("SASLTLS"))
                .tls(tls)
                .sasl(sasl);
            let _ = within(30, "connecting", builder.connect()).await;
        }
    }
    assert!(log.count("authenticated") > 0, "the log is heard");
    log.assert_without(&[PASSWORD, "another-password-here", &bearer, &key]);
    Ok(())
}

/// Median time of a connection, and records a second over one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and needs a release build: just tls-cost"]
async fn what_tls_costs() -> Outcome {
    const CONNECTIONS: usize = 100;
    const RECORDS: usize = 500_000;
    let kafka = SecureKafka::shared();
    let topic = blocking(|| kafka.kafka.create_topic("cost", 6))?;
    let scram = || Sasl::scram_sha_256("alice", PASSWORD);
    let builders: [(&str, &dyn Fn() -> klamm::ClientBuilder); 4] = [
        ("PLAINTEXT", &|| Client::builder(&kafka.kafka.bootstrap())),
        ("SSL", &|| {
            Client::builder(&kafka.address("TLS")).tls(kafka.tls())
        }),
        ("SASL_PLAINTEXT", &|| {
            Client::builder(&kafka.address("SASL")).sasl(scram())
        }),
        ("SASL_SSL", &|| {
            Client::builder(&kafka.address("SASLTLS"))
                .tls(kafka.tls())
                .sasl(scram())
        }),
    ];
    for (name, builder) in builders {
        let mut times = Vec::new();
        for _ in 0..CONNECTIONS {
            let started = Instant::now();
            drop(builder().connect().await?);
            times.push(started.elapsed());
        }
        times.sort();
        println!(
            "{name}: connect and metadata, median of {CONNECTIONS}: {:?}",
            times[CONNECTIONS / 2]
        );
    }
    for round in 0..4 {
        for (name, builder) in &builders[..2] {
            let client = builder().connect().await?;
            let producer = client
                .producer()
                .linger(Duration::from_millis(5))
                .batch_size(131_072)
                .build()?;
            let value = vec![b'x'; 100];
            let started = Instant::now();
            let mut last = None;
            for _ in 0..RECORDS {
                last = Some(producer.send(Record::to(&topic).value(&value)).await?);
            }
            producer.flush().await;
            drop(last);
            let rate = RECORDS as f64 / started.elapsed().as_secs_f64();
            println!("{name}, round {round}: {rate:.0} records/s of 100 bytes");
        }
    }
    Ok(())
}
