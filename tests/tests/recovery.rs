//! How long a partition on three real nodes stands still beyond what the brokers themselves take, and how much
//! is asked meanwhile: `just recovery`. The test broker's part is in the producer's own tests.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm::{Client, Producer, Record, TopicPartition};
use klamm_codec::ApiKey;
use klamm_tests::{Action, Kafka, Rule};
use support::probe::Probe;
use support::stretch::{Stretch, comes};
use support::{Outcome, blocking, three_nodes, within};

const PRODUCE: i16 = 0;
const SLACK: Duration = Duration::from_millis(200);

/// Sends one record after the other's acknowledgement.
struct Flow {
    ended: Arc<AtomicBool>,
    acknowledgements: Arc<Mutex<Stretch>>,
    sending: tokio::task::JoinHandle<u64>,
}

impl Flow {
    async fn start(producer: Producer, topic: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let acknowledgements = Arc::new(Mutex::new(Stretch::start()));
        let (over, topic) = (Arc::clone(&ended), topic.to_owned());
        let seen = Arc::clone(&acknowledgements);
        let sending = async move {
            let mut acknowledged = 0;
            while !over.load(Ordering::Relaxed) {
                let record = Record::to(&topic).partition(0).value("v");
                let delivery = producer.send(record).await.unwrap();
                within(120, "a delivery", delivery).await.unwrap();
                acknowledged += 1;
                seen.lock().unwrap().came();
            }
            acknowledged
        };
        let flow = Self {
            ended,
            acknowledgements,
            sending: tokio::spawn(sending),
        };
        // Connected and warm.
        flow.goes_on().await;
        *flow.acknowledgements.lock().unwrap() = Stretch::start();
        flow
    }

    /// Waits for an acknowledgement of something that was sent after this call.
    async fn goes_on(&self) {
        comes("the flow", 2, &self.acknowledgements).await;
    }

    /// The longest time without an acknowledgement, and how many there were.
    async fn end(self) -> (Duration, u64) {
        self.ended.store(true, Ordering::Relaxed);
        let acknowledged = self.sending.await.unwrap();
        (self.acknowledgements.lock().unwrap().longest, acknowledged)
    }
}

struct World {
    kafka: Kafka,
    client: Client,
    topic: String,
    too_long: Vec<String>,
}

impl World {
    fn partition(&self) -> TopicPartition {
        TopicPartition::new(&*self.topic, 0)
    }

    async fn flow(&self) -> Flow {
        let producer = self.client.producer().linger(Duration::ZERO).build();
        Flow::start(producer.unwrap(), &self.topic).await
    }

    fn metadata_requests(&self) -> u64 {
        self.client.stats().requests(ApiKey::METADATA)
    }

    /// Runs `trouble`, which gives how long the client has to wait where the brokers do not.
    async fn measure(&mut self, what: &str, trouble: impl AsyncFnOnce(&Self, &Flow) -> Duration) {
        let flow = self.flow().await;
        let probe = Probe::start(&self.kafka, &self.topic).await;
        let before = self.metadata_requests();
        let pauses = trouble(self, &flow).await;
        flow.goes_on().await;
        let outage = probe.end().await;
        let metadata = self.metadata_requests() - before;
        let (still, acknowledged) = flow.end().await;
        println!(
            "{what}: stood still {still:?}, brokers away {outage:?}, own pauses {pauses:?}, {metadata} metadata \
             requests, {acknowledged} records"
        );
        // The client's pauses pass while the brokers are away.
        if still > outage.max(pauses) + SLACK {
            self.too_long.push(what.to_owned());
        }
        assert!(metadata < 100, "{what}: {metadata} metadata requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time; just recovery"]
async fn three_real_nodes_are_followed_within_200_ms_of_their_own_outage() -> Outcome {
    let builder = three_nodes::builder();
    let kafka = blocking(|| builder.start())?;
    let topic = blocking(|| kafka.create_topic("still", 1))?;
    let client = support::connect(&kafka.proxied_bootstrap()).await;
    let mut world = World {
        kafka,
        client,
        topic,
        too_long: Vec::new(),
    };
    world
        .measure("the leader moves every 500 ms", async |world, _| {
            for step in 0..8 {
                three_nodes::lead(&world.client, &world.partition(), step % 3 + 1).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Duration::ZERO
        })
        .await;
    for lost in [1, 3] {
        let what = format!("lost answers: {lost}");
        world
            .measure(&what, async |world, flow| {
                let leader = world.kafka.leader_of(&world.topic, 0).unwrap().id();
                let proxy = world.kafka.proxy(leader);
                let answers = Rule::response(PRODUCE, Action::Cut).times(lost);
                let before = proxy.applied().len();
                proxy.inject(answers);
                let patience = Duration::from_secs(20);
                let all = before + lost as usize;
                blocking(|| proxy.wait_until_applied(all, patience)).unwrap();
                flow.goes_on().await;
                // Java's pauses between the attempts, with a fifth of jitter.
                Duration::from_millis(if lost == 1 { 0 } else { 600 * 6 / 5 })
            })
            .await;
    }
    world
        .measure("the leader sleeps", async |world, flow| {
            let leader = world.kafka.leader_of(&world.topic, 0).unwrap();
            blocking(|| leader.pause()).unwrap();
            flow.goes_on().await;
            blocking(|| leader.resume()).unwrap();
            // A broker is silent for so long before it is doubted, and before another is asked for metadata.
            Duration::from_secs(3 + 1)
        })
        .await;
    three_nodes::restart(&world.kafka, &[&*world.topic])?;
    for round in 1..=2 {
        let what = format!("the leader is killed, time {round}");
        world
            .measure(&what, async |world, _| {
                let leader = world.kafka.leader_of(&world.topic, 0).unwrap();
                blocking(|| leader.kill()).unwrap();
                Duration::ZERO
            })
            .await;
        three_nodes::restart(&world.kafka, &[&*world.topic])?;
    }
    assert!(world.too_long.is_empty(), "{:?}", world.too_long);
    Ok(())
}
