//! From a request frame to its answer.
//!
//! Owns: which APIs and versions are served, headers, and the carrying out of faults. Does not:
//! know what requests mean; each family has its file.

mod api_versions;
mod consumer_group;
mod describe;
mod fetch;
mod groups;
mod list_offsets;
mod membership;
mod metadata;
mod offsets;
mod produce;
mod producer_id;
mod producers;
mod topics;
mod transaction_states;
mod transactions;

use std::future::Future;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey as Api, ApiVersionsRequest, BrokerId,
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeGroupsRequest, DescribeProducersRequest, DescribeTransactionsRequest, EndTxnRequest,
    FetchRequest, FindCoordinatorRequest, HeartbeatRequest, InitProducerIdRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, RequestHeader, ResponseHeader, SyncGroupRequest,
    TopicName, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use klamm_codec::ApiKey;
use klamm_codec::api_versions::INTENT_VERSION;

use crate::cluster::Cluster;
use crate::connection::Disconnect;
use crate::fault::{Fault, Target};
use crate::shared::Shared;

/// Who is at the other end, and of which node.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node: BrokerId,
    pub(crate) host: String,
}

/// One request's surroundings.
struct Call<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    version: i16,
    client_id: String,
    fault: Option<PartitionFault>,
}

/// An error to answer for one partition of the request.
struct PartitionFault {
    target: Target,
    code: i16,
    /// Answer it, but do what was asked.
    apply: bool,
}

impl Call<'_> {
    /// The fault for this partition, if there is one.
    fn fault_of(&self, topic: &str, partition: i32) -> Option<&PartitionFault> {
        let hits = |fault: &&PartitionFault| {
            fault.target.topic == topic && fault.target.partition == partition
        };
        self.fault.as_ref().filter(hits)
    }
}

enum Reply<R> {
    Answer(R),
    /// The client awaits no answer.
    Nothing,
    /// The client awaits no answer, and must learn of a failure all the same.
    Close,
}

