//! Sending allocates by batch, never by record: counted over 200,000 records.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use klamm_net::{ClientConfig, Cluster};
use klamm_producer::{Deliveries, Producer, ProducerBuilder, Record};
use klamm_testbroker::TestBroker;

const RECORDS: u64 = 200_000;
const VALUE: [u8; 100] = [b'v'; 100];
/// Of opening a batch: its completion, its place among the unfinished, the sender's mail.
const OF_A_BATCH: u64 = 16;
/// Of all that happens to a batch: its request, frames, timers, the response and its decoding.
const OF_A_BATCH_ON_ITS_WAY: u64 = 100;

/// One partition's acknowledgements one by one, the other's as they come.
fn send_records(producer: &Producer) -> Deliveries {
    let mut deliveries = Deliveries::default();
    for index in 0..RECORDS / 200 {
        let key = index.to_be_bytes();
        for partition in 0..2 {
            let record = Record::to("orders").partition(partition).value(&VALUE);
            for _ in 0..100 {
                if partition == 0 {
                    let sent = producer.try_send(record.key(&key));
                    deliveries.add(sent.expect("room in memory for all of them"));
                } else {
                    let sending = pin!(producer.send_into(record.key(&key), &mut deliveries));
                    let sent = sending.poll(&mut Context::from_waker(Waker::noop()));
                    assert!(matches!(sent, Poll::Ready(Ok(()))), "room in memory");
                }
            }
        }
    }
    deliveries
}

#[test]
fn a_record_costs_no_allocation_neither_in_send_nor_on_its_way() {
    // Only this thread's allocations are counted: the broker is in another one.
    let broker = tokio::runtime::Runtime::new().unwrap();
    let topic = TestBroker::builder().topic("orders", 2);
    let testbroker = broker.block_on(topic.start()).unwrap();
    let client = tokio::runtime::Builder::new_current_thread();
    let client = { client }.enable_all().build().unwrap();
    let producer = client.block_on(async {
        let config = ClientConfig::new(&testbroker.bootstrap()).unwrap();
        let cluster = Cluster::connect(config).await.unwrap();
        let builder = ProducerBuilder::new(cluster).buffer_memory(256 << 20);
        let producer = builder.linger(Duration::ZERO).build().unwrap();
        drop(producer.send(Record::to("orders")).await.unwrap());
        // All that is grown once is grown before.
        send_records(&producer);
        producer.flush().await;
        producer
    });
    let batches_before = producer.stats().batches_acknowledged;
    let (mut of_sending, mut deliveries) = (0, Deliveries::default());
    let all = allocation_counter::measure(|| {
        client.block_on(async {
            let sending = allocation_counter::measure(|| deliveries = send_records(&producer));
            of_sending = sending.count_total;
            producer.flush().await;
        });
    });
    let batches = producer.stats().batches_acknowledged - batches_before;
    let settled = client.block_on(deliveries.settle());
    assert_eq!((settled.acknowledged, settled.failed), (RECORDS, 0));
    assert!((100..400).contains(&batches), "{batches} batches");
    assert!(
        of_sending <= batches * OF_A_BATCH,
        "{of_sending} in sending {RECORDS} records in {batches} batches"
    );
    assert!(
        all.count_total <= batches * OF_A_BATCH_ON_ITS_WAY,
        "{} for {RECORDS} records in {batches} batches",
        all.count_total
    );
}
