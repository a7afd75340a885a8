//! What an application sees and changes besides its own calls: delivery callback, interceptors,
//! statistics, rules of its own for partitions.

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use klamm_producer::{
    Compression, DeliveryReport, Interceptor, Partitioner, Partitioning, Record, RecordBuf,
    TopicPartitions,
};
use klamm_testbroker::{ErrorCode, Fault, TestBroker};
use world::{World, eventually, soon};

type Told = Arc<Mutex<Vec<(u64, Option<i64>)>>>;

fn note(told: &Told) -> impl Fn(&DeliveryReport<'_>) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |report| {
        let offset = report.result.as_ref().ok().and_then(|it| it.offset);
        told.lock().unwrap().push((report.tag, offset));
        assert_ne!(report.tag, 3, "a callback that panics");
    }
}

#[tokio::test]
async fn the_delivery_callback_hears_of_every_record_once_in_order_though_it_panics() {
    let world = World::with_orders(1).await;
    let told = Told::default();
    let builder = world.builder().on_delivery(note(&told));
    let producer = builder.linger(Duration::from_millis(5)).build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::MESSAGE_TOO_LARGE));
    for tag in 0..50 {
        let record = Record::to("orders").value("v").tag(tag);
        drop(producer.send(record).await.unwrap());
    }
    soon("flush", producer.flush()).await;
    let expected: Vec<_> = (0..50).map(|tag| (tag, Some(tag as i64))).collect();
    assert_eq!(*told.lock().unwrap(), expected);

    world.inject_produce(Fault::Error(ErrorCode::INVALID_RECORD));
    let refused = producer.send(Record::to("orders").tag(77)).await.unwrap();
    soon("the delivery", refused).await.unwrap_err();
    assert_eq!(told.lock().unwrap().last(), Some(&(77, None)));
}

/// Adds a header to each record and sends what is for `letters` to `orders`.
#[derive(Debug, Default)]
struct Stamp {
    acknowledged: Told,
}

impl Interceptor for Stamp {
    fn on_send(&self, record: &mut RecordBuf) {
        "orders".clone_into(&mut record.topic);
        let header = (b"stamp".to_vec(), Some(b"klamm".to_vec()));
        record.headers.push(header);
        record.value.get_or_insert_default().push(b'!');
    }

    fn on_acknowledgement(&self, report: &DeliveryReport<'_>) {
        let offset = report.result.as_ref().ok().and_then(|it| it.offset);
        self.acknowledged.lock().unwrap().push((report.tag, offset));
    }
}

#[tokio::test]
async fn interceptors_change_records_one_after_the_other_and_hear_of_their_outcome() {
    let world = World::with_orders(1).await;
    let (first, second) = (Stamp::default(), Stamp::default());
    let told = [&first, &second].map(|stamp| Arc::clone(&stamp.acknowledged));
    let builder = world.builder().interceptor(first).interceptor(second);
    let producer = builder.build().unwrap();
    let record = Record::to("letters").key("k").value("v").tag(9);
    let delivery = soon("send", producer.send(record)).await.unwrap();
    soon("the delivery", delivery).await.unwrap();
    drop(producer.try_send(record).unwrap());
    soon("flush", producer.flush()).await;
    let log = world.log("orders", 0);
    assert_eq!(log.len(), 2);
    for stored in log {
        assert_eq!(stored.text(), "v!!");
        assert_eq!(stored.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(stored.headers.len(), 2);
    }
    for told in told {
        assert_eq!(*told.lock().unwrap(), [(9, Some(0)), (9, Some(1))]);
    }
}

#[tokio::test(start_paused = true)]
async fn send_all_has_a_result_for_each_record_in_order() {
    let world = World::with_orders(2).await;
    // Partition 9 is waited for as long.
    let builder = world.builder().max_block(Duration::from_millis(50));
    let producer = builder.build().unwrap();
    let partitions = [0, 9, 1, 0];
    let records = partitions.map(|partition| Record::to("orders").partition(partition));
    let results = soon("send_all", producer.send_all(records)).await;
    assert_eq!(results.len(), 4);
    for (result, partition) in results.into_iter().zip(partitions) {
        match result {
            Ok(delivery) => {
                let metadata = soon("a delivery", delivery).await.unwrap();
                assert_eq!(metadata.partition, partition);
            }
            Err(error) => assert!(partition == 9, "{error}"),
        }
    }
}

#[tokio::test]
async fn statistics_count_what_happened() {
    let world = World::with_orders(1).await;
    let builder = world
        .builder()
        .compression(Compression::Lz4)
        .batch_size(4000);
    let producer = builder.linger(Duration::from_millis(5)).build().unwrap();
    world.inject_produce(Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS));
    world.inject_produce(Fault::Error(ErrorCode::MESSAGE_TOO_LARGE));
    let value = "compresses well ".repeat(10);
    for _ in 0..10 {
        let record = Record::to("orders").value(&value);
        drop(producer.send(record).await.unwrap());
    }
    let unfinished = producer.stats();
    assert!(unfinished.batches_unfinished >= 1 && unfinished.memory_used > 0);
    soon("flush", producer.flush()).await;
    world.inject_produce(Fault::Error(ErrorCode::INVALID_RECORD));
    let refused = producer.send(Record::to("orders").value("v")).await;
    soon("the delivery", refused.unwrap()).await.unwrap_err();

    let stats = producer.stats();
    assert_eq!((stats.records_acknowledged, stats.records_failed), (10, 1));
    assert_eq!((stats.batches_acknowledged, stats.splits), (2, 1));
    assert_eq!((stats.retries, stats.requests), (1, 5));
    assert!(stats.compression_ratio().unwrap() < 0.9, "{stats:?}");
    assert_eq!(stats.latency.count(), 2);
    assert!(stats.latency.quantile(0.5) >= Duration::from_millis(5));
    let codes: Vec<_> = stats.errors.into_iter().collect();
    assert_eq!(codes, [(10, 1), (19, 1), (87, 1)]);
    assert_eq!(stats.batches_unfinished, 0);
    // The answer's own batch gives its memory back a moment after its result.
    eventually("memory comes back", || producer.stats().memory_used == 0).await;
    assert_eq!(stats.memory_limit, 32 << 20);
}

