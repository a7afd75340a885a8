//! How long a large group takes to rebalance, and what stands still meanwhile: `just rebalance-time`.
//!
//! 50 members in this process share 200 partitions. Measured are the time from their start until all
//! partitions have an owner and the shares are even, and the same after one of them has left: of several that leave one
//! by one, at moments spread over the heartbeat interval. Members that joined together send their heartbeats together, so that
//! one moment alone would measure how far the next heartbeat is.

#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "group_chaos/history.rs"]
mod history;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "group_chaos/member.rs"]
mod member;
mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use history::History;
use klamm::consumer::{CooperativeStickyAssignor, GroupProtocol};
use klamm::{Consumer, TopicPartition};
use klamm_tests::Kafka;
use member::Member;
use support::{Outcome, blocking};

const MEMBERS: usize = 50;
const PARTITIONS: usize = 200;
/// Members that leave, one by one.
const LEAVERS: u32 = 6;
/// How long the group is at rest before one leaves, at least.
const REST: Duration = Duration::from_secs(5);

/// The pause between heartbeats at rest: the client's default, and the broker's.
const fn heartbeat_interval(protocol: GroupProtocol) -> Duration {
    match protocol {
        GroupProtocol::Classic => Duration::from_secs(3),
        _ => Duration::from_secs(5),
    }
}

async fn settled(members: &[Member]) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let owned: Vec<_> = members.iter().map(Member::owned).collect();
        let mut all: Vec<i32> = owned.iter().flatten().copied().collect();
        all.sort_unstable();
        let sizes = || owned.iter().map(std::collections::BTreeSet::len);
        let even = sizes().max() <= sizes().min().map(|least| least + 1);
        if even && all == (0..PARTITIONS as i32).collect::<Vec<_>>() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not settled: {:?}",
            sizes().collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A topic whose partitions are all there: brokers name leaders before, and assign nothing until then.
async fn new_topic(
    kafka: &Kafka,
    consumer: &Consumer,
) -> Result<String, Box<dyn std::error::Error>> {
    let topic = blocking(|| kafka.create_topic("large", PARTITIONS as i32))?;
    let partitions = (0..PARTITIONS as i32).map(|index| TopicPartition::new(&*topic, index));
    consumer.beginning_offsets(partitions).await?;
    Ok(topic)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: just rebalance-time"]
async fn fifty_members_share_two_hundred_partitions() -> Outcome {
    let kafka = blocking(|| Kafka::builder().start())?;
    println!("bootstrap {}", kafka.bootstrap());
    // The first group makes the broker create the topic of offsets, which is not to be measured.
    let client = support::connect(&kafka.bootstrap()).await;
    let idle = client.consumer().group("first").build().await?;
    idle.committed([TopicPartition::new("none", 0)]).await?;
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let topic = new_topic(&kafka, &idle).await?;
        let history: Arc<Mutex<History>> = Arc::default();
        let configure = move |builder: klamm::ConsumerBuilder| {
            let builder = builder.group(&topic).topics([&topic]).auto_commit(false);
            match protocol {
                GroupProtocol::Classic => builder.assignor(CooperativeStickyAssignor),
                protocol => builder.group_protocol(protocol),
            }
        };
        let started = Instant::now();
        // All at once, as the peer's.
        let start = |number| {
            let (bootstrap, history) = (kafka.bootstrap(), Arc::clone(&history));
            let configure = configure.clone();
            tokio::spawn(
                async move { Member::start(number, &bootstrap, &history, configure).await },
            )
        };
        let starting: Vec<_> = (0..MEMBERS).map(start).collect();
        let mut members = Vec::new();
        for member in starting {
            members.push(member.await?);
        }
        settled(&members).await;
        let joined = started.elapsed();
        let before = history.lock().unwrap().sessions();
        let mut times = Vec::new();
        let mut stopped = 0;
        for leaver in 0..LEAVERS {
            let phase = heartbeat_interval(protocol) * leaver / LEAVERS;
            tokio::time::sleep(REST + phase).await;
            let moved = history.lock().unwrap().sessions();
            let started = Instant::now();
            members.remove(7).close().await;
            settled(&members).await;
            times.push(started.elapsed().as_secs_f64());
            stopped += history.lock().unwrap().sessions() - moved;
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{protocol:?}: joined and stable after {:.2} s with {before} assignments of partitions; {LEAVERS} left, stable after {times:.2?} s, \
             {stopped} partitions stopped",
            joined.as_secs_f64(),
        );
        for member in members {
            member.kill().await;
        }
    }
    // The same work by a peer's program (benches/peers/franz-go/rebalance) on the same broker.
    let peer = std::env::var_os("KLAMM_TEST_PEER").filter(|peer| Path::new(peer).exists());
    if let Some(command) = peer {
        let topic = new_topic(&kafka, &idle).await?;
        let status = blocking(|| {
            std::process::Command::new(command)
                .args([kafka.bootstrap(), topic])
                .status()
        })?;
        assert!(status.success());
    }
    Ok(())
}
