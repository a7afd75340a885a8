//! Every API with what the tests do to its responses.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::api::{ApiKey, Request, VersionRange};
#[allow(clippy::wildcard_imports, reason = "the list below names them all")]
use crate::messages::*;

/// One API.
pub(super) struct Case {
    pub(super) api: ApiKey,
    /// The body of the message crate's default response.
    pub(super) default_body: fn(i16) -> Vec<u8>,
    /// A response with this body through `decode_response`.
    pub(super) decode: fn(&[u8], i16) -> Result<(), MessageError>,
    /// What the message crate writes after it has read the body, which must be all it reads.
    pub(super) recoded: fn(&[u8], i16) -> Vec<u8>,
}

impl Case {
    pub(super) fn versions(&self) -> VersionRange {
        self.api.versions().expect("it is in the table")
    }
}

pub(super) fn case_of(api: ApiKey) -> &'static Case {
    let case = CASES.iter().find(|case| case.api == api);
    case.unwrap_or_else(|| panic!("{api} is not among the cases"))
}

fn default_body<R: Request>(version: i16) -> Vec<u8>
where
    R::Response: Default + Encodable,
{
    let mut body = Vec::new();
    R::Response::default().encode(&mut body, version).unwrap();
    body
}

fn decode<R: Request>(body: &[u8], version: i16) -> Result<(), MessageError> {
    let mut frame = vec![0, 0, 0, 1];
    if R::Response::header_version(version) >= 1 {
        frame.push(0);
    }
    frame.extend_from_slice(body);
    decode_response::<R>(Bytes::from(frame), version).map(drop)
}

fn recoded<R: Request>(body: &[u8], version: i16) -> Vec<u8>
where
    R::Response: Encodable,
{
    let mut body = Bytes::copy_from_slice(body);
    let response = R::Response::decode(&mut body, version).unwrap();
    assert!(body.is_empty(), "{} bytes are left", body.len());
    let mut recoded = BytesMut::new();
    response.encode(&mut recoded, version).unwrap();
    recoded.to_vec()
}

macro_rules! cases {
    ($($request:ident,)*) => {
        pub(super) static CASES: &[Case] = &[$(Case {
            api: $request::API,
            default_body: default_body::<$request>,
            decode: decode::<$request>,
            recoded: recoded::<$request>,
        }),*];
    };
}

cases! {
    ProduceRequest,
    FetchRequest,
    ListOffsetsRequest,
    MetadataRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    FindCoordinatorRequest,
    JoinGroupRequest,
    HeartbeatRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
    DescribeGroupsRequest,
    ListGroupsRequest,
    SaslHandshakeRequest,
    ApiVersionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DeleteRecordsRequest,
    InitProducerIdRequest,
    OffsetForLeaderEpochRequest,
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    EndTxnRequest,
    WriteTxnMarkersRequest,
    TxnOffsetCommitRequest,
    DescribeAclsRequest,
    CreateAclsRequest,
    DeleteAclsRequest,
    DescribeConfigsRequest,
    AlterConfigsRequest,
    AlterReplicaLogDirsRequest,
    DescribeLogDirsRequest,
    SaslAuthenticateRequest,
    CreatePartitionsRequest,
    CreateDelegationTokenRequest,
    RenewDelegationTokenRequest,
    ExpireDelegationTokenRequest,
    DescribeDelegationTokenRequest,
    DeleteGroupsRequest,
    ElectLeadersRequest,
    IncrementalAlterConfigsRequest,
    AlterPartitionReassignmentsRequest,
    ListPartitionReassignmentsRequest,
    OffsetDeleteRequest,
    DescribeClientQuotasRequest,
    AlterClientQuotasRequest,
    DescribeUserScramCredentialsRequest,
    AlterUserScramCredentialsRequest,
    DescribeQuorumRequest,
    UpdateFeaturesRequest,
    DescribeClusterRequest,
    DescribeProducersRequest,
    UnregisterBrokerRequest,
    DescribeTransactionsRequest,
    ListTransactionsRequest,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupDescribeRequest,
    GetTelemetrySubscriptionsRequest,
    PushTelemetryRequest,
    ListConfigResourcesRequest,
    DescribeTopicPartitionsRequest,
    ShareGroupHeartbeatRequest,
    ShareGroupDescribeRequest,
    ShareFetchRequest,
    ShareAcknowledgeRequest,
    AddRaftVoterRequest,
    RemoveRaftVoterRequest,
    DescribeShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequest,
    UnregisterControllerRequest,
}
