//! How long a broker asks its client to be quiet (KIP-219).
//!
//! Since Kafka 2.0 a broker that throttles a client answers at once and expects it to send nothing
//! on that connection for the time that the answer names.

use std::time::Duration;

use bytes::Bytes;

use crate::api::ApiKey;
use crate::frame;
use crate::primitive::Reader;

/// The version since which clients, not brokers, do the waiting, in APIs whose answer begins with the
/// throttle time; `None` for those that have none, or have it elsewhere.
const fn throttles_client_since(api: ApiKey) -> Option<i16> {
    Some(match api {
        // In a produce response it comes last, in some after the error code; the others have none.
        ApiKey::PRODUCE
        | ApiKey::API_VERSIONS
        | ApiKey::SASL_HANDSHAKE
        | ApiKey::SASL_AUTHENTICATE
        | ApiKey::WRITE_TXN_MARKERS
        | ApiKey::DESCRIBE_QUORUM
        | ApiKey::CREATE_DELEGATION_TOKEN
        | ApiKey::RENEW_DELEGATION_TOKEN
        | ApiKey::EXPIRE_DELEGATION_TOKEN
        | ApiKey::DESCRIBE_DELEGATION_TOKEN
        | ApiKey::OFFSET_DELETE => return None,
        ApiKey::FETCH => 8,
        ApiKey::METADATA => 6,
        ApiKey::OFFSET_COMMIT | ApiKey::OFFSET_FETCH => 4,
        ApiKey::LIST_OFFSETS | ApiKey::JOIN_GROUP | ApiKey::CREATE_TOPICS => 3,
        ApiKey::FIND_COORDINATOR
        | ApiKey::HEARTBEAT
        | ApiKey::LEAVE_GROUP
        | ApiKey::SYNC_GROUP
        | ApiKey::DESCRIBE_GROUPS
        | ApiKey::LIST_GROUPS
        | ApiKey::DELETE_TOPICS
        | ApiKey::OFFSET_FOR_LEADER_EPOCH
        | ApiKey::DESCRIBE_CONFIGS => 2,
        ApiKey::DELETE_RECORDS
        | ApiKey::INIT_PRODUCER_ID
        | ApiKey::ADD_PARTITIONS_TO_TXN
        | ApiKey::ADD_OFFSETS_TO_TXN
        | ApiKey::END_TXN
        | ApiKey::TXN_OFFSET_COMMIT
        | ApiKey::DESCRIBE_ACLS
        | ApiKey::CREATE_ACLS
        | ApiKey::DELETE_ACLS
        | ApiKey::ALTER_CONFIGS
        | ApiKey::ALTER_REPLICA_LOG_DIRS
        | ApiKey::DESCRIBE_LOG_DIRS
        | ApiKey::CREATE_PARTITIONS
        | ApiKey::DELETE_GROUPS => 1,
        _ => 0,
    })
}