#[derive(Debug)]
struct ByFirstByte;

impl Partitioner for ByFirstByte {
    fn partition(&self, record: &Record<'_>, topic: &TopicPartitions<'_>) -> Option<i32> {
        let byte = record.value?.first()?;
        Some(i32::from(*byte) % topic.count() as i32)
    }
}

#[derive(Debug)]
struct Beyond;

impl Partitioner for Beyond {
    fn partition(&self, _: &Record<'_>, topic: &TopicPartitions<'_>) -> Option<i32> {
        Some(topic.count() as i32)
    }
}

#[tokio::test]
async fn a_rule_of_ones_own_decides_about_partitions_and_a_wrong_one_is_an_error() {
    let world = World::with_orders(3).await;
    let producer = world.builder().partitioner(ByFirstByte).build().unwrap();
    for byte in 0..6_u8 {
        let delivery = producer.send(Record::to("orders").value(&[byte])).await;
        let metadata = soon("the delivery", delivery.unwrap()).await.unwrap();
        assert_eq!(metadata.partition, i32::from(byte) % 3);
    }

    let producer = world.builder().partitioner(Beyond).build().unwrap();
    let error = producer.send(Record::to("orders")).await.unwrap_err();
    assert!(error.to_string().contains("no partition 3"), "{error}");
}

#[tokio::test]
async fn round_robin_gives_each_partition_its_turn() {
    let world = World::with_orders(3).await;
    let builder = world.builder().partitioning(Partitioning::RoundRobin);
    let producer = builder.build().unwrap();
    for _ in 0..9 {
        let record = Record::to("orders").key("k");
        drop(producer.send(record).await.unwrap());
    }
    soon("flush", producer.flush()).await;
    assert_eq!([0, 1, 2].map(|it| world.log("orders", it).len()), [3; 3]);
}

#[tokio::test]
async fn a_broker_that_takes_nothing_is_left_out_until_it_does() {
    let builder = TestBroker::builder().nodes(2).topic("orders", 2);
    let world = World::start(builder).await;
    for partition in [0, 1] {
        world
            .broker
            .move_leader("orders", partition, 1 + partition)
            .unwrap();
    }
    let builder = world.builder().max_in_flight(1);
    let timeout = Duration::from_millis(30);
    let builder = builder.partitioner_availability_timeout(timeout);
    let producer = builder.build().unwrap();
    for partition in [0, 1] {
        let record = Record::to("orders").partition(partition);
        soon("warming up", producer.send(record).await.unwrap())
            .await
            .unwrap();
    }
    let asleep = Duration::from_millis(1500);
    world.inject_produce(Fault::Delay(asleep).on("orders", 1));
    // Enough records for several turns of both partitions.
    let share = async || {
        let mut shares = [0; 2];
        for _ in 0..30 {
            let record = Record::to("orders").value("a value that takes its room");
            let sent = soon("send", producer.send(record)).await.unwrap();
            shares[sent.partition().partition as usize] += 1;
            tokio::task::yield_now().await;
        }
        shares
    };
    let until = async |is_used: bool| {
        while (share().await[1] > 0) != is_used {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("both are used", until(true)).await;
    soon("the sleeper is left out", until(false)).await;
    soon("both are used again", until(true)).await;
}
