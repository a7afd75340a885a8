//! What is logged of a broker that is away. Alone in its process: `tracing` remembers for all threads that nobody was interested
//! in an event, and the first thread that comes by may be another test's, without a log.

mod support;

use std::sync::Arc;

use klamm_net::{Cluster, Lane, NodeId};
use klamm_testbroker::TestBroker;
use support::log::Log;
use support::{Moving, PATIENCE, connect};
use tokio::time::{Duration, Instant};

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_logged_once_a_minute_and_when_it_is_back() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let broker = start().await;
    let other = start().await;
    let connector = Moving::new(&broker);
    let cluster = connect(connector.clone()).await;
    reach(&cluster, Lane::Produce).await;
    connector.lead_to(&other);
    let (away, mut attempts) = (Instant::now(), 0);
    while away.elapsed() < Duration::from_secs(185) {
        let deadline = Instant::now() + PATIENCE;
        let refused = cluster.connection(NodeId(1), Lane::Fetch, deadline).await;
        refused.unwrap_err();
        attempts += 1;
    }
    connector.lead_to(&broker);
    reach(&cluster, Lane::Fetch).await;

    assert!(attempts > 150, "{attempts}");
    let lines = log.lines();
    assert_eq!(lines.len(), 5, "{attempts} attempts: {lines:#?}");
    for line in &lines[..4] {
        for part in [
            "WARN",
            "cannot connect",
            &broker.bootstrap(),
            "failures=",
            "refused",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    for part in ["INFO", "connected again", &broker.bootstrap(), "away=18"] {
        assert!(lines[4].contains(part), "{}", lines[4]);
    }
}

async fn start() -> Arc<TestBroker> {
    Arc::new(TestBroker::builder().start().await.unwrap())
}

async fn reach(cluster: &Cluster, lane: Lane) {
    let deadline = Instant::now() + PATIENCE;
    let connected = cluster.connection(NodeId(1), lane, deadline).await;
    connected.unwrap();
}
