//! Transactions, end to end over connections in memory: what each reader sees, and who is fenced.

mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{
    Client, FETCH, fetch_request, group, identity, only_partition, produce_request, produced,
    start, text, topic, values,
};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::ProducerState;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ListOffsetsRequest,
    ListTransactionsRequest, OffsetFetchRequest, ProduceRequest, ProducerId, TransactionalId,
    TxnOffsetCommitRequest,
};
use klamm_codec::batch::{BatchBuilder, BatchHeader, Batches};
use klamm_testbroker::ErrorCode;

const TIMEOUT_MS: i32 = 60_000;

fn name() -> TransactionalId {
    TransactionalId(text("t"))
}

/// A producer id and epoch.
type Holder = (i64, i16);

async fn init(client: &mut Client) -> Holder {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(name()))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    loop {
        let response = client.call(4, &request).await;
        if response.error_code != ErrorCode::CONCURRENT_TRANSACTIONS.0 {
            assert_eq!(response.error_code, 0);
            return (response.producer_id.0, response.producer_epoch);
        }
    }
}

fn transactional(values: &[&str], (id, epoch): Holder, sequence: i32) -> ProduceRequest {
    let mut builder = BatchBuilder::new(Vec::new());
    for value in values {
        builder.append(1_000, None, Some(value.as_bytes()), &[]);
    }
    let sealed = builder.seal(identity(id, epoch, sequence), true, None);
    let request = produce_request("orders", 0, sealed.unwrap().bytes);
    request.with_transactional_id(Some(name()))
}

async fn produce(client: &mut Client, version: i16, request: &ProduceRequest) -> ErrorCode {
    ErrorCode(produced(&client.call(version, request).await).0)
}

async fn add(client: &mut Client, (id, epoch): Holder) -> ErrorCode {
    let orders = AddPartitionsToTxnTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(name())
        .with_v3_and_below_producer_id(ProducerId(id))
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![orders]);
    let response = client.call(3, &request).await;
    let topic = &response.results_by_topic_v3_and_below[0];
    ErrorCode(topic.results_by_partition[0].partition_error_code)
}

/// Error, and who the producer is from now on.
async fn end(
    client: &mut Client,
    version: i16,
    (id, epoch): Holder,
    commit: bool,
) -> (ErrorCode, Holder) {
    let request = EndTxnRequest::default()
        .with_transactional_id(name())
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(epoch)
        .with_committed(commit);
    let response = client.call(version, &request).await;
    let next = (response.producer_id.0, response.producer_epoch);
    (ErrorCode(response.error_code), next)
}

async fn read(client: &mut Client, committed: bool) -> PartitionData {
    let request = fetch_request(0, 0).with_isolation_level(i8::from(committed));
    only_partition(&client.call(FETCH, &request).await).clone()
}

fn records(partition: &PartitionData) -> Bytes {
    partition.records.clone().unwrap()
}

fn aborted(partition: &PartitionData) -> Vec<(i64, i64)> {
    let aborted = partition.aborted_transactions.iter().flatten();
    aborted
        .map(|at| (at.producer_id.0, at.first_offset))
        .collect()
}

#[tokio::test]
async fn a_reader_of_committed_records_stops_at_what_is_open_and_is_told_what_was_aborted() {
    let (broker, mut client) = start().await;
    let holder = init(&mut client).await;
    assert_eq!(
        produce(&mut client, 12, &transactional(&["a", "b"], holder, 0)).await,
        ErrorCode::NONE
    );
    let open = read(&mut client, true).await;
    assert!(records(&open).is_empty());
    assert_eq!((open.last_stable_offset, open.high_watermark), (0, 2));
    let all = read(&mut client, false).await;
    assert_eq!(values(&records(&all)).len(), 2);
    assert_eq!(all.aborted_transactions, None);
    let latest = ListOffsetsRequest::default()
        .with_isolation_level(1)
        .with_topics(vec![
            ListOffsetsTopic::default()
                .with_name(topic("orders"))
                .with_partitions(vec![ListOffsetsPartition::default().with_timestamp(-1)]),
        ]);
    let listed = client.call(5, &latest).await;
    assert_eq!(listed.topics[0].partitions[0].offset, 0);

    let (code, next) = end(&mut client, 5, holder, false).await;
    assert_eq!(code, ErrorCode::NONE);
    assert_eq!(
        produce(&mut client, 12, &transactional(&["c"], next, 0)).await,
        ErrorCode::NONE
    );
    assert_eq!(end(&mut client, 5, next, true).await.0, ErrorCode::NONE);
    let stable = read(&mut client, true).await;
    assert_eq!(stable.last_stable_offset, 5);
    assert_eq!(aborted(&stable), [(holder.0, 0)]);
    let headers: Vec<BatchHeader> = Batches::new(records(&stable))
        .map(|batch| batch.unwrap().header().clone())
        .collect();
    let control: Vec<_> = headers
        .iter()
        .map(|header| (header.attributes.is_control(), header.base_offset))
        .collect();
    assert_eq!(control, [(false, 0), (true, 2), (false, 3), (true, 4)]);
    assert!(
        headers
            .iter()
            .all(|header| header.attributes.is_transactional())
    );
    assert_eq!(broker.transaction("t"), Some((next.0, next.1 + 1, false)));
}

