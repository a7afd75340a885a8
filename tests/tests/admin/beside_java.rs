//! The same work by klamm's admin and by Java's: time and requests.

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::time::Instant;

use klamm::{Client, NewTopic};

use super::three_nodes::{COUNT, groups_with_offsets, kafka, offsets_are_whole};
use super::until;
use crate::support::{blocking, connect};

/// Requests that a client has sent, but for those by which connections begin.
fn requests(client: &Client) -> u64 {
    let brokers = client.stats().brokers;
    let apis = brokers.iter().flat_map(|broker| &broker.apis);
    apis.map(|api| api.requests).sum()
}

/// Runs `work`; gives its milliseconds and requests.
async fn measured(client: &Client, work: impl Future<Output = ()>) -> (u128, u64) {
    let (before, start) = (requests(client), Instant::now());
    work.await;
    (start.elapsed().as_millis(), requests(client) - before)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: `just admin-beside-java`"]
async fn beside_javas_admin() {
    const ROUNDS: usize = 3;
    let kafka = kafka().await;
    let client = connect(&kafka.bootstrap()).await;
    let admin = client.admin();
    // By another client: this one shall know no coordinators yet, as Java's does not.
    let other = connect(&kafka.bootstrap()).await.admin();
    let (groups, partition) = groups_with_offsets(&kafka, &other).await;
    let base = &*partition.topic;
    let java = |round: usize| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/AdminWork.java");
        let tool = kafka.tool(source.to_str().unwrap()).unwrap();
        let count = COUNT.to_string();
        let rounds = if round == 0 { "1" } else { "2" };
        let tool = tool.args([kafka.bootstrap().as_str(), base, &count, rounds]);
        tool.run().unwrap().text()
    };
    for round in 0..ROUNDS {
        let topics: Vec<String> = (0..COUNT)
            .map(|at| format!("{base}-ours-{round}-{at}"))
            .collect();
        let create = measured(&client, async {
            let new = topics
                .iter()
                .map(|name| NewTopic::new(name).partitions(1).replication_factor(1));
            admin.create_topics(new).await.unwrap().all().unwrap();
        });
        let create = create.await;
        // Each broker in turn is asked, and learns of topics at its own time.
        let known_to = Cell::new(0);
        until("all topics on all brokers", || async {
            let known = admin.describe_topics(&topics).await.unwrap().all().is_ok();
            known_to.set(if known { known_to.get() + 1 } else { 0 });
            (known_to.get() == 3).then_some(())
        })
        .await;
        let describe = measured(&client, async {
            let described = admin.describe_topics(&topics).await.unwrap().all().unwrap();
            assert_eq!(described.len(), COUNT);
        });
        let describe = describe.await;
        let delete = measured(&client, async {
            admin.delete_topics(&topics).await.unwrap().all().unwrap();
        });
        let delete = delete.await;
        let offsets = measured(&client, offsets_are_whole(&admin, &groups, &partition)).await;
        for (what, (millis, requests)) in [
            ("create", create),
            ("describe", describe),
            ("delete", delete),
            ("offsets", offsets),
        ] {
            println!("klamm {what} {millis} ms {requests} requests");
        }
        for line in blocking(|| java(round)).lines() {
            println!("java {line}");
        }
    }
}