/// A request that this broker knows how to answer.
trait Serve: Request + Sync + Send {
    /// Does what is asked.
    fn serve(self, call: &Call<'_>) -> impl Future<Output = Reply<Self::Response>> + Send;

    /// The answer that says `code` wherever the response can say it.
    fn refuse(&self, call: &Call<'_>, code: i16) -> Self::Response;

    /// Whether the request has this partition.
    fn touches(&self, _cluster: &Cluster, _target: &Target) -> bool {
        false
    }

    /// Whether the client awaits an answer.
    fn awaits_answer(&self) -> bool {
        true
    }
}

/// Answers a frame; none if the client awaits no answer.
pub(crate) async fn answer(
    shared: &Shared,
    peer: &Peer,
    frame: Bytes,
) -> Result<Option<Bytes>, Disconnect> {
    let start: [u8; 8] = frame
        .get(..8)
        .and_then(|start| start.try_into().ok())
        .ok_or_else(|| {
            Disconnect::Malformed(format!("{} bytes are no request header", frame.len()))
        })?;
    let [key, version] = [
        i16::from_be_bytes([start[0], start[1]]),
        i16::from_be_bytes([start[2], start[3]]),
    ];
    let unsupported = Disconnect::Unsupported { api: key, version };
    match Api::try_from(key).map_err(|()| unsupported)? {
        Api::ApiVersions if version == INTENT_VERSION => {
            api_versions::answer_to_intent(shared, peer, frame).await
        }
        Api::ApiVersions if !contains(ApiVersionsRequest::VERSIONS, version) => {
            // KIP-511: any client can read version 0, and learns from it what to ask.
            let correlation_id = i32::from_be_bytes([start[4], start[5], start[6], start[7]]);
            shared.cluster().count_request(ApiKey::API_VERSIONS);
            encode::<ApiVersionsRequest>(&api_versions::unsupported_version(), 0, correlation_id)
                .map(Some)
        }
        Api::ApiVersions => run::<ApiVersionsRequest>(shared, peer, version, frame).await,
        Api::Produce => run::<ProduceRequest>(shared, peer, version, frame).await,
        Api::Fetch => run::<FetchRequest>(shared, peer, version, frame).await,
        Api::ListOffsets => run::<ListOffsetsRequest>(shared, peer, version, frame).await,
        Api::Metadata => run::<MetadataRequest>(shared, peer, version, frame).await,
        Api::OffsetCommit => run::<OffsetCommitRequest>(shared, peer, version, frame).await,
        Api::OffsetFetch => run::<OffsetFetchRequest>(shared, peer, version, frame).await,
        Api::FindCoordinator => run::<FindCoordinatorRequest>(shared, peer, version, frame).await,
        Api::JoinGroup => run::<JoinGroupRequest>(shared, peer, version, frame).await,
        Api::Heartbeat => run::<HeartbeatRequest>(shared, peer, version, frame).await,
        Api::LeaveGroup => run::<LeaveGroupRequest>(shared, peer, version, frame).await,
        Api::SyncGroup => run::<SyncGroupRequest>(shared, peer, version, frame).await,
        Api::DescribeGroups => run::<DescribeGroupsRequest>(shared, peer, version, frame).await,
        Api::ListGroups => run::<ListGroupsRequest>(shared, peer, version, frame).await,
        Api::CreateTopics => run::<CreateTopicsRequest>(shared, peer, version, frame).await,
        Api::DeleteTopics => run::<DeleteTopicsRequest>(shared, peer, version, frame).await,
        Api::InitProducerId => run::<InitProducerIdRequest>(shared, peer, version, frame).await,
        Api::AddPartitionsToTxn => {
            run::<AddPartitionsToTxnRequest>(shared, peer, version, frame).await
        }
        Api::AddOffsetsToTxn => run::<AddOffsetsToTxnRequest>(shared, peer, version, frame).await,
        Api::EndTxn => run::<EndTxnRequest>(shared, peer, version, frame).await,
        Api::TxnOffsetCommit => run::<TxnOffsetCommitRequest>(shared, peer, version, frame).await,
        Api::OffsetForLeaderEpoch => {
            run::<OffsetForLeaderEpochRequest>(shared, peer, version, frame).await
        }
        Api::CreatePartitions => run::<CreatePartitionsRequest>(shared, peer, version, frame).await,
        Api::DeleteGroups => run::<DeleteGroupsRequest>(shared, peer, version, frame).await,
        Api::DescribeCluster => run::<DescribeClusterRequest>(shared, peer, version, frame).await,
        Api::DescribeProducers => {
            run::<DescribeProducersRequest>(shared, peer, version, frame).await
        }
        Api::DescribeTransactions => {
            run::<DescribeTransactionsRequest>(shared, peer, version, frame).await
        }
        Api::ListTransactions => run::<ListTransactionsRequest>(shared, peer, version, frame).await,
        Api::ConsumerGroupHeartbeat => {
            run::<ConsumerGroupHeartbeatRequest>(shared, peer, version, frame).await
        }
        Api::ConsumerGroupDescribe => {
            run::<ConsumerGroupDescribeRequest>(shared, peer, version, frame).await
        }
        _ => Err(Disconnect::Unsupported { api: key, version }),
    }
}

/// What `ApiVersions` tells: each API's key and versions, as `answer` serves them.
fn served() -> Vec<(i16, VersionRange)> {
    fn of<R: Request>() -> (i16, VersionRange) {
        (R::KEY, R::VERSIONS)
    }
    vec![
        // Kafka says 0 although it refuses versions below 3: old librdkafka would not start
        // otherwise (KAFKA-18659).
        (
            ProduceRequest::KEY,
            VersionRange {
                min: 0,
                ..ProduceRequest::VERSIONS
            },
        ),
        of::<FetchRequest>(),
        of::<ListOffsetsRequest>(),
        of::<MetadataRequest>(),
        of::<OffsetCommitRequest>(),
        of::<OffsetFetchRequest>(),
        of::<FindCoordinatorRequest>(),
        of::<JoinGroupRequest>(),
        of::<HeartbeatRequest>(),
        of::<LeaveGroupRequest>(),
        of::<SyncGroupRequest>(),
        of::<DescribeGroupsRequest>(),
        of::<ListGroupsRequest>(),
        (ApiVersionsRequest::KEY, api_versions::VERSIONS),
        of::<CreateTopicsRequest>(),
        of::<DeleteTopicsRequest>(),
        of::<InitProducerIdRequest>(),
        of::<AddPartitionsToTxnRequest>(),
        of::<AddOffsetsToTxnRequest>(),
        of::<EndTxnRequest>(),
        of::<TxnOffsetCommitRequest>(),
        of::<OffsetForLeaderEpochRequest>(),
        of::<CreatePartitionsRequest>(),
        of::<DeleteGroupsRequest>(),
        of::<DescribeClusterRequest>(),
        of::<DescribeProducersRequest>(),
        of::<DescribeTransactionsRequest>(),
        of::<ListTransactionsRequest>(),
        of::<ConsumerGroupHeartbeatRequest>(),
        of::<ConsumerGroupDescribeRequest>(),
    ]
}

async fn run<R: Serve>(
    shared: &Shared,
    peer: &Peer,
    version: i16,
    mut frame: Bytes,
) -> Result<Option<Bytes>, Disconnect> {
    if !contains(R::VERSIONS, version) {
        return Err(Disconnect::Unsupported {
            api: R::KEY,
            version,
        });
    }
    let malformed = |reason: &dyn std::fmt::Display| Disconnect::Malformed(reason.to_string());
    let header = RequestHeader::decode(&mut frame, R::header_version(version))
        .map_err(|error| malformed(&error))?;
    let request = R::decode(&mut frame, version).map_err(|error| malformed(&error))?;
    if frame.has_remaining() {
        return Err(malformed(&format_args!(
            "{} bytes after the request",
            frame.remaining()
        )));
    }
    tracing::trace!(api = R::KEY, version, client = peer.host, "request");
    let fault = {
        let mut guard = shared.cluster();
        let cluster = &mut *guard;
        cluster.count_request(ApiKey(R::KEY));
        let mut faults = std::mem::take(&mut cluster.faults);
        let taken = faults.take(ApiKey(R::KEY), |target| request.touches(cluster, target));
        cluster.faults = faults;
        taken
    };
    let client_id = header
        .client_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    let call = Call {
        shared,
        peer,
        version,
        client_id,
        fault: None,
    };
    let reply = match fault {
        None => request.serve(&call).await,
        Some((fault, target)) => serve_with_fault(request, call, fault, target).await?,
    };
    match reply {
        Reply::Answer(response) => encode::<R>(&response, version, header.correlation_id).map(Some),
        Reply::Nothing => Ok(None),
        Reply::Close => Err(Disconnect::FailedUnanswered),
    }
}

async fn serve_with_fault<R: Serve>(
    request: R,
    mut call: Call<'_>,
    fault: Fault,
    target: Option<Target>,
) -> Result<Reply<R::Response>, Disconnect> {
    let (code, apply) = match fault {
        Fault::DropBefore => return Err(Disconnect::Injected),
        Fault::DropAfter => {
            request.serve(&call).await;
            return Err(Disconnect::Injected);
        }
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            return Ok(request.serve(&call).await);
        }
        Fault::Error(code) => (code.0, false),
        Fault::ErrorAfter(code) => (code.0, true),
    };
    if let Some(target) = target {
        call.fault = Some(PartitionFault {
            target,
            code,
            apply,
        });
        return Ok(request.serve(&call).await);
    }
    let awaits_answer = request.awaits_answer();
    let refusal = request.refuse(&call, code);
    if apply {
        request.serve(&call).await;
    }
    Ok(if awaits_answer {
        Reply::Answer(refusal)
    } else {
        Reply::Close
    })
}

/// A response frame, length included.
fn encode<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Bytes, Disconnect> {
    let unwritable = |reason: &dyn std::fmt::Display| {
        tracing::error!(api = R::KEY, version, %reason, "response cannot be written");
        Disconnect::Unwritable {
            api: R::KEY,
            version,
            reason: reason.to_string(),
        }
    };
    let mut frame = BytesMut::from(&[0; 4][..]);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header
        .encode(&mut frame, R::Response::header_version(version))
        .and_then(|()| response.encode(&mut frame, version))
        .map_err(|error| unwritable(&error))?;
    let length = i32::try_from(frame.len() - 4).map_err(|error| unwritable(&error))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

fn contains(range: VersionRange, version: i16) -> bool {
    (range.min..=range.max).contains(&version)
}

fn code(result: Result<(), ResponseError>) -> i16 {
    result.err().map_or(0, |error| error.code())
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn topic_name(name: impl Into<String>) -> TopicName {
    TopicName(text(name))
}

fn millis(value: i32) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(value).unwrap_or_default())
}