#[tokio::test]
async fn without_kip_890_a_partition_is_added_first_and_the_epoch_stays() {
    let (_broker, mut client) = start().await;
    let holder = init(&mut client).await;
    let first = transactional(&["a"], holder, 0);
    assert_eq!(
        produce(&mut client, 11, &first).await,
        ErrorCode::TRANSACTION_ABORTABLE
    );
    assert_eq!(
        produce(&mut client, 10, &first).await,
        ErrorCode::INVALID_TXN_STATE
    );
    assert_eq!(add(&mut client, holder).await, ErrorCode::NONE);
    assert_eq!(produce(&mut client, 11, &first).await, ErrorCode::NONE);
    assert_eq!(end(&mut client, 4, holder, true).await.0, ErrorCode::NONE);
    let again = end(&mut client, 4, holder, true).await.0;
    assert_eq!(again, ErrorCode::NONE, "an answer may be lost");
    assert_eq!(add(&mut client, holder).await, ErrorCode::NONE);
    let second = transactional(&["b"], holder, 1);
    assert_eq!(produce(&mut client, 11, &second).await, ErrorCode::NONE);
}

#[tokio::test]
async fn a_second_holder_aborts_what_the_first_left_open_and_fences_it() {
    let (_broker, mut client) = start().await;
    let first = init(&mut client).await;
    let batch = transactional(&["a"], first, 0);
    assert_eq!(produce(&mut client, 12, &batch).await, ErrorCode::NONE);
    let second = init(&mut client).await;
    assert_eq!(second.0, first.0);
    let late = transactional(&["b"], first, 1);
    assert_eq!(
        produce(&mut client, 12, &late).await,
        ErrorCode::INVALID_PRODUCER_EPOCH
    );
    assert_eq!(add(&mut client, first).await, ErrorCode::PRODUCER_FENCED);
    let ended = end(&mut client, 5, first, true).await.0;
    assert_eq!(ended, ErrorCode::PRODUCER_FENCED);
    let ended = end(&mut client, 1, first, true).await.0;
    assert_eq!(ended, ErrorCode::INVALID_PRODUCER_EPOCH);
    let stable = read(&mut client, true).await;
    assert_eq!(aborted(&stable), [(first.0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let (_broker, mut client) = start().await;
    let holder = init(&mut client).await;
    let batch = transactional(&["a"], holder, 0);
    assert_eq!(produce(&mut client, 12, &batch).await, ErrorCode::NONE);
    tokio::time::sleep(Duration::from_millis(TIMEOUT_MS as u64 + 1)).await;
    assert_eq!(read(&mut client, true).await.last_stable_offset, 2);
    let late = end(&mut client, 4, holder, true).await.0;
    assert_eq!(late, ErrorCode::PRODUCER_FENCED);
    let late = end(&mut client, 5, holder, true).await.0;
    assert_eq!(late, ErrorCode::INVALID_TXN_STATE);
}

#[tokio::test]
async fn offsets_wait_for_their_transaction_and_share_its_fate() {
    let (_broker, mut client) = start().await;
    for (commit, implicit) in [(false, true), (true, true), (true, false)] {
        let holder = init(&mut client).await;
        let before = committed(&mut client).await;
        if !implicit {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(name())
                .with_producer_id(ProducerId(holder.0))
                .with_producer_epoch(holder.1)
                .with_group_id(group("g"));
            assert_eq!(client.call(3, &request).await.error_code, 0);
        }
        let version = if implicit { 5 } else { 4 };
        let code = commit_offset(&mut client, version, holder, before.1 + 10, ("", -1)).await;
        assert_eq!(code, ErrorCode::NONE);
        let unstable = ErrorCode::UNSTABLE_OFFSET_COMMIT;
        assert_eq!(committed(&mut client).await, (unstable, -1));
        let ended = end(&mut client, version, holder, commit).await.0;
        assert_eq!(ended, ErrorCode::NONE);
        let after = if commit { before.1 + 10 } else { before.1 };
        assert_eq!(committed(&mut client).await, (ErrorCode::NONE, after));
    }
    let holder = init(&mut client).await;
    let stranger = commit_offset(&mut client, 5, holder, 1, ("nobody", 3)).await;
    assert_eq!(stranger, ErrorCode::UNKNOWN_MEMBER_ID);
}

async fn commit_offset(
    client: &mut Client,
    version: i16,
    (id, epoch): Holder,
    offset: i64,
    (member, generation): (&str, i32),
) -> ErrorCode {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let orders = TxnOffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(name())
        .with_group_id(group("g"))
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(epoch)
        .with_member_id(text(member))
        .with_generation_id(generation)
        .with_topics(vec![orders]);
    let response = client.call(version, &request).await;
    ErrorCode(response.topics[0].partitions[0].error_code)
}

async fn committed(client: &mut Client) -> (ErrorCode, i64) {
    let orders = OffsetFetchRequestTopics::default()
        .with_name(topic("orders"))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_topics(Some(vec![orders]));
    let request = OffsetFetchRequest::default()
        .with_require_stable(true)
        .with_groups(vec![group]);
    let response = client.call(8, &request).await;
    let partition = &response.groups[0].topics[0].partitions[0];
    (ErrorCode(partition.error_code), partition.committed_offset)
}

/// The only producer of the partition.
async fn producer_of(client: &mut Client, partition: i32) -> Result<ProducerState, ErrorCode> {
    let orders = TopicRequest::default()
        .with_name(topic("orders"))
        .with_partition_indexes(vec![partition]);
    let request = DescribeProducersRequest::default().with_topics(vec![orders]);
    let mut response = client.call(0, &request).await;
    let mut partition = response.topics.remove(0).partitions.remove(0);
    match ErrorCode(partition.error_code) {
        ErrorCode::NONE => Ok(partition.active_producers.remove(0)),
        code => Err(code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_described_by_its_coordinator_and_by_its_partition() {
    let (_broker, mut client) = start().await;
    let holder = init(&mut client).await;
    let write = transactional(&["a", "b"], holder, 0);
    assert_eq!(produce(&mut client, 12, &write).await, ErrorCode::NONE);
    tokio::time::advance(Duration::from_secs(5)).await;

    let known = producer_of(&mut client, 0).await.unwrap();
    assert_eq!(
        (known.producer_id.0, known.producer_epoch),
        (holder.0, holder.1.into())
    );
    assert_eq!((known.last_sequence, known.last_timestamp), (1, 1_000));
    assert_eq!(
        (known.current_txn_start_offset, known.coordinator_epoch),
        (0, -1)
    );
    let nowhere = producer_of(&mut client, 9).await;
    assert_eq!(nowhere, Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let stranger = TransactionalId(text("stranger"));
    let describe =
        DescribeTransactionsRequest::default().with_transactional_ids(vec![name(), stranger]);
    let described = client.call(0, &describe).await.transaction_states;
    assert_eq!(described[0].transaction_state.as_str(), "Ongoing");
    assert_eq!(described[0].transaction_timeout_ms, TIMEOUT_MS);
    assert_eq!(described[0].topics[0].partitions, [0]);
    let unknown = ErrorCode::TRANSACTIONAL_ID_NOT_FOUND;
    assert_eq!(ErrorCode(described[1].error_code), unknown);

    let all = ListTransactionsRequest::default();
    let longer = |ms| all.clone().with_duration_filter(ms);
    let like = |pattern| {
        all.clone()
            .with_transactional_id_pattern(Some(text(pattern)))
    };
    for (request, is_found) in [
        (all.clone(), true),
        (all.clone().with_state_filters(vec![text("Ongoing")]), true),
        (all.clone().with_state_filters(vec![text("Empty")]), false),
        (
            all.clone()
                .with_producer_id_filters(vec![ProducerId(holder.0)]),
            true,
        ),
        (
            all.clone().with_producer_id_filters(vec![ProducerId(99)]),
            false,
        ),
        (longer(4_000), true),
        (longer(6_000), false),
        (like("[st]"), true),
        (like("tt"), false),
    ] {
        let listed = client.call(2, &request).await.transaction_states;
        assert_eq!(listed.len(), usize::from(is_found), "{request:?}");
    }
    let refused = client.call(2, &like("(")).await;
    let invalid = ErrorCode::INVALID_REGULAR_EXPRESSION;
    assert_eq!(ErrorCode(refused.error_code), invalid);

    end(&mut client, 4, holder, true).await;
    let known = producer_of(&mut client, 0).await.unwrap();
    assert_eq!(
        (known.current_txn_start_offset, known.coordinator_epoch),
        (-1, 0)
    );
    let ended = client.call(0, &describe).await.transaction_states;
    assert_eq!(ended[0].transaction_state.as_str(), "CompleteCommit");
    assert_eq!(ended[0].transaction_start_time_ms, -1);
    assert!(ended[0].topics.is_empty());
}
