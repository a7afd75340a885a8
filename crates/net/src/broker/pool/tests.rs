use klamm_testbroker::TestBroker;
use tokio::task::JoinSet;

use super::*;
use crate::broker::Lane;
use crate::connector::{BoxedStream, Connecting, Connector};
use crate::sasl::Sasl;
use crate::security::Security;

#[derive(Debug)]
struct InMemory(Arc<TestBroker>);

impl Connector for InMemory {
    fn connect<'a>(&'a self, _: &'a HostPort, _: Duration) -> Connecting<'a> {
        let stream = self.0.connect(1).map_err(std::io::Error::other);
        Box::pin(async move { Ok(Box::new(stream?) as BoxedStream) })
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_good_hears_of_it_soon_however_many_ask_for_the_same_lane() {
    let broker = TestBroker::builder().start().await.unwrap();
    let mut config = ClientConfig::new("kafka:9092").unwrap();
    config.connector = Arc::new(InMemory(Arc::new(broker)));
    config.reconnect_backoff.initial = Duration::from_secs(60);
    config.reconnect_backoff.max = Duration::from_secs(60);
    let security = Security {
        // No password: every attempt fails, for a reason that only a person can mend.
        sasl: Some(Sasl::scram_sha_256("alice", "")),
        ..Security::default()
    };
    let pool = Pool::new(
        Arc::new(config),
        SecurityLayer::new(security).await.unwrap(),
    );
    let pool = Arc::new(pool);
    let ask = || {
        let pool = Arc::clone(&pool);
        async move {
            let (address, deadline) = ("kafka:9092".parse().unwrap(), Instant::now() + 60 * SECOND);
            let lane = LaneKey::new(Lane::Control, OwnerId::CLIENT);
            pool.connection(&address, None, lane, deadline).await
        }
    };
    let first = ask().await.unwrap_err();
    assert!(matches!(first, Error::Authentication { .. }), "{first}");

    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        callers.spawn(ask());
    }
    for refused in callers.join_all().await {
        assert_eq!(refused.unwrap_err().to_string(), first.to_string());
    }
    let waited = started.elapsed();
    assert!(waited > Duration::ZERO, "they would spin");
    assert!(waited < SECOND, "they waited for each other: {waited:?}");
}

const SECOND: Duration = Duration::from_secs(1);