/// The throttle time in the response `frame` (without its size) of `api` in `version`; zero if there
/// is none, or none that the client has to keep.
#[must_use]
pub fn throttle_time(api: ApiKey, version: i16, frame: &Bytes) -> Duration {
    if throttles_client_since(api).is_none_or(|since| version < since) {
        return Duration::ZERO;
    }
    let Some(flexible) = api.has_flexible_response(version) else {
        return Duration::ZERO;
    };
    // A frame that cannot be read is for its reader to refuse.
    let body = frame::response_body(frame.clone(), flexible).unwrap_or_default();
    let time = Reader::new(&body).int32("throttle time").unwrap_or(0);
    Duration::from_millis(u64::try_from(time).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Encodable, HeaderVersion};

    use super::*;
    use crate::api::ApiKey;
    #[allow(clippy::wildcard_imports, reason = "the list below names them")]
    use crate::messages::*;

    fn frame<R: Encodable + HeaderVersion>(response: &R, version: i16) -> Bytes {
        let mut frame = BytesMut::from(&[0, 0, 0, 7][..]);
        if R::header_version(version) >= 1 {
            frame.extend_from_slice(&[0]);
        }
        response.encode(&mut frame, version).unwrap();
        frame.freeze()
    }

    macro_rules! begin_with_it {
        ($($api:ident: $response:ident;)*) => {{
            let tested = [$({
                let api = ApiKey::$api;
                let since = throttles_client_since(api).unwrap();
                let ours = api.versions().unwrap();
                for version in since.max(ours.min)..=ours.max {
                    let response = $response::default().with_throttle_time_ms(1234);
                    let time = throttle_time(api, version, &frame(&response, version));
                    assert_eq!(time, Duration::from_millis(1234), "{api} {version}");
                }
                api
            }),*];
            tested
        }};
    }

    #[test]
    fn it_is_found_where_the_message_crate_writes_it() {
        let tested = begin_with_it! {
            FETCH: FetchResponse;
            LIST_OFFSETS: ListOffsetsResponse;
            METADATA: MetadataResponse;
            OFFSET_COMMIT: OffsetCommitResponse;
            OFFSET_FETCH: OffsetFetchResponse;
            FIND_COORDINATOR: FindCoordinatorResponse;
            JOIN_GROUP: JoinGroupResponse;
            HEARTBEAT: HeartbeatResponse;
            LEAVE_GROUP: LeaveGroupResponse;
            SYNC_GROUP: SyncGroupResponse;
            DESCRIBE_GROUPS: DescribeGroupsResponse;
            LIST_GROUPS: ListGroupsResponse;
            CREATE_TOPICS: CreateTopicsResponse;
            DELETE_TOPICS: DeleteTopicsResponse;
            DELETE_RECORDS: DeleteRecordsResponse;
            INIT_PRODUCER_ID: InitProducerIdResponse;
            OFFSET_FOR_LEADER_EPOCH: OffsetForLeaderEpochResponse;
            ADD_PARTITIONS_TO_TXN: AddPartitionsToTxnResponse;
            ADD_OFFSETS_TO_TXN: AddOffsetsToTxnResponse;
            END_TXN: EndTxnResponse;
            TXN_OFFSET_COMMIT: TxnOffsetCommitResponse;
            DESCRIBE_ACLS: DescribeAclsResponse;
            CREATE_ACLS: CreateAclsResponse;
            DELETE_ACLS: DeleteAclsResponse;
            DESCRIBE_CONFIGS: DescribeConfigsResponse;
            ALTER_CONFIGS: AlterConfigsResponse;
            ALTER_REPLICA_LOG_DIRS: AlterReplicaLogDirsResponse;
            DESCRIBE_LOG_DIRS: DescribeLogDirsResponse;
            CREATE_PARTITIONS: CreatePartitionsResponse;
            DELETE_GROUPS: DeleteGroupsResponse;
            ELECT_LEADERS: ElectLeadersResponse;
            INCREMENTAL_ALTER_CONFIGS: IncrementalAlterConfigsResponse;
            ALTER_PARTITION_REASSIGNMENTS: AlterPartitionReassignmentsResponse;
            LIST_PARTITION_REASSIGNMENTS: ListPartitionReassignmentsResponse;
            DESCRIBE_CLIENT_QUOTAS: DescribeClientQuotasResponse;
            ALTER_CLIENT_QUOTAS: AlterClientQuotasResponse;
            DESCRIBE_USER_SCRAM_CREDENTIALS: DescribeUserScramCredentialsResponse;
            ALTER_USER_SCRAM_CREDENTIALS: AlterUserScramCredentialsResponse;
            UPDATE_FEATURES: UpdateFeaturesResponse;
            DESCRIBE_CLUSTER: DescribeClusterResponse;
            DESCRIBE_PRODUCERS: DescribeProducersResponse;
            UNREGISTER_BROKER: UnregisterBrokerResponse;
            DESCRIBE_TRANSACTIONS: DescribeTransactionsResponse;
            LIST_TRANSACTIONS: ListTransactionsResponse;
            CONSUMER_GROUP_HEARTBEAT: ConsumerGroupHeartbeatResponse;
            CONSUMER_GROUP_DESCRIBE: ConsumerGroupDescribeResponse;
            GET_TELEMETRY_SUBSCRIPTIONS: GetTelemetrySubscriptionsResponse;
            PUSH_TELEMETRY: PushTelemetryResponse;
            LIST_CONFIG_RESOURCES: ListConfigResourcesResponse;
            DESCRIBE_TOPIC_PARTITIONS: DescribeTopicPartitionsResponse;
            SHARE_GROUP_HEARTBEAT: ShareGroupHeartbeatResponse;
            SHARE_GROUP_DESCRIBE: ShareGroupDescribeResponse;
            SHARE_FETCH: ShareFetchResponse;
            SHARE_ACKNOWLEDGE: ShareAcknowledgeResponse;
            ADD_RAFT_VOTER: AddRaftVoterResponse;
            REMOVE_RAFT_VOTER: RemoveRaftVoterResponse;
            DESCRIBE_SHARE_GROUP_OFFSETS: DescribeShareGroupOffsetsResponse;
            ALTER_SHARE_GROUP_OFFSETS: AlterShareGroupOffsetsResponse;
            DELETE_SHARE_GROUP_OFFSETS: DeleteShareGroupOffsetsResponse;
            UNREGISTER_CONTROLLER: UnregisterControllerResponse;
        };
        for api in ApiKey::ALL {
            let has_it_in_front = throttles_client_since(*api).is_some();
            assert_eq!(has_it_in_front, tested.contains(api), "{api}");
        }
    }

    #[test]
    fn where_it_is_not_nothing_is_taken_for_it() {
        let bytes = Bytes::from_static(&[0, 0, 0, 7, 0, 0, 9, 9]);
        for (api, version) in [
            (ApiKey::PRODUCE, 8),
            (ApiKey::HEARTBEAT, 1),
            (ApiKey::SASL_AUTHENTICATE, 1),
            (ApiKey(4321), 0),
            (ApiKey::HEARTBEAT, -1),
        ] {
            assert_eq!(throttle_time(api, version, &bytes), Duration::ZERO);
        }
        // A negative time, and a frame that ends before it.
        for frame in [
            &[0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff][..],
            &[0, 0, 0, 7],
            &[0],
        ] {
            let frame = Bytes::copy_from_slice(frame);
            assert_eq!(throttle_time(ApiKey::HEARTBEAT, 2, &frame), Duration::ZERO);
        }
    }
}
