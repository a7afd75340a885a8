//! The APIs of the protocol that a client uses, and the versions of each that klamm speaks.
//!
//! The versions are those for which klamm has the request and the response. The message crate's own
//! `ApiKey::valid_versions` is not used: it promises versions whose requests it cannot encode
//! (`OffsetCommit` 10, `OffsetFetch` 10, `InitProducerId` 6), which brokers from 4.2 on advertise.

use std::fmt;

use bytes::Bytes;
#[allow(clippy::wildcard_imports, reason = "the table below names them all")]
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

use crate::messages::{
    MessageError, UnregisterControllerRequest, UnregisterControllerResponse, decode_response,
};

/// The number that names an API on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKey(pub i16);

/// An inclusive range of versions of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// Lowest version.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

impl VersionRange {
    /// The highest version in both ranges.
    #[must_use]
    pub const fn highest_common(self, other: Self) -> Option<i16> {
        let min = if self.min > other.min {
            self.min
        } else {
            other.min
        };
        let max = if self.max < other.max {
            self.max
        } else {
            other.max
        };
        if min <= max { Some(max) } else { None }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// A request of the control plane, with the response that answers it.
pub trait Request: Encodable + Message + HeaderVersion + Send {
    /// The API it belongs to.
    const API: ApiKey;
    /// What the broker answers.
    type Response: Decodable + Message + HeaderVersion + Send;
}

const fn common(
    request: kafka_protocol::protocol::VersionRange,
    response: kafka_protocol::protocol::VersionRange,
) -> VersionRange {
    VersionRange {
        min: if request.min > response.min {
            request.min
        } else {
            response.min
        },
        max: if request.max < response.max {
            request.max
        } else {
            response.max
        },
    }
}

macro_rules! apis {
    ($($name:ident = $key:literal: $request:ident, $response:ident;)*) => {
        impl ApiKey {
            $(
                #[doc = concat!("Key ", stringify!($key), ".")]
                pub const $name: ApiKey = ApiKey($key);
            )*

            /// Every API of the table.
            pub const ALL: &[ApiKey] = &[$(ApiKey($key)),*];

            /// The name of the request, as Kafka's schemas spell it.
            #[must_use]
            pub const fn request_name(self) -> Option<&'static str> {
                match self.0 {
                    $($key => Some(stringify!($request)),)*
                    _ => None,
                }
            }

            /// Whether a response of `version` has a header with tagged fields; `None` for an API that
            /// is not in the table.
            #[must_use]
            pub fn has_flexible_response(self, version: i16) -> Option<bool> {
                match self.0 {
                    $($key => Some(<$response as HeaderVersion>::header_version(version) >= 1),)*
                    _ => None,
                }
            }

            /// The versions that klamm speaks.
            #[must_use]
            pub const fn versions(self) -> Option<VersionRange> {
                match self.0 {
                    $($key => Some(common(
                        <$request as Message>::VERSIONS,
                        <$response as Message>::VERSIONS,
                    )),)*
                    _ => None,
                }
            }

            /// Reads a response of this API, whichever it is, and drops it; `None` if klamm does not know the API. For those
            /// who test what reading does to hostile bytes.
            ///
            /// # Errors
            /// As [`decode_response`].
            pub fn try_decode_response(
                self,
                frame: Bytes,
                version: i16,
            ) -> Option<Result<(), MessageError>> {
                match self.0 {
                    $($key => Some(decode_response::<$request>(frame, version).map(drop)),)*
                    _ => None,
                }
            }
        }

        $(
            impl Request for $request {
                const API: ApiKey = ApiKey($key);
                type Response = $response;
            }
        )*
    };
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.request_name() {
            Some(name) => f.write_str(name.trim_end_matches("Request")),
            None => write!(f, "API {}", self.0),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

apis! {
    PRODUCE = 0: ProduceRequest, ProduceResponse;
    FETCH = 1: FetchRequest, FetchResponse;
    LIST_OFFSETS = 2: ListOffsetsRequest, ListOffsetsResponse;
    METADATA = 3: MetadataRequest, MetadataResponse;
    OFFSET_COMMIT = 8: OffsetCommitRequest, OffsetCommitResponse;
    OFFSET_FETCH = 9: OffsetFetchRequest, OffsetFetchResponse;
    FIND_COORDINATOR = 10: FindCoordinatorRequest, FindCoordinatorResponse;
    JOIN_GROUP = 11: JoinGroupRequest, JoinGroupResponse;
    HEARTBEAT = 12: HeartbeatRequest, HeartbeatResponse;
    LEAVE_GROUP = 13: LeaveGroupRequest, LeaveGroupResponse;
    SYNC_GROUP = 14: SyncGroupRequest, SyncGroupResponse;
    DESCRIBE_GROUPS = 15: DescribeGroupsRequest, DescribeGroupsResponse;
    LIST_GROUPS = 16: ListGroupsRequest, ListGroupsResponse;
    SASL_HANDSHAKE = 17: SaslHandshakeRequest, SaslHandshakeResponse;
    API_VERSIONS = 18: ApiVersionsRequest, ApiVersionsResponse;
    CREATE_TOPICS = 19: CreateTopicsRequest, CreateTopicsResponse;
    DELETE_TOPICS = 20: DeleteTopicsRequest, DeleteTopicsResponse;
    DELETE_RECORDS = 21: DeleteRecordsRequest, DeleteRecordsResponse;
    INIT_PRODUCER_ID = 22: InitProducerIdRequest, InitProducerIdResponse;
    OFFSET_FOR_LEADER_EPOCH = 23: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    ADD_PARTITIONS_TO_TXN = 24: AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
    ADD_OFFSETS_TO_TXN = 25: AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
    END_TXN = 26: EndTxnRequest, EndTxnResponse;
    WRITE_TXN_MARKERS = 27: WriteTxnMarkersRequest, WriteTxnMarkersResponse;
    TXN_OFFSET_COMMIT = 28: TxnOffsetCommitRequest, TxnOffsetCommitResponse;
    DESCRIBE_ACLS = 29: DescribeAclsRequest, DescribeAclsResponse;
    CREATE_ACLS = 30: CreateAclsRequest, CreateAclsResponse;
    DELETE_ACLS = 31: DeleteAclsRequest, DeleteAclsResponse;
    DESCRIBE_CONFIGS = 32: DescribeConfigsRequest, DescribeConfigsResponse;
    ALTER_CONFIGS = 33: AlterConfigsRequest, AlterConfigsResponse;
    ALTER_REPLICA_LOG_DIRS = 34: AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse;
    DESCRIBE_LOG_DIRS = 35: DescribeLogDirsRequest, DescribeLogDirsResponse;
    SASL_AUTHENTICATE = 36: SaslAuthenticateRequest, SaslAuthenticateResponse;
    CREATE_PARTITIONS = 37: CreatePartitionsRequest, CreatePartitionsResponse;
    CREATE_DELEGATION_TOKEN = 38: CreateDelegationTokenRequest, CreateDelegationTokenResponse;
    RENEW_DELEGATION_TOKEN = 39: RenewDelegationTokenRequest, RenewDelegationTokenResponse;
    EXPIRE_DELEGATION_TOKEN = 40: ExpireDelegationTokenRequest, ExpireDelegationTokenResponse;
    DESCRIBE_DELEGATION_TOKEN = 41: DescribeDelegationTokenRequest, DescribeDelegationTokenResponse;
    DELETE_GROUPS = 42: DeleteGroupsRequest, DeleteGroupsResponse;
    ELECT_LEADERS = 43: ElectLeadersRequest, ElectLeadersResponse;
    INCREMENTAL_ALTER_CONFIGS = 44: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    ALTER_PARTITION_REASSIGNMENTS = 45: AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
    LIST_PARTITION_REASSIGNMENTS = 46: ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
    OFFSET_DELETE = 47: OffsetDeleteRequest, OffsetDeleteResponse;
    DESCRIBE_CLIENT_QUOTAS = 48: DescribeClientQuotasRequest, DescribeClientQuotasResponse;
    ALTER_CLIENT_QUOTAS = 49: AlterClientQuotasRequest, AlterClientQuotasResponse;
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50: DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
    ALTER_USER_SCRAM_CREDENTIALS = 51: AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
    DESCRIBE_QUORUM = 55: DescribeQuorumRequest, DescribeQuorumResponse;
    UPDATE_FEATURES = 57: UpdateFeaturesRequest, UpdateFeaturesResponse;
    DESCRIBE_CLUSTER = 60: DescribeClusterRequest, DescribeClusterResponse;
    DESCRIBE_PRODUCERS = 61: DescribeProducersRequest, DescribeProducersResponse;
    UNREGISTER_BROKER = 64: UnregisterBrokerRequest, UnregisterBrokerResponse;
    DESCRIBE_TRANSACTIONS = 65: DescribeTransactionsRequest, DescribeTransactionsResponse;
    LIST_TRANSACTIONS = 66: ListTransactionsRequest, ListTransactionsResponse;
    CONSUMER_GROUP_HEARTBEAT = 68: ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
    CONSUMER_GROUP_DESCRIBE = 69: ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
    GET_TELEMETRY_SUBSCRIPTIONS = 71: GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse;
    PUSH_TELEMETRY = 72: PushTelemetryRequest, PushTelemetryResponse;
    LIST_CONFIG_RESOURCES = 74: ListConfigResourcesRequest, ListConfigResourcesResponse;
    DESCRIBE_TOPIC_PARTITIONS = 75: DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
    SHARE_GROUP_HEARTBEAT = 76: ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse;
    SHARE_GROUP_DESCRIBE = 77: ShareGroupDescribeRequest, ShareGroupDescribeResponse;
    SHARE_FETCH = 78: ShareFetchRequest, ShareFetchResponse;
    SHARE_ACKNOWLEDGE = 79: ShareAcknowledgeRequest, ShareAcknowledgeResponse;
    ADD_RAFT_VOTER = 80: AddRaftVoterRequest, AddRaftVoterResponse;
    REMOVE_RAFT_VOTER = 81: RemoveRaftVoterRequest, RemoveRaftVoterResponse;
    DESCRIBE_SHARE_GROUP_OFFSETS = 90: DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse;
    ALTER_SHARE_GROUP_OFFSETS = 91: AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse;
    DELETE_SHARE_GROUP_OFFSETS = 92: DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse;
    UNREGISTER_CONTROLLER = 94: UnregisterControllerRequest, UnregisterControllerResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_the_lower_maximum() {
        let ours = VersionRange { min: 4, max: 17 };
        let broker = |min, max| VersionRange { min, max };
        assert_eq!(ours.highest_common(broker(0, 12)), Some(12));
        assert_eq!(ours.highest_common(broker(0, 40)), Some(17));
        assert_eq!(ours.highest_common(broker(18, 40)), None);
        assert_eq!(ours.highest_common(broker(0, 3)), None);
    }

    #[test]
    fn no_version_is_promised_that_cannot_be_encoded() {
        assert_eq!(ApiKey::OFFSET_COMMIT.versions().map(|v| v.max), Some(9));
        assert_eq!(ApiKey::OFFSET_FETCH.versions().map(|v| v.max), Some(9));
        assert_eq!(ApiKey::INIT_PRODUCER_ID.versions().map(|v| v.max), Some(5));
    }

    #[test]
    fn the_message_crate_promises_what_klamm_speaks_and_what_it_cannot_encode() {
        let mut over_reported = Vec::new();
        let own = ApiKey::UNREGISTER_CONTROLLER;
        for &api in ApiKey::ALL.iter().filter(|api| **api != own) {
            let ours = api.versions().unwrap();
            let theirs = kafka_protocol::messages::ApiKey::try_from(api.0).unwrap();
            let theirs = theirs.valid_versions();
            assert_eq!(ours.min, theirs.min, "{api}");
            assert!(ours.max <= theirs.max, "{api}");
            if ours.max < theirs.max {
                over_reported.push(api);
            }
        }
        let known = [
            ApiKey::OFFSET_COMMIT,
            ApiKey::OFFSET_FETCH,
            ApiKey::INIT_PRODUCER_ID,
        ];
        assert_eq!(over_reported, known);
    }

    #[test]
    fn an_api_prints_as_kafka_names_it() {
        assert_eq!(ApiKey::JOIN_GROUP.to_string(), "JoinGroup");
        assert_eq!(ApiKey(4321).to_string(), "API 4321");
    }
}
