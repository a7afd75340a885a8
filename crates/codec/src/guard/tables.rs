//! What the walk must know of each response. Made, not written: see below.
//!
//! Source: the message schemas in the jar of Kafka 4.4.0's clients, through
//! `cargo run -p klamm-tests --bin guard_tables`. A test beside that program fails when this file is not current.
//! The number in a name is the first version in which the struct looks so.

use super::walk::Field::{Bytes, Fixed, FixedArray, NullableStruct, String, StringArray, StructArray, Tags};
use super::walk::{Response, Shape};

/// By API and version.
pub(super) static RESPONSES: &[Response] = &[
    Response { api: 0, min: 3, max: 4, flexible: false, body: &PRODUCE_RESPONSE_3 },
    Response { api: 0, min: 5, max: 7, flexible: false, body: &PRODUCE_RESPONSE_5 },
    Response { api: 0, min: 8, max: 8, flexible: false, body: &PRODUCE_RESPONSE_8 },
    Response { api: 0, min: 9, max: 9, flexible: true, body: &PRODUCE_RESPONSE_9 },
    Response { api: 0, min: 10, max: 12, flexible: true, body: &PRODUCE_RESPONSE_10 },
    Response { api: 0, min: 13, max: 13, flexible: true, body: &PRODUCE_RESPONSE_13 },
    Response { api: 1, min: 4, max: 4, flexible: false, body: &FETCH_RESPONSE_4 },
    Response { api: 1, min: 5, max: 6, flexible: false, body: &FETCH_RESPONSE_5 },
    Response { api: 1, min: 7, max: 10, flexible: false, body: &FETCH_RESPONSE_7 },
    Response { api: 1, min: 11, max: 11, flexible: false, body: &FETCH_RESPONSE_11 },
    Response { api: 1, min: 12, max: 12, flexible: true, body: &FETCH_RESPONSE_12 },
    Response { api: 1, min: 13, max: 15, flexible: true, body: &FETCH_RESPONSE_13 },
    Response { api: 1, min: 16, max: 18, flexible: true, body: &FETCH_RESPONSE_16 },
    Response { api: 2, min: 1, max: 1, flexible: false, body: &LIST_OFFSETS_RESPONSE_1 },
    Response { api: 2, min: 2, max: 3, flexible: false, body: &LIST_OFFSETS_RESPONSE_2 },
    Response { api: 2, min: 4, max: 5, flexible: false, body: &LIST_OFFSETS_RESPONSE_4 },
    Response { api: 2, min: 6, max: 10, flexible: true, body: &LIST_OFFSETS_RESPONSE_6 },
    Response { api: 3, min: 0, max: 0, flexible: false, body: &METADATA_RESPONSE_0 },
    Response { api: 3, min: 1, max: 1, flexible: false, body: &METADATA_RESPONSE_1 },
    Response { api: 3, min: 2, max: 2, flexible: false, body: &METADATA_RESPONSE_2 },
    Response { api: 3, min: 3, max: 4, flexible: false, body: &METADATA_RESPONSE_3 },
    Response { api: 3, min: 5, max: 6, flexible: false, body: &METADATA_RESPONSE_5 },
    Response { api: 3, min: 7, max: 7, flexible: false, body: &METADATA_RESPONSE_7 },
    Response { api: 3, min: 8, max: 8, flexible: false, body: &METADATA_RESPONSE_8 },
    Response { api: 3, min: 9, max: 9, flexible: true, body: &METADATA_RESPONSE_9 },
    Response { api: 3, min: 10, max: 10, flexible: true, body: &METADATA_RESPONSE_10 },
    Response { api: 3, min: 11, max: 12, flexible: true, body: &METADATA_RESPONSE_11 },
    Response { api: 3, min: 13, max: 13, flexible: true, body: &METADATA_RESPONSE_13 },
    Response { api: 8, min: 2, max: 2, flexible: false, body: &OFFSET_COMMIT_RESPONSE_2 },
    Response { api: 8, min: 3, max: 7, flexible: false, body: &OFFSET_COMMIT_RESPONSE_3 },
    Response { api: 8, min: 8, max: 9, flexible: true, body: &OFFSET_COMMIT_RESPONSE_8 },
    Response { api: 9, min: 1, max: 1, flexible: false, body: &OFFSET_FETCH_RESPONSE_1 },
    Response { api: 9, min: 2, max: 2, flexible: false, body: &OFFSET_FETCH_RESPONSE_2 },
    Response { api: 9, min: 3, max: 4, flexible: false, body: &OFFSET_FETCH_RESPONSE_3 },
    Response { api: 9, min: 5, max: 5, flexible: false, body: &OFFSET_FETCH_RESPONSE_5 },
    Response { api: 9, min: 6, max: 7, flexible: true, body: &OFFSET_FETCH_RESPONSE_6 },
    Response { api: 9, min: 8, max: 9, flexible: true, body: &OFFSET_FETCH_RESPONSE_8 },
    Response { api: 10, min: 0, max: 0, flexible: false, body: &FIND_COORDINATOR_RESPONSE_0 },
    Response { api: 10, min: 1, max: 2, flexible: false, body: &FIND_COORDINATOR_RESPONSE_1 },
    Response { api: 10, min: 3, max: 3, flexible: true, body: &FIND_COORDINATOR_RESPONSE_3 },
    Response { api: 10, min: 4, max: 6, flexible: true, body: &FIND_COORDINATOR_RESPONSE_4 },
    Response { api: 11, min: 0, max: 1, flexible: false, body: &JOIN_GROUP_RESPONSE_0 },
    Response { api: 11, min: 2, max: 4, flexible: false, body: &JOIN_GROUP_RESPONSE_2 },
    Response { api: 11, min: 5, max: 5, flexible: false, body: &JOIN_GROUP_RESPONSE_5 },
    Response { api: 11, min: 6, max: 6, flexible: true, body: &JOIN_GROUP_RESPONSE_6 },
    Response { api: 11, min: 7, max: 8, flexible: true, body: &JOIN_GROUP_RESPONSE_7 },
    Response { api: 11, min: 9, max: 9, flexible: true, body: &JOIN_GROUP_RESPONSE_9 },
    Response { api: 12, min: 0, max: 0, flexible: false, body: &HEARTBEAT_RESPONSE_0 },
    Response { api: 12, min: 1, max: 3, flexible: false, body: &HEARTBEAT_RESPONSE_1 },
    Response { api: 12, min: 4, max: 4, flexible: true, body: &HEARTBEAT_RESPONSE_4 },
    Response { api: 13, min: 0, max: 0, flexible: false, body: &LEAVE_GROUP_RESPONSE_0 },
    Response { api: 13, min: 1, max: 2, flexible: false, body: &LEAVE_GROUP_RESPONSE_1 },
    Response { api: 13, min: 3, max: 3, flexible: false, body: &LEAVE_GROUP_RESPONSE_3 },
    Response { api: 13, min: 4, max: 5, flexible: true, body: &LEAVE_GROUP_RESPONSE_4 },
    Response { api: 14, min: 0, max: 0, flexible: false, body: &SYNC_GROUP_RESPONSE_0 },
    Response { api: 14, min: 1, max: 3, flexible: false, body: &SYNC_GROUP_RESPONSE_1 },
    Response { api: 14, min: 4, max: 4, flexible: true, body: &SYNC_GROUP_RESPONSE_4 },
    Response { api: 14, min: 5, max: 5, flexible: true, body: &SYNC_GROUP_RESPONSE_5 },
    Response { api: 15, min: 0, max: 0, flexible: false, body: &DESCRIBE_GROUPS_RESPONSE_0 },
    Response { api: 15, min: 1, max: 2, flexible: false, body: &DESCRIBE_GROUPS_RESPONSE_1 },
    Response { api: 15, min: 3, max: 3, flexible: false, body: &DESCRIBE_GROUPS_RESPONSE_3 },
    Response { api: 15, min: 4, max: 4, flexible: false, body: &DESCRIBE_GROUPS_RESPONSE_4 },
    Response { api: 15, min: 5, max: 5, flexible: true, body: &DESCRIBE_GROUPS_RESPONSE_5 },
    Response { api: 15, min: 6, max: 6, flexible: true, body: &DESCRIBE_GROUPS_RESPONSE_6 },
    Response { api: 16, min: 0, max: 0, flexible: false, body: &LIST_GROUPS_RESPONSE_0 },
    Response { api: 16, min: 1, max: 2, flexible: false, body: &LIST_GROUPS_RESPONSE_1 },
    Response { api: 16, min: 3, max: 3, flexible: true, body: &LIST_GROUPS_RESPONSE_3 },
    Response { api: 16, min: 4, max: 4, flexible: true, body: &LIST_GROUPS_RESPONSE_4 },
    Response { api: 16, min: 5, max: 5, flexible: true, body: &LIST_GROUPS_RESPONSE_5 },
    Response { api: 17, min: 0, max: 1, flexible: false, body: &SASL_HANDSHAKE_RESPONSE_0 },
    Response { api: 18, min: 0, max: 0, flexible: false, body: &API_VERSIONS_RESPONSE_0 },
    Response { api: 18, min: 1, max: 2, flexible: false, body: &API_VERSIONS_RESPONSE_1 },
    Response { api: 18, min: 3, max: 4, flexible: true, body: &API_VERSIONS_RESPONSE_3 },
    Response { api: 19, min: 2, max: 4, flexible: false, body: &CREATE_TOPICS_RESPONSE_2 },
    Response { api: 19, min: 5, max: 6, flexible: true, body: &CREATE_TOPICS_RESPONSE_5 },
    Response { api: 19, min: 7, max: 7, flexible: true, body: &CREATE_TOPICS_RESPONSE_7 },
    Response { api: 20, min: 1, max: 3, flexible: false, body: &DELETE_TOPICS_RESPONSE_1 },
    Response { api: 20, min: 4, max: 4, flexible: true, body: &DELETE_TOPICS_RESPONSE_4 },
    Response { api: 20, min: 5, max: 5, flexible: true, body: &DELETE_TOPICS_RESPONSE_5 },
    Response { api: 20, min: 6, max: 6, flexible: true, body: &DELETE_TOPICS_RESPONSE_6 },
    Response { api: 21, min: 0, max: 1, flexible: false, body: &DELETE_RECORDS_RESPONSE_0 },
    Response { api: 21, min: 2, max: 2, flexible: true, body: &DELETE_RECORDS_RESPONSE_2 },
    Response { api: 22, min: 0, max: 1, flexible: false, body: &INIT_PRODUCER_ID_RESPONSE_0 },
    Response { api: 22, min: 2, max: 5, flexible: true, body: &INIT_PRODUCER_ID_RESPONSE_2 },
    Response { api: 23, min: 2, max: 3, flexible: false, body: &OFFSET_FOR_LEADER_EPOCH_RESPONSE_2 },
    Response { api: 23, min: 4, max: 4, flexible: true, body: &OFFSET_FOR_LEADER_EPOCH_RESPONSE_4 },
    Response { api: 24, min: 0, max: 2, flexible: false, body: &ADD_PARTITIONS_TO_TXN_RESPONSE_0 },
    Response { api: 24, min: 3, max: 3, flexible: true, body: &ADD_PARTITIONS_TO_TXN_RESPONSE_3 },
    Response { api: 24, min: 4, max: 5, flexible: true, body: &ADD_PARTITIONS_TO_TXN_RESPONSE_4 },
    Response { api: 25, min: 0, max: 2, flexible: false, body: &ADD_OFFSETS_TO_TXN_RESPONSE_0 },
    Response { api: 25, min: 3, max: 4, flexible: true, body: &ADD_OFFSETS_TO_TXN_RESPONSE_3 },
    Response { api: 26, min: 0, max: 2, flexible: false, body: &END_TXN_RESPONSE_0 },
    Response { api: 26, min: 3, max: 4, flexible: true, body: &END_TXN_RESPONSE_3 },
    Response { api: 26, min: 5, max: 5, flexible: true, body: &END_TXN_RESPONSE_5 },
    Response { api: 27, min: 1, max: 1, flexible: true, body: &WRITE_TXN_MARKERS_RESPONSE_1 },
    Response { api: 28, min: 0, max: 2, flexible: false, body: &TXN_OFFSET_COMMIT_RESPONSE_0 },
    Response { api: 28, min: 3, max: 5, flexible: true, body: &TXN_OFFSET_COMMIT_RESPONSE_3 },
    Response { api: 29, min: 1, max: 1, flexible: false, body: &DESCRIBE_ACLS_RESPONSE_1 },
    Response { api: 29, min: 2, max: 3, flexible: true, body: &DESCRIBE_ACLS_RESPONSE_2 },
    Response { api: 30, min: 1, max: 1, flexible: false, body: &CREATE_ACLS_RESPONSE_1 },
    Response { api: 30, min: 2, max: 3, flexible: true, body: &CREATE_ACLS_RESPONSE_2 },
    Response { api: 31, min: 1, max: 1, flexible: false, body: &DELETE_ACLS_RESPONSE_1 },
    Response { api: 31, min: 2, max: 3, flexible: true, body: &DELETE_ACLS_RESPONSE_2 },
    Response { api: 32, min: 1, max: 2, flexible: false, body: &DESCRIBE_CONFIGS_RESPONSE_1 },
    Response { api: 32, min: 3, max: 3, flexible: false, body: &DESCRIBE_CONFIGS_RESPONSE_3 },
    Response { api: 32, min: 4, max: 4, flexible: true, body: &DESCRIBE_CONFIGS_RESPONSE_4 },
    Response { api: 33, min: 0, max: 1, flexible: false, body: &ALTER_CONFIGS_RESPONSE_0 },
    Response { api: 33, min: 2, max: 2, flexible: true, body: &ALTER_CONFIGS_RESPONSE_2 },
    Response { api: 34, min: 1, max: 1, flexible: false, body: &ALTER_REPLICA_LOG_DIRS_RESPONSE_1 },
    Response { api: 34, min: 2, max: 2, flexible: true, body: &ALTER_REPLICA_LOG_DIRS_RESPONSE_2 },
    Response { api: 35, min: 1, max: 1, flexible: false, body: &DESCRIBE_LOG_DIRS_RESPONSE_1 },
    Response { api: 35, min: 2, max: 2, flexible: true, body: &DESCRIBE_LOG_DIRS_RESPONSE_2 },
    Response { api: 35, min: 3, max: 3, flexible: true, body: &DESCRIBE_LOG_DIRS_RESPONSE_3 },
    Response { api: 35, min: 4, max: 4, flexible: true, body: &DESCRIBE_LOG_DIRS_RESPONSE_4 },
    Response { api: 36, min: 0, max: 0, flexible: false, body: &SASL_AUTHENTICATE_RESPONSE_0 },
    Response { api: 36, min: 1, max: 1, flexible: false, body: &SASL_AUTHENTICATE_RESPONSE_1 },
    Response { api: 36, min: 2, max: 2, flexible: true, body: &SASL_AUTHENTICATE_RESPONSE_2 },
    Response { api: 37, min: 0, max: 1, flexible: false, body: &CREATE_PARTITIONS_RESPONSE_0 },
    Response { api: 37, min: 2, max: 3, flexible: true, body: &CREATE_PARTITIONS_RESPONSE_2 },
    Response { api: 38, min: 1, max: 1, flexible: false, body: &CREATE_DELEGATION_TOKEN_RESPONSE_1 },
    Response { api: 38, min: 2, max: 2, flexible: true, body: &CREATE_DELEGATION_TOKEN_RESPONSE_2 },
    Response { api: 38, min: 3, max: 3, flexible: true, body: &CREATE_DELEGATION_TOKEN_RESPONSE_3 },
    Response { api: 39, min: 1, max: 1, flexible: false, body: &RENEW_DELEGATION_TOKEN_RESPONSE_1 },
    Response { api: 39, min: 2, max: 2, flexible: true, body: &RENEW_DELEGATION_TOKEN_RESPONSE_2 },
    Response { api: 40, min: 1, max: 1, flexible: false, body: &EXPIRE_DELEGATION_TOKEN_RESPONSE_1 },
    Response { api: 40, min: 2, max: 2, flexible: true, body: &EXPIRE_DELEGATION_TOKEN_RESPONSE_2 },
    Response { api: 41, min: 1, max: 1, flexible: false, body: &DESCRIBE_DELEGATION_TOKEN_RESPONSE_1 },
    Response { api: 41, min: 2, max: 2, flexible: true, body: &DESCRIBE_DELEGATION_TOKEN_RESPONSE_2 },
    Response { api: 41, min: 3, max: 3, flexible: true, body: &DESCRIBE_DELEGATION_TOKEN_RESPONSE_3 },
    Response { api: 42, min: 0, max: 1, flexible: false, body: &DELETE_GROUPS_RESPONSE_0 },
    Response { api: 42, min: 2, max: 2, flexible: true, body: &DELETE_GROUPS_RESPONSE_2 },
    Response { api: 43, min: 0, max: 0, flexible: false, body: &ELECT_LEADERS_RESPONSE_0 },
    Response { api: 43, min: 1, max: 1, flexible: false, body: &ELECT_LEADERS_RESPONSE_1 },
    Response { api: 43, min: 2, max: 2, flexible: true, body: &ELECT_LEADERS_RESPONSE_2 },
    Response { api: 44, min: 0, max: 0, flexible: false, body: &INCREMENTAL_ALTER_CONFIGS_RESPONSE_0 },
    Response { api: 44, min: 1, max: 1, flexible: true, body: &INCREMENTAL_ALTER_CONFIGS_RESPONSE_1 },
    Response { api: 45, min: 0, max: 0, flexible: true, body: &ALTER_PARTITION_REASSIGNMENTS_RESPONSE_0 },
    Response { api: 45, min: 1, max: 1, flexible: true, body: &ALTER_PARTITION_REASSIGNMENTS_RESPONSE_1 },
    Response { api: 46, min: 0, max: 0, flexible: true, body: &LIST_PARTITION_REASSIGNMENTS_RESPONSE_0 },
    Response { api: 47, min: 0, max: 0, flexible: false, body: &OFFSET_DELETE_RESPONSE_0 },
    Response { api: 48, min: 0, max: 0, flexible: false, body: &DESCRIBE_CLIENT_QUOTAS_RESPONSE_0 },
    Response { api: 48, min: 1, max: 1, flexible: true, body: &DESCRIBE_CLIENT_QUOTAS_RESPONSE_1 },
    Response { api: 49, min: 0, max: 0, flexible: false, body: &ALTER_CLIENT_QUOTAS_RESPONSE_0 },
    Response { api: 49, min: 1, max: 1, flexible: true, body: &ALTER_CLIENT_QUOTAS_RESPONSE_1 },
    Response { api: 50, min: 0, max: 0, flexible: true, body: &DESCRIBE_USER_SCRAM_CREDENTIALS_RESPONSE_0 },
    Response { api: 51, min: 0, max: 0, flexible: true, body: &ALTER_USER_SCRAM_CREDENTIALS_RESPONSE_0 },
    Response { api: 55, min: 0, max: 0, flexible: true, body: &DESCRIBE_QUORUM_RESPONSE_0 },
    Response { api: 55, min: 1, max: 1, flexible: true, body: &DESCRIBE_QUORUM_RESPONSE_1 },
    Response { api: 55, min: 2, max: 2, flexible: true, body: &DESCRIBE_QUORUM_RESPONSE_2 },
    Response { api: 57, min: 0, max: 1, flexible: true, body: &UPDATE_FEATURES_RESPONSE_0 },
    Response { api: 57, min: 2, max: 2, flexible: true, body: &UPDATE_FEATURES_RESPONSE_2 },
    Response { api: 60, min: 0, max: 0, flexible: true, body: &DESCRIBE_CLUSTER_RESPONSE_0 },
    Response { api: 60, min: 1, max: 1, flexible: true, body: &DESCRIBE_CLUSTER_RESPONSE_1 },
    Response { api: 60, min: 2, max: 2, flexible: true, body: &DESCRIBE_CLUSTER_RESPONSE_2 },
    Response { api: 61, min: 0, max: 0, flexible: true, body: &DESCRIBE_PRODUCERS_RESPONSE_0 },
    Response { api: 64, min: 0, max: 0, flexible: true, body: &UNREGISTER_BROKER_RESPONSE_0 },
    Response { api: 65, min: 0, max: 0, flexible: true, body: &DESCRIBE_TRANSACTIONS_RESPONSE_0 },
    Response { api: 66, min: 0, max: 2, flexible: true, body: &LIST_TRANSACTIONS_RESPONSE_0 },
    Response { api: 68, min: 0, max: 1, flexible: true, body: &CONSUMER_GROUP_HEARTBEAT_RESPONSE_0 },
    Response { api: 69, min: 0, max: 0, flexible: true, body: &CONSUMER_GROUP_DESCRIBE_RESPONSE_0 },
    Response { api: 69, min: 1, max: 1, flexible: true, body: &CONSUMER_GROUP_DESCRIBE_RESPONSE_1 },
    Response { api: 71, min: 0, max: 0, flexible: true, body: &GET_TELEMETRY_SUBSCRIPTIONS_RESPONSE_0 },
    Response { api: 72, min: 0, max: 0, flexible: true, body: &PUSH_TELEMETRY_RESPONSE_0 },
    Response { api: 74, min: 0, max: 0, flexible: true, body: &LIST_CONFIG_RESOURCES_RESPONSE_0 },
    Response { api: 74, min: 1, max: 1, flexible: true, body: &LIST_CONFIG_RESOURCES_RESPONSE_1 },
    Response { api: 75, min: 0, max: 0, flexible: true, body: &DESCRIBE_TOPIC_PARTITIONS_RESPONSE_0 },
    Response { api: 76, min: 1, max: 1, flexible: true, body: &SHARE_GROUP_HEARTBEAT_RESPONSE_1 },
    Response { api: 77, min: 1, max: 1, flexible: true, body: &SHARE_GROUP_DESCRIBE_RESPONSE_1 },
    Response { api: 78, min: 1, max: 1, flexible: true, body: &SHARE_FETCH_RESPONSE_1 },
    Response { api: 79, min: 1, max: 1, flexible: true, body: &SHARE_ACKNOWLEDGE_RESPONSE_1 },
    Response { api: 80, min: 0, max: 0, flexible: true, body: &ADD_RAFT_VOTER_RESPONSE_0 },
    Response { api: 81, min: 0, max: 0, flexible: true, body: &REMOVE_RAFT_VOTER_RESPONSE_0 },
    Response { api: 90, min: 0, max: 0, flexible: true, body: &DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_0 },
    Response { api: 91, min: 0, max: 0, flexible: true, body: &ALTER_SHARE_GROUP_OFFSETS_RESPONSE_0 },
    Response { api: 92, min: 0, max: 0, flexible: true, body: &DELETE_SHARE_GROUP_OFFSETS_RESPONSE_0 },
    Response { api: 94, min: 0, max: 0, flexible: true, body: &UNREGISTER_CONTROLLER_RESPONSE_0 },
];

static PRODUCE_PARTITION_PRODUCE_RESPONSE_3: Shape = Shape { name: "PartitionProduceResponse", bytes_min: 22, memory: 152, fields: &[Fixed(22)] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_3: Shape = Shape { name: "TopicProduceResponse", bytes_min: 6, memory: 96, fields: &[String("Name"), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_3)] };
static PRODUCE_RESPONSE_3: Shape = Shape { name: "ProduceResponse", bytes_min: 8, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_3), Fixed(4)] };
static PRODUCE_PARTITION_PRODUCE_RESPONSE_5: Shape = Shape { name: "PartitionProduceResponse", bytes_min: 30, memory: 152, fields: &[Fixed(30)] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_5: Shape = Shape { name: "TopicProduceResponse", bytes_min: 6, memory: 96, fields: &[String("Name"), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_5)] };
static PRODUCE_RESPONSE_5: Shape = Shape { name: "ProduceResponse", bytes_min: 8, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_5), Fixed(4)] };
static PRODUCE_BATCH_INDEX_AND_ERROR_MESSAGE_8: Shape = Shape { name: "BatchIndexAndErrorMessage", bytes_min: 6, memory: 64, fields: &[Fixed(4), String("BatchIndexErrorMessage")] };
static PRODUCE_PARTITION_PRODUCE_RESPONSE_8: Shape = Shape { name: "PartitionProduceResponse", bytes_min: 36, memory: 152, fields: &[Fixed(30), StructArray("RecordErrors", &PRODUCE_BATCH_INDEX_AND_ERROR_MESSAGE_8), String("ErrorMessage")] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_8: Shape = Shape { name: "TopicProduceResponse", bytes_min: 6, memory: 96, fields: &[String("Name"), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_8)] };
static PRODUCE_RESPONSE_8: Shape = Shape { name: "ProduceResponse", bytes_min: 8, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_8), Fixed(4)] };
static PRODUCE_BATCH_INDEX_AND_ERROR_MESSAGE_9: Shape = Shape { name: "BatchIndexAndErrorMessage", bytes_min: 6, memory: 64, fields: &[Fixed(4), String("BatchIndexErrorMessage"), Tags(&[])] };
static PRODUCE_PARTITION_PRODUCE_RESPONSE_9: Shape = Shape { name: "PartitionProduceResponse", bytes_min: 33, memory: 152, fields: &[Fixed(30), StructArray("RecordErrors", &PRODUCE_BATCH_INDEX_AND_ERROR_MESSAGE_9), String("ErrorMessage"), Tags(&[])] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_9: Shape = Shape { name: "TopicProduceResponse", bytes_min: 3, memory: 96, fields: &[String("Name"), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_9), Tags(&[])] };
static PRODUCE_RESPONSE_9: Shape = Shape { name: "ProduceResponse", bytes_min: 6, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_9), Fixed(4), Tags(&[])] };
static PRODUCE_PARTITION_PRODUCE_RESPONSE_10: Shape = Shape { name: "PartitionProduceResponse", bytes_min: 33, memory: 152, fields: &[Fixed(30), StructArray("RecordErrors", &PRODUCE_BATCH_INDEX_AND_ERROR_MESSAGE_9), String("ErrorMessage"), Tags(&[(0, &[Fixed(8), Tags(&[])])])] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_10: Shape = Shape { name: "TopicProduceResponse", bytes_min: 3, memory: 96, fields: &[String("Name"), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_10), Tags(&[])] };
static PRODUCE_NODE_ENDPOINT_10: Shape = Shape { name: "NodeEndpoint", bytes_min: 11, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static PRODUCE_RESPONSE_10: Shape = Shape { name: "ProduceResponse", bytes_min: 6, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_10), Fixed(4), Tags(&[(0, &[StructArray("NodeEndpoints", &PRODUCE_NODE_ENDPOINT_10)])])] };
static PRODUCE_TOPIC_PRODUCE_RESPONSE_13: Shape = Shape { name: "TopicProduceResponse", bytes_min: 18, memory: 96, fields: &[Fixed(16), StructArray("PartitionResponses", &PRODUCE_PARTITION_PRODUCE_RESPONSE_10), Tags(&[])] };
static PRODUCE_RESPONSE_13: Shape = Shape { name: "ProduceResponse", bytes_min: 6, memory: 80, fields: &[StructArray("Responses", &PRODUCE_TOPIC_PRODUCE_RESPONSE_13), Fixed(4), Tags(&[(0, &[StructArray("NodeEndpoints", &PRODUCE_NODE_ENDPOINT_10)])])] };
static FETCH_ABORTED_TRANSACTION_4: Shape = Shape { name: "AbortedTransaction", bytes_min: 16, memory: 40, fields: &[Fixed(16)] };
static FETCH_PARTITION_DATA_4: Shape = Shape { name: "PartitionData", bytes_min: 30, memory: 256, fields: &[Fixed(22), StructArray("AbortedTransactions", &FETCH_ABORTED_TRANSACTION_4), Bytes("Records")] };
static FETCHABLE_TOPIC_RESPONSE_4: Shape = Shape { name: "FetchableTopicResponse", bytes_min: 6, memory: 96, fields: &[String("Topic"), StructArray("Partitions", &FETCH_PARTITION_DATA_4)] };
static FETCH_RESPONSE_4: Shape = Shape { name: "FetchResponse", bytes_min: 8, memory: 88, fields: &[Fixed(4), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_4)] };
static FETCH_PARTITION_DATA_5: Shape = Shape { name: "PartitionData", bytes_min: 38, memory: 256, fields: &[Fixed(30), StructArray("AbortedTransactions", &FETCH_ABORTED_TRANSACTION_4), Bytes("Records")] };
static FETCHABLE_TOPIC_RESPONSE_5: Shape = Shape { name: "FetchableTopicResponse", bytes_min: 6, memory: 96, fields: &[String("Topic"), StructArray("Partitions", &FETCH_PARTITION_DATA_5)] };
static FETCH_RESPONSE_5: Shape = Shape { name: "FetchResponse", bytes_min: 8, memory: 88, fields: &[Fixed(4), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_5)] };
static FETCH_RESPONSE_7: Shape = Shape { name: "FetchResponse", bytes_min: 14, memory: 88, fields: &[Fixed(10), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_5)] };
static FETCH_PARTITION_DATA_11: Shape = Shape { name: "PartitionData", bytes_min: 42, memory: 256, fields: &[Fixed(30), StructArray("AbortedTransactions", &FETCH_ABORTED_TRANSACTION_4), Fixed(4), Bytes("Records")] };
static FETCHABLE_TOPIC_RESPONSE_11: Shape = Shape { name: "FetchableTopicResponse", bytes_min: 6, memory: 96, fields: &[String("Topic"), StructArray("Partitions", &FETCH_PARTITION_DATA_11)] };
static FETCH_RESPONSE_11: Shape = Shape { name: "FetchResponse", bytes_min: 14, memory: 88, fields: &[Fixed(10), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_11)] };
static FETCH_ABORTED_TRANSACTION_12: Shape = Shape { name: "AbortedTransaction", bytes_min: 17, memory: 40, fields: &[Fixed(16), Tags(&[])] };
static FETCH_PARTITION_DATA_12: Shape = Shape { name: "PartitionData", bytes_min: 37, memory: 256, fields: &[Fixed(30), StructArray("AbortedTransactions", &FETCH_ABORTED_TRANSACTION_12), Fixed(4), Bytes("Records"), Tags(&[(0, &[Fixed(12), Tags(&[])]), (1, &[Fixed(8), Tags(&[])]), (2, &[Fixed(12), Tags(&[])])])] };
static FETCHABLE_TOPIC_RESPONSE_12: Shape = Shape { name: "FetchableTopicResponse", bytes_min: 3, memory: 96, fields: &[String("Topic"), StructArray("Partitions", &FETCH_PARTITION_DATA_12), Tags(&[])] };
static FETCH_RESPONSE_12: Shape = Shape { name: "FetchResponse", bytes_min: 12, memory: 88, fields: &[Fixed(10), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_12), Tags(&[])] };
static FETCHABLE_TOPIC_RESPONSE_13: Shape = Shape { name: "FetchableTopicResponse", bytes_min: 18, memory: 96, fields: &[Fixed(16), StructArray("Partitions", &FETCH_PARTITION_DATA_12), Tags(&[])] };
static FETCH_RESPONSE_13: Shape = Shape { name: "FetchResponse", bytes_min: 12, memory: 88, fields: &[Fixed(10), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_13), Tags(&[])] };
static FETCH_NODE_ENDPOINT_16: Shape = Shape { name: "NodeEndpoint", bytes_min: 11, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static FETCH_RESPONSE_16: Shape = Shape { name: "FetchResponse", bytes_min: 12, memory: 88, fields: &[Fixed(10), StructArray("Responses", &FETCHABLE_TOPIC_RESPONSE_13), Tags(&[(0, &[StructArray("NodeEndpoints", &FETCH_NODE_ENDPOINT_16)])])] };
static LIST_OFFSETS_PARTITION_RESPONSE_1: Shape = Shape { name: "ListOffsetsPartitionResponse", bytes_min: 22, memory: 56, fields: &[Fixed(22)] };
static LIST_OFFSETS_TOPIC_RESPONSE_1: Shape = Shape { name: "ListOffsetsTopicResponse", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &LIST_OFFSETS_PARTITION_RESPONSE_1)] };
static LIST_OFFSETS_RESPONSE_1: Shape = Shape { name: "ListOffsetsResponse", bytes_min: 4, memory: 56, fields: &[StructArray("Topics", &LIST_OFFSETS_TOPIC_RESPONSE_1)] };
static LIST_OFFSETS_RESPONSE_2: Shape = Shape { name: "ListOffsetsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &LIST_OFFSETS_TOPIC_RESPONSE_1)] };
static LIST_OFFSETS_PARTITION_RESPONSE_4: Shape = Shape { name: "ListOffsetsPartitionResponse", bytes_min: 26, memory: 56, fields: &[Fixed(26)] };
static LIST_OFFSETS_TOPIC_RESPONSE_4: Shape = Shape { name: "ListOffsetsTopicResponse", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &LIST_OFFSETS_PARTITION_RESPONSE_4)] };
static LIST_OFFSETS_RESPONSE_4: Shape = Shape { name: "ListOffsetsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &LIST_OFFSETS_TOPIC_RESPONSE_4)] };
static LIST_OFFSETS_PARTITION_RESPONSE_6: Shape = Shape { name: "ListOffsetsPartitionResponse", bytes_min: 27, memory: 56, fields: &[Fixed(26), Tags(&[])] };
static LIST_OFFSETS_TOPIC_RESPONSE_6: Shape = Shape { name: "ListOffsetsTopicResponse", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &LIST_OFFSETS_PARTITION_RESPONSE_6), Tags(&[])] };
static LIST_OFFSETS_RESPONSE_6: Shape = Shape { name: "ListOffsetsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &LIST_OFFSETS_TOPIC_RESPONSE_6), Tags(&[])] };
static METADATA_RESPONSE_BROKER_0: Shape = Shape { name: "MetadataResponseBroker", bytes_min: 10, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4)] };
static METADATA_RESPONSE_PARTITION_0: Shape = Shape { name: "MetadataResponsePartition", bytes_min: 18, memory: 112, fields: &[Fixed(10), FixedArray("ReplicaNodes", 4), FixedArray("IsrNodes", 4)] };
static METADATA_RESPONSE_TOPIC_0: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 8, memory: 104, fields: &[Fixed(2), String("Name"), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_0)] };
static METADATA_RESPONSE_0: Shape = Shape { name: "MetadataResponse", bytes_min: 8, memory: 120, fields: &[StructArray("Brokers", &METADATA_RESPONSE_BROKER_0), StructArray("Topics", &METADATA_RESPONSE_TOPIC_0)] };
static METADATA_RESPONSE_BROKER_1: Shape = Shape { name: "MetadataResponseBroker", bytes_min: 12, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack")] };
static METADATA_RESPONSE_TOPIC_1: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 9, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(1), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_0)] };
static METADATA_RESPONSE_1: Shape = Shape { name: "MetadataResponse", bytes_min: 12, memory: 120, fields: &[StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_1)] };
static METADATA_RESPONSE_2: Shape = Shape { name: "MetadataResponse", bytes_min: 14, memory: 120, fields: &[StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_1)] };
static METADATA_RESPONSE_3: Shape = Shape { name: "MetadataResponse", bytes_min: 18, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_1)] };
static METADATA_RESPONSE_PARTITION_5: Shape = Shape { name: "MetadataResponsePartition", bytes_min: 22, memory: 112, fields: &[Fixed(10), FixedArray("ReplicaNodes", 4), FixedArray("IsrNodes", 4), FixedArray("OfflineReplicas", 4)] };
static METADATA_RESPONSE_TOPIC_5: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 9, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(1), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_5)] };
static METADATA_RESPONSE_5: Shape = Shape { name: "MetadataResponse", bytes_min: 18, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_5)] };
static METADATA_RESPONSE_PARTITION_7: Shape = Shape { name: "MetadataResponsePartition", bytes_min: 26, memory: 112, fields: &[Fixed(14), FixedArray("ReplicaNodes", 4), FixedArray("IsrNodes", 4), FixedArray("OfflineReplicas", 4)] };
static METADATA_RESPONSE_TOPIC_7: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 9, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(1), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_7)] };
static METADATA_RESPONSE_7: Shape = Shape { name: "MetadataResponse", bytes_min: 18, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_7)] };
static METADATA_RESPONSE_TOPIC_8: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 13, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(1), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_7), Fixed(4)] };
static METADATA_RESPONSE_8: Shape = Shape { name: "MetadataResponse", bytes_min: 22, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_1), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_8), Fixed(4)] };
static METADATA_RESPONSE_BROKER_9: Shape = Shape { name: "MetadataResponseBroker", bytes_min: 11, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static METADATA_RESPONSE_PARTITION_9: Shape = Shape { name: "MetadataResponsePartition", bytes_min: 18, memory: 112, fields: &[Fixed(14), FixedArray("ReplicaNodes", 4), FixedArray("IsrNodes", 4), FixedArray("OfflineReplicas", 4), Tags(&[])] };
static METADATA_RESPONSE_TOPIC_9: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 10, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(1), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_9), Fixed(4), Tags(&[])] };
static METADATA_RESPONSE_9: Shape = Shape { name: "MetadataResponse", bytes_min: 16, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_9), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_9), Fixed(4), Tags(&[])] };
static METADATA_RESPONSE_TOPIC_10: Shape = Shape { name: "MetadataResponseTopic", bytes_min: 26, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(17), StructArray("Partitions", &METADATA_RESPONSE_PARTITION_9), Fixed(4), Tags(&[])] };
static METADATA_RESPONSE_10: Shape = Shape { name: "MetadataResponse", bytes_min: 16, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_9), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_10), Fixed(4), Tags(&[])] };
static METADATA_RESPONSE_11: Shape = Shape { name: "MetadataResponse", bytes_min: 12, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_9), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_10), Tags(&[])] };
static METADATA_RESPONSE_13: Shape = Shape { name: "MetadataResponse", bytes_min: 14, memory: 120, fields: &[Fixed(4), StructArray("Brokers", &METADATA_RESPONSE_BROKER_9), String("ClusterId"), Fixed(4), StructArray("Topics", &METADATA_RESPONSE_TOPIC_10), Fixed(2), Tags(&[])] };
static OFFSET_COMMIT_RESPONSE_PARTITION_2: Shape = Shape { name: "OffsetCommitResponsePartition", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static OFFSET_COMMIT_RESPONSE_TOPIC_2: Shape = Shape { name: "OffsetCommitResponseTopic", bytes_min: 6, memory: 96, fields: &[String("Name"), StructArray("Partitions", &OFFSET_COMMIT_RESPONSE_PARTITION_2)] };
static OFFSET_COMMIT_RESPONSE_2: Shape = Shape { name: "OffsetCommitResponse", bytes_min: 4, memory: 56, fields: &[StructArray("Topics", &OFFSET_COMMIT_RESPONSE_TOPIC_2)] };
static OFFSET_COMMIT_RESPONSE_3: Shape = Shape { name: "OffsetCommitResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &OFFSET_COMMIT_RESPONSE_TOPIC_2)] };
static OFFSET_COMMIT_RESPONSE_PARTITION_8: Shape = Shape { name: "OffsetCommitResponsePartition", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static OFFSET_COMMIT_RESPONSE_TOPIC_8: Shape = Shape { name: "OffsetCommitResponseTopic", bytes_min: 3, memory: 96, fields: &[String("Name"), StructArray("Partitions", &OFFSET_COMMIT_RESPONSE_PARTITION_8), Tags(&[])] };
static OFFSET_COMMIT_RESPONSE_8: Shape = Shape { name: "OffsetCommitResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &OFFSET_COMMIT_RESPONSE_TOPIC_8), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_PARTITION_1: Shape = Shape { name: "OffsetFetchResponsePartition", bytes_min: 16, memory: 80, fields: &[Fixed(12), String("Metadata"), Fixed(2)] };
static OFFSET_FETCH_RESPONSE_TOPIC_1: Shape = Shape { name: "OffsetFetchResponseTopic", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &OFFSET_FETCH_RESPONSE_PARTITION_1)] };
static OFFSET_FETCH_RESPONSE_1: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 4, memory: 80, fields: &[StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPIC_1)] };
static OFFSET_FETCH_RESPONSE_2: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 6, memory: 80, fields: &[StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPIC_1), Fixed(2)] };
static OFFSET_FETCH_RESPONSE_3: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 10, memory: 80, fields: &[Fixed(4), StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPIC_1), Fixed(2)] };
static OFFSET_FETCH_RESPONSE_PARTITION_5: Shape = Shape { name: "OffsetFetchResponsePartition", bytes_min: 20, memory: 80, fields: &[Fixed(16), String("Metadata"), Fixed(2)] };
static OFFSET_FETCH_RESPONSE_TOPIC_5: Shape = Shape { name: "OffsetFetchResponseTopic", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &OFFSET_FETCH_RESPONSE_PARTITION_5)] };
static OFFSET_FETCH_RESPONSE_5: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 10, memory: 80, fields: &[Fixed(4), StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPIC_5), Fixed(2)] };
static OFFSET_FETCH_RESPONSE_PARTITION_6: Shape = Shape { name: "OffsetFetchResponsePartition", bytes_min: 20, memory: 80, fields: &[Fixed(16), String("Metadata"), Fixed(2), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_TOPIC_6: Shape = Shape { name: "OffsetFetchResponseTopic", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &OFFSET_FETCH_RESPONSE_PARTITION_6), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_6: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 8, memory: 80, fields: &[Fixed(4), StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPIC_6), Fixed(2), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_PARTITIONS_8: Shape = Shape { name: "OffsetFetchResponsePartitions", bytes_min: 20, memory: 80, fields: &[Fixed(16), String("Metadata"), Fixed(2), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_TOPICS_8: Shape = Shape { name: "OffsetFetchResponseTopics", bytes_min: 3, memory: 96, fields: &[String("Name"), StructArray("Partitions", &OFFSET_FETCH_RESPONSE_PARTITIONS_8), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_GROUP_8: Shape = Shape { name: "OffsetFetchResponseGroup", bytes_min: 5, memory: 88, fields: &[String("GroupId"), StructArray("Topics", &OFFSET_FETCH_RESPONSE_TOPICS_8), Fixed(2), Tags(&[])] };
static OFFSET_FETCH_RESPONSE_8: Shape = Shape { name: "OffsetFetchResponse", bytes_min: 6, memory: 80, fields: &[Fixed(4), StructArray("Groups", &OFFSET_FETCH_RESPONSE_GROUP_8), Tags(&[])] };
static FIND_COORDINATOR_RESPONSE_0: Shape = Shape { name: "FindCoordinatorResponse", bytes_min: 12, memory: 128, fields: &[Fixed(6), String("Host"), Fixed(4)] };
static FIND_COORDINATOR_RESPONSE_1: Shape = Shape { name: "FindCoordinatorResponse", bytes_min: 18, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), Fixed(4), String("Host"), Fixed(4)] };
static FIND_COORDINATOR_RESPONSE_3: Shape = Shape { name: "FindCoordinatorResponse", bytes_min: 17, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), Fixed(4), String("Host"), Fixed(4), Tags(&[])] };
static FIND_COORDINATOR_COORDINATOR_4: Shape = Shape { name: "Coordinator", bytes_min: 14, memory: 136, fields: &[String("Key"), Fixed(4), String("Host"), Fixed(6), String("ErrorMessage"), Tags(&[])] };
static FIND_COORDINATOR_RESPONSE_4: Shape = Shape { name: "FindCoordinatorResponse", bytes_min: 6, memory: 128, fields: &[Fixed(4), StructArray("Coordinators", &FIND_COORDINATOR_COORDINATOR_4), Tags(&[])] };
static JOIN_GROUP_RESPONSE_MEMBER_0: Shape = Shape { name: "JoinGroupResponseMember", bytes_min: 6, memory: 120, fields: &[String("MemberId"), Bytes("Metadata")] };
static JOIN_GROUP_RESPONSE_0: Shape = Shape { name: "JoinGroupResponse", bytes_min: 16, memory: 192, fields: &[Fixed(6), String("ProtocolName"), String("Leader"), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_0)] };
static JOIN_GROUP_RESPONSE_2: Shape = Shape { name: "JoinGroupResponse", bytes_min: 20, memory: 192, fields: &[Fixed(10), String("ProtocolName"), String("Leader"), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_0)] };
static JOIN_GROUP_RESPONSE_MEMBER_5: Shape = Shape { name: "JoinGroupResponseMember", bytes_min: 8, memory: 120, fields: &[String("MemberId"), String("GroupInstanceId"), Bytes("Metadata")] };
static JOIN_GROUP_RESPONSE_5: Shape = Shape { name: "JoinGroupResponse", bytes_min: 20, memory: 192, fields: &[Fixed(10), String("ProtocolName"), String("Leader"), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_5)] };
static JOIN_GROUP_RESPONSE_MEMBER_6: Shape = Shape { name: "JoinGroupResponseMember", bytes_min: 4, memory: 120, fields: &[String("MemberId"), String("GroupInstanceId"), Bytes("Metadata"), Tags(&[])] };
static JOIN_GROUP_RESPONSE_6: Shape = Shape { name: "JoinGroupResponse", bytes_min: 15, memory: 192, fields: &[Fixed(10), String("ProtocolName"), String("Leader"), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_6), Tags(&[])] };
static JOIN_GROUP_RESPONSE_7: Shape = Shape { name: "JoinGroupResponse", bytes_min: 16, memory: 192, fields: &[Fixed(10), String("ProtocolType"), String("ProtocolName"), String("Leader"), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_6), Tags(&[])] };
static JOIN_GROUP_RESPONSE_9: Shape = Shape { name: "JoinGroupResponse", bytes_min: 17, memory: 192, fields: &[Fixed(10), String("ProtocolType"), String("ProtocolName"), String("Leader"), Fixed(1), String("MemberId"), StructArray("Members", &JOIN_GROUP_RESPONSE_MEMBER_6), Tags(&[])] };
static HEARTBEAT_RESPONSE_0: Shape = Shape { name: "HeartbeatResponse", bytes_min: 2, memory: 32, fields: &[Fixed(2)] };
static HEARTBEAT_RESPONSE_1: Shape = Shape { name: "HeartbeatResponse", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static HEARTBEAT_RESPONSE_4: Shape = Shape { name: "HeartbeatResponse", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static LEAVE_GROUP_RESPONSE_0: Shape = Shape { name: "LeaveGroupResponse", bytes_min: 2, memory: 56, fields: &[Fixed(2)] };
static LEAVE_GROUP_RESPONSE_1: Shape = Shape { name: "LeaveGroupResponse", bytes_min: 6, memory: 56, fields: &[Fixed(6)] };
static LEAVE_GROUP_MEMBER_RESPONSE_3: Shape = Shape { name: "MemberResponse", bytes_min: 6, memory: 96, fields: &[String("MemberId"), String("GroupInstanceId"), Fixed(2)] };
static LEAVE_GROUP_RESPONSE_3: Shape = Shape { name: "LeaveGroupResponse", bytes_min: 10, memory: 56, fields: &[Fixed(6), StructArray("Members", &LEAVE_GROUP_MEMBER_RESPONSE_3)] };
static LEAVE_GROUP_MEMBER_RESPONSE_4: Shape = Shape { name: "MemberResponse", bytes_min: 5, memory: 96, fields: &[String("MemberId"), String("GroupInstanceId"), Fixed(2), Tags(&[])] };
static LEAVE_GROUP_RESPONSE_4: Shape = Shape { name: "LeaveGroupResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Members", &LEAVE_GROUP_MEMBER_RESPONSE_4), Tags(&[])] };
static SYNC_GROUP_RESPONSE_0: Shape = Shape { name: "SyncGroupResponse", bytes_min: 6, memory: 128, fields: &[Fixed(2), Bytes("Assignment")] };
static SYNC_GROUP_RESPONSE_1: Shape = Shape { name: "SyncGroupResponse", bytes_min: 10, memory: 128, fields: &[Fixed(6), Bytes("Assignment")] };
static SYNC_GROUP_RESPONSE_4: Shape = Shape { name: "SyncGroupResponse", bytes_min: 8, memory: 128, fields: &[Fixed(6), Bytes("Assignment"), Tags(&[])] };
static SYNC_GROUP_RESPONSE_5: Shape = Shape { name: "SyncGroupResponse", bytes_min: 10, memory: 128, fields: &[Fixed(6), String("ProtocolType"), String("ProtocolName"), Bytes("Assignment"), Tags(&[])] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_0: Shape = Shape { name: "DescribedGroupMember", bytes_min: 14, memory: 216, fields: &[String("MemberId"), String("ClientId"), String("ClientHost"), Bytes("MemberMetadata"), Bytes("MemberAssignment")] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_0: Shape = Shape { name: "DescribedGroup", bytes_min: 14, memory: 216, fields: &[Fixed(2), String("GroupId"), String("GroupState"), String("ProtocolType"), String("ProtocolData"), StructArray("Members", &DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_0)] };
static DESCRIBE_GROUPS_RESPONSE_0: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 4, memory: 56, fields: &[StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_0)] };
static DESCRIBE_GROUPS_RESPONSE_1: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_0)] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_3: Shape = Shape { name: "DescribedGroup", bytes_min: 18, memory: 216, fields: &[Fixed(2), String("GroupId"), String("GroupState"), String("ProtocolType"), String("ProtocolData"), StructArray("Members", &DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_0), Fixed(4)] };
static DESCRIBE_GROUPS_RESPONSE_3: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_3)] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_4: Shape = Shape { name: "DescribedGroupMember", bytes_min: 16, memory: 216, fields: &[String("MemberId"), String("GroupInstanceId"), String("ClientId"), String("ClientHost"), Bytes("MemberMetadata"), Bytes("MemberAssignment")] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_4: Shape = Shape { name: "DescribedGroup", bytes_min: 18, memory: 216, fields: &[Fixed(2), String("GroupId"), String("GroupState"), String("ProtocolType"), String("ProtocolData"), StructArray("Members", &DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_4), Fixed(4)] };
static DESCRIBE_GROUPS_RESPONSE_4: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_4)] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_5: Shape = Shape { name: "DescribedGroupMember", bytes_min: 7, memory: 216, fields: &[String("MemberId"), String("GroupInstanceId"), String("ClientId"), String("ClientHost"), Bytes("MemberMetadata"), Bytes("MemberAssignment"), Tags(&[])] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_5: Shape = Shape { name: "DescribedGroup", bytes_min: 12, memory: 216, fields: &[Fixed(2), String("GroupId"), String("GroupState"), String("ProtocolType"), String("ProtocolData"), StructArray("Members", &DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_5), Fixed(4), Tags(&[])] };
static DESCRIBE_GROUPS_RESPONSE_5: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_5), Tags(&[])] };
static DESCRIBE_GROUPS_DESCRIBED_GROUP_6: Shape = Shape { name: "DescribedGroup", bytes_min: 13, memory: 216, fields: &[Fixed(2), String("ErrorMessage"), String("GroupId"), String("GroupState"), String("ProtocolType"), String("ProtocolData"), StructArray("Members", &DESCRIBE_GROUPS_DESCRIBED_GROUP_MEMBER_5), Fixed(4), Tags(&[])] };
static DESCRIBE_GROUPS_RESPONSE_6: Shape = Shape { name: "DescribeGroupsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_GROUPS_DESCRIBED_GROUP_6), Tags(&[])] };
static LIST_GROUPS_LISTED_GROUP_0: Shape = Shape { name: "ListedGroup", bytes_min: 4, memory: 152, fields: &[String("GroupId"), String("ProtocolType")] };
static LIST_GROUPS_RESPONSE_0: Shape = Shape { name: "ListGroupsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(2), StructArray("Groups", &LIST_GROUPS_LISTED_GROUP_0)] };
static LIST_GROUPS_RESPONSE_1: Shape = Shape { name: "ListGroupsResponse", bytes_min: 10, memory: 56, fields: &[Fixed(6), StructArray("Groups", &LIST_GROUPS_LISTED_GROUP_0)] };
static LIST_GROUPS_LISTED_GROUP_3: Shape = Shape { name: "ListedGroup", bytes_min: 3, memory: 152, fields: &[String("GroupId"), String("ProtocolType"), Tags(&[])] };
static LIST_GROUPS_RESPONSE_3: Shape = Shape { name: "ListGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Groups", &LIST_GROUPS_LISTED_GROUP_3), Tags(&[])] };
static LIST_GROUPS_LISTED_GROUP_4: Shape = Shape { name: "ListedGroup", bytes_min: 4, memory: 152, fields: &[String("GroupId"), String("ProtocolType"), String("GroupState"), Tags(&[])] };
static LIST_GROUPS_RESPONSE_4: Shape = Shape { name: "ListGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Groups", &LIST_GROUPS_LISTED_GROUP_4), Tags(&[])] };
static LIST_GROUPS_LISTED_GROUP_5: Shape = Shape { name: "ListedGroup", bytes_min: 5, memory: 152, fields: &[String("GroupId"), String("ProtocolType"), String("GroupState"), String("GroupType"), Tags(&[])] };
static LIST_GROUPS_RESPONSE_5: Shape = Shape { name: "ListGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Groups", &LIST_GROUPS_LISTED_GROUP_5), Tags(&[])] };
static SASL_HANDSHAKE_RESPONSE_0: Shape = Shape { name: "SaslHandshakeResponse", bytes_min: 6, memory: 56, fields: &[Fixed(2), StringArray("Mechanisms")] };
static API_VERSIONS_API_VERSION_0: Shape = Shape { name: "ApiVersion", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static API_VERSIONS_RESPONSE_0: Shape = Shape { name: "ApiVersionsResponse", bytes_min: 6, memory: 112, fields: &[Fixed(2), StructArray("ApiKeys", &API_VERSIONS_API_VERSION_0)] };
static API_VERSIONS_RESPONSE_1: Shape = Shape { name: "ApiVersionsResponse", bytes_min: 10, memory: 112, fields: &[Fixed(2), StructArray("ApiKeys", &API_VERSIONS_API_VERSION_0), Fixed(4)] };
static API_VERSIONS_API_VERSION_3: Shape = Shape { name: "ApiVersion", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static API_VERSIONS_SUPPORTED_FEATURE_KEY_3: Shape = Shape { name: "SupportedFeatureKey", bytes_min: 6, memory: 64, fields: &[String("Name"), Fixed(4), Tags(&[])] };
static API_VERSIONS_FINALIZED_FEATURE_KEY_3: Shape = Shape { name: "FinalizedFeatureKey", bytes_min: 6, memory: 64, fields: &[String("Name"), Fixed(4), Tags(&[])] };
static API_VERSIONS_RESPONSE_3: Shape = Shape { name: "ApiVersionsResponse", bytes_min: 8, memory: 112, fields: &[Fixed(2), StructArray("ApiKeys", &API_VERSIONS_API_VERSION_3), Fixed(4), Tags(&[(0, &[StructArray("SupportedFeatures", &API_VERSIONS_SUPPORTED_FEATURE_KEY_3)]), (1, &[Fixed(8)]), (2, &[StructArray("FinalizedFeatures", &API_VERSIONS_FINALIZED_FEATURE_KEY_3)]), (3, &[Fixed(1)])])] };
static CREATE_TOPICS_CREATABLE_TOPIC_RESULT_2: Shape = Shape { name: "CreatableTopicResult", bytes_min: 6, memory: 144, fields: &[String("Name"), Fixed(2), String("ErrorMessage")] };
static CREATE_TOPICS_RESPONSE_2: Shape = Shape { name: "CreateTopicsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &CREATE_TOPICS_CREATABLE_TOPIC_RESULT_2)] };
static CREATE_TOPICS_CREATABLE_TOPIC_CONFIGS_5: Shape = Shape { name: "CreatableTopicConfigs", bytes_min: 6, memory: 96, fields: &[String("Name"), String("Value"), Fixed(3), Tags(&[])] };
static CREATE_TOPICS_CREATABLE_TOPIC_RESULT_5: Shape = Shape { name: "CreatableTopicResult", bytes_min: 12, memory: 144, fields: &[String("Name"), Fixed(2), String("ErrorMessage"), Fixed(6), StructArray("Configs", &CREATE_TOPICS_CREATABLE_TOPIC_CONFIGS_5), Tags(&[(0, &[Fixed(2)])])] };
static CREATE_TOPICS_RESPONSE_5: Shape = Shape { name: "CreateTopicsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &CREATE_TOPICS_CREATABLE_TOPIC_RESULT_5), Tags(&[])] };
static CREATE_TOPICS_CREATABLE_TOPIC_RESULT_7: Shape = Shape { name: "CreatableTopicResult", bytes_min: 28, memory: 144, fields: &[String("Name"), Fixed(18), String("ErrorMessage"), Fixed(6), StructArray("Configs", &CREATE_TOPICS_CREATABLE_TOPIC_CONFIGS_5), Tags(&[(0, &[Fixed(2)])])] };
static CREATE_TOPICS_RESPONSE_7: Shape = Shape { name: "CreateTopicsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &CREATE_TOPICS_CREATABLE_TOPIC_RESULT_7), Tags(&[])] };
static DELETE_TOPICS_DELETABLE_TOPIC_RESULT_1: Shape = Shape { name: "DeletableTopicResult", bytes_min: 4, memory: 112, fields: &[String("Name"), Fixed(2)] };
static DELETE_TOPICS_RESPONSE_1: Shape = Shape { name: "DeleteTopicsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Responses", &DELETE_TOPICS_DELETABLE_TOPIC_RESULT_1)] };
static DELETE_TOPICS_DELETABLE_TOPIC_RESULT_4: Shape = Shape { name: "DeletableTopicResult", bytes_min: 4, memory: 112, fields: &[String("Name"), Fixed(2), Tags(&[])] };
static DELETE_TOPICS_RESPONSE_4: Shape = Shape { name: "DeleteTopicsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Responses", &DELETE_TOPICS_DELETABLE_TOPIC_RESULT_4), Tags(&[])] };
static DELETE_TOPICS_DELETABLE_TOPIC_RESULT_5: Shape = Shape { name: "DeletableTopicResult", bytes_min: 5, memory: 112, fields: &[String("Name"), Fixed(2), String("ErrorMessage"), Tags(&[])] };
static DELETE_TOPICS_RESPONSE_5: Shape = Shape { name: "DeleteTopicsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Responses", &DELETE_TOPICS_DELETABLE_TOPIC_RESULT_5), Tags(&[])] };
static DELETE_TOPICS_DELETABLE_TOPIC_RESULT_6: Shape = Shape { name: "DeletableTopicResult", bytes_min: 21, memory: 112, fields: &[String("Name"), Fixed(18), String("ErrorMessage"), Tags(&[])] };
static DELETE_TOPICS_RESPONSE_6: Shape = Shape { name: "DeleteTopicsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Responses", &DELETE_TOPICS_DELETABLE_TOPIC_RESULT_6), Tags(&[])] };
static DELETE_RECORDS_PARTITION_RESULT_0: Shape = Shape { name: "DeleteRecordsPartitionResult", bytes_min: 14, memory: 40, fields: &[Fixed(14)] };
static DELETE_RECORDS_TOPIC_RESULT_0: Shape = Shape { name: "DeleteRecordsTopicResult", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &DELETE_RECORDS_PARTITION_RESULT_0)] };
static DELETE_RECORDS_RESPONSE_0: Shape = Shape { name: "DeleteRecordsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &DELETE_RECORDS_TOPIC_RESULT_0)] };
static DELETE_RECORDS_PARTITION_RESULT_2: Shape = Shape { name: "DeleteRecordsPartitionResult", bytes_min: 15, memory: 40, fields: &[Fixed(14), Tags(&[])] };
static DELETE_RECORDS_TOPIC_RESULT_2: Shape = Shape { name: "DeleteRecordsTopicResult", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &DELETE_RECORDS_PARTITION_RESULT_2), Tags(&[])] };
static DELETE_RECORDS_RESPONSE_2: Shape = Shape { name: "DeleteRecordsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &DELETE_RECORDS_TOPIC_RESULT_2), Tags(&[])] };
static INIT_PRODUCER_ID_RESPONSE_0: Shape = Shape { name: "InitProducerIdResponse", bytes_min: 16, memory: 56, fields: &[Fixed(16)] };
static INIT_PRODUCER_ID_RESPONSE_2: Shape = Shape { name: "InitProducerIdResponse", bytes_min: 17, memory: 56, fields: &[Fixed(16), Tags(&[])] };
static OFFSET_FOR_LEADER_EPOCH_EPOCH_END_OFFSET_2: Shape = Shape { name: "EpochEndOffset", bytes_min: 18, memory: 48, fields: &[Fixed(18)] };
static OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC_RESULT_2: Shape = Shape { name: "OffsetForLeaderTopicResult", bytes_min: 6, memory: 80, fields: &[String("Topic"), StructArray("Partitions", &OFFSET_FOR_LEADER_EPOCH_EPOCH_END_OFFSET_2)] };
static OFFSET_FOR_LEADER_EPOCH_RESPONSE_2: Shape = Shape { name: "OffsetForLeaderEpochResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC_RESULT_2)] };
static OFFSET_FOR_LEADER_EPOCH_EPOCH_END_OFFSET_4: Shape = Shape { name: "EpochEndOffset", bytes_min: 19, memory: 48, fields: &[Fixed(18), Tags(&[])] };
static OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC_RESULT_4: Shape = Shape { name: "OffsetForLeaderTopicResult", bytes_min: 3, memory: 80, fields: &[String("Topic"), StructArray("Partitions", &OFFSET_FOR_LEADER_EPOCH_EPOCH_END_OFFSET_4), Tags(&[])] };
static OFFSET_FOR_LEADER_EPOCH_RESPONSE_4: Shape = Shape { name: "OffsetForLeaderEpochResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &OFFSET_FOR_LEADER_EPOCH_OFFSET_FOR_LEADER_TOPIC_RESULT_4), Tags(&[])] };
static ADD_PARTITIONS_TO_TXN_PARTITION_RESULT_0: Shape = Shape { name: "AddPartitionsToTxnPartitionResult", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static ADD_PARTITIONS_TO_TXN_TOPIC_RESULT_0: Shape = Shape { name: "AddPartitionsToTxnTopicResult", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("ResultsByPartition", &ADD_PARTITIONS_TO_TXN_PARTITION_RESULT_0)] };
static ADD_PARTITIONS_TO_TXN_RESPONSE_0: Shape = Shape { name: "AddPartitionsToTxnResponse", bytes_min: 8, memory: 80, fields: &[Fixed(4), StructArray("ResultsByTopicV3AndBelow", &ADD_PARTITIONS_TO_TXN_TOPIC_RESULT_0)] };
static ADD_PARTITIONS_TO_TXN_PARTITION_RESULT_3: Shape = Shape { name: "AddPartitionsToTxnPartitionResult", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static ADD_PARTITIONS_TO_TXN_TOPIC_RESULT_3: Shape = Shape { name: "AddPartitionsToTxnTopicResult", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("ResultsByPartition", &ADD_PARTITIONS_TO_TXN_PARTITION_RESULT_3), Tags(&[])] };
static ADD_PARTITIONS_TO_TXN_RESPONSE_3: Shape = Shape { name: "AddPartitionsToTxnResponse", bytes_min: 6, memory: 80, fields: &[Fixed(4), StructArray("ResultsByTopicV3AndBelow", &ADD_PARTITIONS_TO_TXN_TOPIC_RESULT_3), Tags(&[])] };
static ADD_PARTITIONS_TO_TXN_RESULT_4: Shape = Shape { name: "AddPartitionsToTxnResult", bytes_min: 3, memory: 80, fields: &[String("TransactionalId"), StructArray("TopicResults", &ADD_PARTITIONS_TO_TXN_TOPIC_RESULT_3), Tags(&[])] };
static ADD_PARTITIONS_TO_TXN_RESPONSE_4: Shape = Shape { name: "AddPartitionsToTxnResponse", bytes_min: 8, memory: 80, fields: &[Fixed(6), StructArray("ResultsByTransaction", &ADD_PARTITIONS_TO_TXN_RESULT_4), Tags(&[])] };
static ADD_OFFSETS_TO_TXN_RESPONSE_0: Shape = Shape { name: "AddOffsetsToTxnResponse", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static ADD_OFFSETS_TO_TXN_RESPONSE_3: Shape = Shape { name: "AddOffsetsToTxnResponse", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static END_TXN_RESPONSE_0: Shape = Shape { name: "EndTxnResponse", bytes_min: 6, memory: 40, fields: &[Fixed(6)] };
static END_TXN_RESPONSE_3: Shape = Shape { name: "EndTxnResponse", bytes_min: 7, memory: 40, fields: &[Fixed(6), Tags(&[])] };
static END_TXN_RESPONSE_5: Shape = Shape { name: "EndTxnResponse", bytes_min: 17, memory: 40, fields: &[Fixed(16), Tags(&[])] };
static WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_PARTITION_RESULT_1: Shape = Shape { name: "WritableTxnMarkerPartitionResult", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_TOPIC_RESULT_1: Shape = Shape { name: "WritableTxnMarkerTopicResult", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_PARTITION_RESULT_1), Tags(&[])] };
static WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_RESULT_1: Shape = Shape { name: "WritableTxnMarkerResult", bytes_min: 10, memory: 56, fields: &[Fixed(8), StructArray("Topics", &WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_TOPIC_RESULT_1), Tags(&[])] };
static WRITE_TXN_MARKERS_RESPONSE_1: Shape = Shape { name: "WriteTxnMarkersResponse", bytes_min: 2, memory: 48, fields: &[StructArray("Markers", &WRITE_TXN_MARKERS_WRITABLE_TXN_MARKER_RESULT_1), Tags(&[])] };
static TXN_OFFSET_COMMIT_RESPONSE_PARTITION_0: Shape = Shape { name: "TxnOffsetCommitResponsePartition", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static TXN_OFFSET_COMMIT_RESPONSE_TOPIC_0: Shape = Shape { name: "TxnOffsetCommitResponseTopic", bytes_min: 6, memory: 96, fields: &[String("Name"), StructArray("Partitions", &TXN_OFFSET_COMMIT_RESPONSE_PARTITION_0)] };
static TXN_OFFSET_COMMIT_RESPONSE_0: Shape = Shape { name: "TxnOffsetCommitResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Topics", &TXN_OFFSET_COMMIT_RESPONSE_TOPIC_0)] };
static TXN_OFFSET_COMMIT_RESPONSE_PARTITION_3: Shape = Shape { name: "TxnOffsetCommitResponsePartition", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static TXN_OFFSET_COMMIT_RESPONSE_TOPIC_3: Shape = Shape { name: "TxnOffsetCommitResponseTopic", bytes_min: 3, memory: 96, fields: &[String("Name"), StructArray("Partitions", &TXN_OFFSET_COMMIT_RESPONSE_PARTITION_3), Tags(&[])] };
static TXN_OFFSET_COMMIT_RESPONSE_3: Shape = Shape { name: "TxnOffsetCommitResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &TXN_OFFSET_COMMIT_RESPONSE_TOPIC_3), Tags(&[])] };
static DESCRIBE_ACLS_ACL_DESCRIPTION_1: Shape = Shape { name: "AclDescription", bytes_min: 6, memory: 96, fields: &[String("Principal"), String("Host"), Fixed(2)] };
static DESCRIBE_ACLS_RESOURCE_1: Shape = Shape { name: "DescribeAclsResource", bytes_min: 8, memory: 88, fields: &[Fixed(1), String("ResourceName"), Fixed(1), StructArray("Acls", &DESCRIBE_ACLS_ACL_DESCRIPTION_1)] };
static DESCRIBE_ACLS_RESPONSE_1: Shape = Shape { name: "DescribeAclsResponse", bytes_min: 12, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Resources", &DESCRIBE_ACLS_RESOURCE_1)] };
static DESCRIBE_ACLS_ACL_DESCRIPTION_2: Shape = Shape { name: "AclDescription", bytes_min: 5, memory: 96, fields: &[String("Principal"), String("Host"), Fixed(2), Tags(&[])] };
static DESCRIBE_ACLS_RESOURCE_2: Shape = Shape { name: "DescribeAclsResource", bytes_min: 5, memory: 88, fields: &[Fixed(1), String("ResourceName"), Fixed(1), StructArray("Acls", &DESCRIBE_ACLS_ACL_DESCRIPTION_2), Tags(&[])] };
static DESCRIBE_ACLS_RESPONSE_2: Shape = Shape { name: "DescribeAclsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Resources", &DESCRIBE_ACLS_RESOURCE_2), Tags(&[])] };
static CREATE_ACLS_ACL_CREATION_RESULT_1: Shape = Shape { name: "AclCreationResult", bytes_min: 4, memory: 64, fields: &[Fixed(2), String("ErrorMessage")] };
static CREATE_ACLS_RESPONSE_1: Shape = Shape { name: "CreateAclsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &CREATE_ACLS_ACL_CREATION_RESULT_1)] };
static CREATE_ACLS_ACL_CREATION_RESULT_2: Shape = Shape { name: "AclCreationResult", bytes_min: 4, memory: 64, fields: &[Fixed(2), String("ErrorMessage"), Tags(&[])] };
static CREATE_ACLS_RESPONSE_2: Shape = Shape { name: "CreateAclsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &CREATE_ACLS_ACL_CREATION_RESULT_2), Tags(&[])] };
static DELETE_ACLS_MATCHING_ACL_1: Shape = Shape { name: "DeleteAclsMatchingAcl", bytes_min: 14, memory: 160, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), Fixed(1), String("Principal"), String("Host"), Fixed(2)] };
static DELETE_ACLS_FILTER_RESULT_1: Shape = Shape { name: "DeleteAclsFilterResult", bytes_min: 8, memory: 88, fields: &[Fixed(2), String("ErrorMessage"), StructArray("MatchingAcls", &DELETE_ACLS_MATCHING_ACL_1)] };
static DELETE_ACLS_RESPONSE_1: Shape = Shape { name: "DeleteAclsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("FilterResults", &DELETE_ACLS_FILTER_RESULT_1)] };
static DELETE_ACLS_MATCHING_ACL_2: Shape = Shape { name: "DeleteAclsMatchingAcl", bytes_min: 11, memory: 160, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), Fixed(1), String("Principal"), String("Host"), Fixed(2), Tags(&[])] };
static DELETE_ACLS_FILTER_RESULT_2: Shape = Shape { name: "DeleteAclsFilterResult", bytes_min: 5, memory: 88, fields: &[Fixed(2), String("ErrorMessage"), StructArray("MatchingAcls", &DELETE_ACLS_MATCHING_ACL_2), Tags(&[])] };
static DELETE_ACLS_RESPONSE_2: Shape = Shape { name: "DeleteAclsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("FilterResults", &DELETE_ACLS_FILTER_RESULT_2), Tags(&[])] };
static DESCRIBE_CONFIGS_SYNONYM_1: Shape = Shape { name: "DescribeConfigsSynonym", bytes_min: 5, memory: 96, fields: &[String("Name"), String("Value"), Fixed(1)] };
static DESCRIBE_CONFIGS_RESOURCE_RESULT_1: Shape = Shape { name: "DescribeConfigsResourceResult", bytes_min: 11, memory: 152, fields: &[String("Name"), String("Value"), Fixed(3), StructArray("Synonyms", &DESCRIBE_CONFIGS_SYNONYM_1)] };
static DESCRIBE_CONFIGS_RESULT_1: Shape = Shape { name: "DescribeConfigsResult", bytes_min: 11, memory: 120, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), StructArray("Configs", &DESCRIBE_CONFIGS_RESOURCE_RESULT_1)] };
static DESCRIBE_CONFIGS_RESPONSE_1: Shape = Shape { name: "DescribeConfigsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &DESCRIBE_CONFIGS_RESULT_1)] };
static DESCRIBE_CONFIGS_RESOURCE_RESULT_3: Shape = Shape { name: "DescribeConfigsResourceResult", bytes_min: 14, memory: 152, fields: &[String("Name"), String("Value"), Fixed(3), StructArray("Synonyms", &DESCRIBE_CONFIGS_SYNONYM_1), Fixed(1), String("Documentation")] };
static DESCRIBE_CONFIGS_RESULT_3: Shape = Shape { name: "DescribeConfigsResult", bytes_min: 11, memory: 120, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), StructArray("Configs", &DESCRIBE_CONFIGS_RESOURCE_RESULT_3)] };
static DESCRIBE_CONFIGS_RESPONSE_3: Shape = Shape { name: "DescribeConfigsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &DESCRIBE_CONFIGS_RESULT_3)] };
static DESCRIBE_CONFIGS_SYNONYM_4: Shape = Shape { name: "DescribeConfigsSynonym", bytes_min: 4, memory: 96, fields: &[String("Name"), String("Value"), Fixed(1), Tags(&[])] };
static DESCRIBE_CONFIGS_RESOURCE_RESULT_4: Shape = Shape { name: "DescribeConfigsResourceResult", bytes_min: 9, memory: 152, fields: &[String("Name"), String("Value"), Fixed(3), StructArray("Synonyms", &DESCRIBE_CONFIGS_SYNONYM_4), Fixed(1), String("Documentation"), Tags(&[])] };
static DESCRIBE_CONFIGS_RESULT_4: Shape = Shape { name: "DescribeConfigsResult", bytes_min: 7, memory: 120, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), StructArray("Configs", &DESCRIBE_CONFIGS_RESOURCE_RESULT_4), Tags(&[])] };
static DESCRIBE_CONFIGS_RESPONSE_4: Shape = Shape { name: "DescribeConfigsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &DESCRIBE_CONFIGS_RESULT_4), Tags(&[])] };
static ALTER_CONFIGS_RESOURCE_RESPONSE_0: Shape = Shape { name: "AlterConfigsResourceResponse", bytes_min: 7, memory: 96, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName")] };
static ALTER_CONFIGS_RESPONSE_0: Shape = Shape { name: "AlterConfigsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Responses", &ALTER_CONFIGS_RESOURCE_RESPONSE_0)] };
static ALTER_CONFIGS_RESOURCE_RESPONSE_2: Shape = Shape { name: "AlterConfigsResourceResponse", bytes_min: 6, memory: 96, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), Tags(&[])] };
static ALTER_CONFIGS_RESPONSE_2: Shape = Shape { name: "AlterConfigsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Responses", &ALTER_CONFIGS_RESOURCE_RESPONSE_2), Tags(&[])] };
static ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_PARTITION_RESULT_1: Shape = Shape { name: "AlterReplicaLogDirPartitionResult", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_TOPIC_RESULT_1: Shape = Shape { name: "AlterReplicaLogDirTopicResult", bytes_min: 6, memory: 80, fields: &[String("TopicName"), StructArray("Partitions", &ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_PARTITION_RESULT_1)] };
static ALTER_REPLICA_LOG_DIRS_RESPONSE_1: Shape = Shape { name: "AlterReplicaLogDirsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_TOPIC_RESULT_1)] };
static ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_PARTITION_RESULT_2: Shape = Shape { name: "AlterReplicaLogDirPartitionResult", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_TOPIC_RESULT_2: Shape = Shape { name: "AlterReplicaLogDirTopicResult", bytes_min: 3, memory: 80, fields: &[String("TopicName"), StructArray("Partitions", &ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_PARTITION_RESULT_2), Tags(&[])] };
static ALTER_REPLICA_LOG_DIRS_RESPONSE_2: Shape = Shape { name: "AlterReplicaLogDirsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &ALTER_REPLICA_LOG_DIRS_ALTER_REPLICA_LOG_DIR_TOPIC_RESULT_2), Tags(&[])] };
static DESCRIBE_LOG_DIRS_PARTITION_1: Shape = Shape { name: "DescribeLogDirsPartition", bytes_min: 21, memory: 48, fields: &[Fixed(21)] };
static DESCRIBE_LOG_DIRS_TOPIC_1: Shape = Shape { name: "DescribeLogDirsTopic", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &DESCRIBE_LOG_DIRS_PARTITION_1)] };
static DESCRIBE_LOG_DIRS_RESULT_1: Shape = Shape { name: "DescribeLogDirsResult", bytes_min: 8, memory: 104, fields: &[Fixed(2), String("LogDir"), StructArray("Topics", &DESCRIBE_LOG_DIRS_TOPIC_1)] };
static DESCRIBE_LOG_DIRS_RESPONSE_1: Shape = Shape { name: "DescribeLogDirsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &DESCRIBE_LOG_DIRS_RESULT_1)] };
static DESCRIBE_LOG_DIRS_PARTITION_2: Shape = Shape { name: "DescribeLogDirsPartition", bytes_min: 22, memory: 48, fields: &[Fixed(21), Tags(&[])] };
static DESCRIBE_LOG_DIRS_TOPIC_2: Shape = Shape { name: "DescribeLogDirsTopic", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &DESCRIBE_LOG_DIRS_PARTITION_2), Tags(&[])] };
static DESCRIBE_LOG_DIRS_RESULT_2: Shape = Shape { name: "DescribeLogDirsResult", bytes_min: 5, memory: 104, fields: &[Fixed(2), String("LogDir"), StructArray("Topics", &DESCRIBE_LOG_DIRS_TOPIC_2), Tags(&[])] };
static DESCRIBE_LOG_DIRS_RESPONSE_2: Shape = Shape { name: "DescribeLogDirsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &DESCRIBE_LOG_DIRS_RESULT_2), Tags(&[])] };
static DESCRIBE_LOG_DIRS_RESPONSE_3: Shape = Shape { name: "DescribeLogDirsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Results", &DESCRIBE_LOG_DIRS_RESULT_2), Tags(&[])] };
static DESCRIBE_LOG_DIRS_RESULT_4: Shape = Shape { name: "DescribeLogDirsResult", bytes_min: 21, memory: 104, fields: &[Fixed(2), String("LogDir"), StructArray("Topics", &DESCRIBE_LOG_DIRS_TOPIC_2), Fixed(16), Tags(&[])] };
static DESCRIBE_LOG_DIRS_RESPONSE_4: Shape = Shape { name: "DescribeLogDirsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("Results", &DESCRIBE_LOG_DIRS_RESULT_4), Tags(&[])] };
static SASL_AUTHENTICATE_RESPONSE_0: Shape = Shape { name: "SaslAuthenticateResponse", bytes_min: 8, memory: 104, fields: &[Fixed(2), String("ErrorMessage"), Bytes("AuthBytes")] };
static SASL_AUTHENTICATE_RESPONSE_1: Shape = Shape { name: "SaslAuthenticateResponse", bytes_min: 16, memory: 104, fields: &[Fixed(2), String("ErrorMessage"), Bytes("AuthBytes"), Fixed(8)] };
static SASL_AUTHENTICATE_RESPONSE_2: Shape = Shape { name: "SaslAuthenticateResponse", bytes_min: 13, memory: 104, fields: &[Fixed(2), String("ErrorMessage"), Bytes("AuthBytes"), Fixed(8), Tags(&[])] };
static CREATE_PARTITIONS_TOPIC_RESULT_0: Shape = Shape { name: "CreatePartitionsTopicResult", bytes_min: 6, memory: 96, fields: &[String("Name"), Fixed(2), String("ErrorMessage")] };
static CREATE_PARTITIONS_RESPONSE_0: Shape = Shape { name: "CreatePartitionsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &CREATE_PARTITIONS_TOPIC_RESULT_0)] };
static CREATE_PARTITIONS_TOPIC_RESULT_2: Shape = Shape { name: "CreatePartitionsTopicResult", bytes_min: 5, memory: 96, fields: &[String("Name"), Fixed(2), String("ErrorMessage"), Tags(&[])] };
static CREATE_PARTITIONS_RESPONSE_2: Shape = Shape { name: "CreatePartitionsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &CREATE_PARTITIONS_TOPIC_RESULT_2), Tags(&[])] };
static CREATE_DELEGATION_TOKEN_RESPONSE_1: Shape = Shape { name: "CreateDelegationTokenResponse", bytes_min: 40, memory: 248, fields: &[Fixed(2), String("PrincipalType"), String("PrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), Fixed(4)] };
static CREATE_DELEGATION_TOKEN_RESPONSE_2: Shape = Shape { name: "CreateDelegationTokenResponse", bytes_min: 35, memory: 248, fields: &[Fixed(2), String("PrincipalType"), String("PrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), Fixed(4), Tags(&[])] };
static CREATE_DELEGATION_TOKEN_RESPONSE_3: Shape = Shape { name: "CreateDelegationTokenResponse", bytes_min: 37, memory: 248, fields: &[Fixed(2), String("PrincipalType"), String("PrincipalName"), String("TokenRequesterPrincipalType"), String("TokenRequesterPrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), Fixed(4), Tags(&[])] };
static RENEW_DELEGATION_TOKEN_RESPONSE_1: Shape = Shape { name: "RenewDelegationTokenResponse", bytes_min: 14, memory: 40, fields: &[Fixed(14)] };
static RENEW_DELEGATION_TOKEN_RESPONSE_2: Shape = Shape { name: "RenewDelegationTokenResponse", bytes_min: 15, memory: 40, fields: &[Fixed(14), Tags(&[])] };
static EXPIRE_DELEGATION_TOKEN_RESPONSE_1: Shape = Shape { name: "ExpireDelegationTokenResponse", bytes_min: 14, memory: 40, fields: &[Fixed(14)] };
static EXPIRE_DELEGATION_TOKEN_RESPONSE_2: Shape = Shape { name: "ExpireDelegationTokenResponse", bytes_min: 15, memory: 40, fields: &[Fixed(14), Tags(&[])] };
static DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_RENEWER_1: Shape = Shape { name: "DescribedDelegationTokenRenewer", bytes_min: 4, memory: 88, fields: &[String("PrincipalType"), String("PrincipalName")] };
static DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_1: Shape = Shape { name: "DescribedDelegationToken", bytes_min: 38, memory: 264, fields: &[String("PrincipalType"), String("PrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), StructArray("Renewers", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_RENEWER_1)] };
static DESCRIBE_DELEGATION_TOKEN_RESPONSE_1: Shape = Shape { name: "DescribeDelegationTokenResponse", bytes_min: 10, memory: 56, fields: &[Fixed(2), StructArray("Tokens", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_1), Fixed(4)] };
static DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_RENEWER_2: Shape = Shape { name: "DescribedDelegationTokenRenewer", bytes_min: 3, memory: 88, fields: &[String("PrincipalType"), String("PrincipalName"), Tags(&[])] };
static DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_2: Shape = Shape { name: "DescribedDelegationToken", bytes_min: 30, memory: 264, fields: &[String("PrincipalType"), String("PrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), StructArray("Renewers", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_RENEWER_2), Tags(&[])] };
static DESCRIBE_DELEGATION_TOKEN_RESPONSE_2: Shape = Shape { name: "DescribeDelegationTokenResponse", bytes_min: 8, memory: 56, fields: &[Fixed(2), StructArray("Tokens", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_2), Fixed(4), Tags(&[])] };
static DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_3: Shape = Shape { name: "DescribedDelegationToken", bytes_min: 32, memory: 264, fields: &[String("PrincipalType"), String("PrincipalName"), String("TokenRequesterPrincipalType"), String("TokenRequesterPrincipalName"), Fixed(24), String("TokenId"), Bytes("Hmac"), StructArray("Renewers", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_RENEWER_2), Tags(&[])] };
static DESCRIBE_DELEGATION_TOKEN_RESPONSE_3: Shape = Shape { name: "DescribeDelegationTokenResponse", bytes_min: 8, memory: 56, fields: &[Fixed(2), StructArray("Tokens", &DESCRIBE_DELEGATION_TOKEN_DESCRIBED_DELEGATION_TOKEN_3), Fixed(4), Tags(&[])] };
static DELETE_GROUPS_DELETABLE_GROUP_RESULT_0: Shape = Shape { name: "DeletableGroupResult", bytes_min: 4, memory: 96, fields: &[String("GroupId"), Fixed(2)] };
static DELETE_GROUPS_RESPONSE_0: Shape = Shape { name: "DeleteGroupsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Results", &DELETE_GROUPS_DELETABLE_GROUP_RESULT_0)] };
static DELETE_GROUPS_DELETABLE_GROUP_RESULT_2: Shape = Shape { name: "DeletableGroupResult", bytes_min: 4, memory: 96, fields: &[String("GroupId"), Fixed(2), Tags(&[])] };
static DELETE_GROUPS_RESPONSE_2: Shape = Shape { name: "DeleteGroupsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &DELETE_GROUPS_DELETABLE_GROUP_RESULT_2), Tags(&[])] };
static ELECT_LEADERS_PARTITION_RESULT_0: Shape = Shape { name: "PartitionResult", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage")] };
static ELECT_LEADERS_REPLICA_ELECTION_RESULT_0: Shape = Shape { name: "ReplicaElectionResult", bytes_min: 6, memory: 80, fields: &[String("Topic"), StructArray("PartitionResult", &ELECT_LEADERS_PARTITION_RESULT_0)] };
static ELECT_LEADERS_RESPONSE_0: Shape = Shape { name: "ElectLeadersResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("ReplicaElectionResults", &ELECT_LEADERS_REPLICA_ELECTION_RESULT_0)] };
static ELECT_LEADERS_RESPONSE_1: Shape = Shape { name: "ElectLeadersResponse", bytes_min: 10, memory: 56, fields: &[Fixed(6), StructArray("ReplicaElectionResults", &ELECT_LEADERS_REPLICA_ELECTION_RESULT_0)] };
static ELECT_LEADERS_PARTITION_RESULT_2: Shape = Shape { name: "PartitionResult", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static ELECT_LEADERS_REPLICA_ELECTION_RESULT_2: Shape = Shape { name: "ReplicaElectionResult", bytes_min: 3, memory: 80, fields: &[String("Topic"), StructArray("PartitionResult", &ELECT_LEADERS_PARTITION_RESULT_2), Tags(&[])] };
static ELECT_LEADERS_RESPONSE_2: Shape = Shape { name: "ElectLeadersResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("ReplicaElectionResults", &ELECT_LEADERS_REPLICA_ELECTION_RESULT_2), Tags(&[])] };
static INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE_RESPONSE_0: Shape = Shape { name: "AlterConfigsResourceResponse", bytes_min: 7, memory: 96, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName")] };
static INCREMENTAL_ALTER_CONFIGS_RESPONSE_0: Shape = Shape { name: "IncrementalAlterConfigsResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Responses", &INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE_RESPONSE_0)] };
static INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE_RESPONSE_1: Shape = Shape { name: "AlterConfigsResourceResponse", bytes_min: 6, memory: 96, fields: &[Fixed(2), String("ErrorMessage"), Fixed(1), String("ResourceName"), Tags(&[])] };
static INCREMENTAL_ALTER_CONFIGS_RESPONSE_1: Shape = Shape { name: "IncrementalAlterConfigsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Responses", &INCREMENTAL_ALTER_CONFIGS_ALTER_CONFIGS_RESOURCE_RESPONSE_1), Tags(&[])] };
static ALTER_PARTITION_REASSIGNMENTS_REASSIGNABLE_PARTITION_RESPONSE_0: Shape = Shape { name: "ReassignablePartitionResponse", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static ALTER_PARTITION_REASSIGNMENTS_REASSIGNABLE_TOPIC_RESPONSE_0: Shape = Shape { name: "ReassignableTopicResponse", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &ALTER_PARTITION_REASSIGNMENTS_REASSIGNABLE_PARTITION_RESPONSE_0), Tags(&[])] };
static ALTER_PARTITION_REASSIGNMENTS_RESPONSE_0: Shape = Shape { name: "AlterPartitionReassignmentsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Responses", &ALTER_PARTITION_REASSIGNMENTS_REASSIGNABLE_TOPIC_RESPONSE_0), Tags(&[])] };
static ALTER_PARTITION_REASSIGNMENTS_RESPONSE_1: Shape = Shape { name: "AlterPartitionReassignmentsResponse", bytes_min: 10, memory: 88, fields: &[Fixed(7), String("ErrorMessage"), StructArray("Responses", &ALTER_PARTITION_REASSIGNMENTS_REASSIGNABLE_TOPIC_RESPONSE_0), Tags(&[])] };
static LIST_PARTITION_REASSIGNMENTS_ONGOING_PARTITION_REASSIGNMENT_0: Shape = Shape { name: "OngoingPartitionReassignment", bytes_min: 8, memory: 104, fields: &[Fixed(4), FixedArray("Replicas", 4), FixedArray("AddingReplicas", 4), FixedArray("RemovingReplicas", 4), Tags(&[])] };
static LIST_PARTITION_REASSIGNMENTS_ONGOING_TOPIC_REASSIGNMENT_0: Shape = Shape { name: "OngoingTopicReassignment", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &LIST_PARTITION_REASSIGNMENTS_ONGOING_PARTITION_REASSIGNMENT_0), Tags(&[])] };
static LIST_PARTITION_REASSIGNMENTS_RESPONSE_0: Shape = Shape { name: "ListPartitionReassignmentsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Topics", &LIST_PARTITION_REASSIGNMENTS_ONGOING_TOPIC_REASSIGNMENT_0), Tags(&[])] };
static OFFSET_DELETE_RESPONSE_PARTITION_0: Shape = Shape { name: "OffsetDeleteResponsePartition", bytes_min: 6, memory: 32, fields: &[Fixed(6)] };
static OFFSET_DELETE_RESPONSE_TOPIC_0: Shape = Shape { name: "OffsetDeleteResponseTopic", bytes_min: 6, memory: 80, fields: &[String("Name"), StructArray("Partitions", &OFFSET_DELETE_RESPONSE_PARTITION_0)] };
static OFFSET_DELETE_RESPONSE_0: Shape = Shape { name: "OffsetDeleteResponse", bytes_min: 10, memory: 56, fields: &[Fixed(6), StructArray("Topics", &OFFSET_DELETE_RESPONSE_TOPIC_0)] };
static DESCRIBE_CLIENT_QUOTAS_ENTITY_DATA_0: Shape = Shape { name: "EntityData", bytes_min: 4, memory: 88, fields: &[String("EntityType"), String("EntityName")] };
static DESCRIBE_CLIENT_QUOTAS_VALUE_DATA_0: Shape = Shape { name: "ValueData", bytes_min: 10, memory: 64, fields: &[String("Key"), Fixed(8)] };
static DESCRIBE_CLIENT_QUOTAS_ENTRY_DATA_0: Shape = Shape { name: "EntryData", bytes_min: 8, memory: 72, fields: &[StructArray("Entity", &DESCRIBE_CLIENT_QUOTAS_ENTITY_DATA_0), StructArray("Values", &DESCRIBE_CLIENT_QUOTAS_VALUE_DATA_0)] };
static DESCRIBE_CLIENT_QUOTAS_RESPONSE_0: Shape = Shape { name: "DescribeClientQuotasResponse", bytes_min: 12, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Entries", &DESCRIBE_CLIENT_QUOTAS_ENTRY_DATA_0)] };
static DESCRIBE_CLIENT_QUOTAS_ENTITY_DATA_1: Shape = Shape { name: "EntityData", bytes_min: 3, memory: 88, fields: &[String("EntityType"), String("EntityName"), Tags(&[])] };
static DESCRIBE_CLIENT_QUOTAS_VALUE_DATA_1: Shape = Shape { name: "ValueData", bytes_min: 10, memory: 64, fields: &[String("Key"), Fixed(8), Tags(&[])] };
static DESCRIBE_CLIENT_QUOTAS_ENTRY_DATA_1: Shape = Shape { name: "EntryData", bytes_min: 3, memory: 72, fields: &[StructArray("Entity", &DESCRIBE_CLIENT_QUOTAS_ENTITY_DATA_1), StructArray("Values", &DESCRIBE_CLIENT_QUOTAS_VALUE_DATA_1), Tags(&[])] };
static DESCRIBE_CLIENT_QUOTAS_RESPONSE_1: Shape = Shape { name: "DescribeClientQuotasResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Entries", &DESCRIBE_CLIENT_QUOTAS_ENTRY_DATA_1), Tags(&[])] };
static ALTER_CLIENT_QUOTAS_ENTITY_DATA_0: Shape = Shape { name: "EntityData", bytes_min: 4, memory: 88, fields: &[String("EntityType"), String("EntityName")] };
static ALTER_CLIENT_QUOTAS_ENTRY_DATA_0: Shape = Shape { name: "EntryData", bytes_min: 8, memory: 88, fields: &[Fixed(2), String("ErrorMessage"), StructArray("Entity", &ALTER_CLIENT_QUOTAS_ENTITY_DATA_0)] };
static ALTER_CLIENT_QUOTAS_RESPONSE_0: Shape = Shape { name: "AlterClientQuotasResponse", bytes_min: 8, memory: 56, fields: &[Fixed(4), StructArray("Entries", &ALTER_CLIENT_QUOTAS_ENTRY_DATA_0)] };
static ALTER_CLIENT_QUOTAS_ENTITY_DATA_1: Shape = Shape { name: "EntityData", bytes_min: 3, memory: 88, fields: &[String("EntityType"), String("EntityName"), Tags(&[])] };
static ALTER_CLIENT_QUOTAS_ENTRY_DATA_1: Shape = Shape { name: "EntryData", bytes_min: 5, memory: 88, fields: &[Fixed(2), String("ErrorMessage"), StructArray("Entity", &ALTER_CLIENT_QUOTAS_ENTITY_DATA_1), Tags(&[])] };
static ALTER_CLIENT_QUOTAS_RESPONSE_1: Shape = Shape { name: "AlterClientQuotasResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Entries", &ALTER_CLIENT_QUOTAS_ENTRY_DATA_1), Tags(&[])] };
static DESCRIBE_USER_SCRAM_CREDENTIALS_CREDENTIAL_INFO_0: Shape = Shape { name: "CredentialInfo", bytes_min: 6, memory: 32, fields: &[Fixed(5), Tags(&[])] };
static DESCRIBE_USER_SCRAM_CREDENTIALS_RESULT_0: Shape = Shape { name: "DescribeUserScramCredentialsResult", bytes_min: 6, memory: 120, fields: &[String("User"), Fixed(2), String("ErrorMessage"), StructArray("CredentialInfos", &DESCRIBE_USER_SCRAM_CREDENTIALS_CREDENTIAL_INFO_0), Tags(&[])] };
static DESCRIBE_USER_SCRAM_CREDENTIALS_RESPONSE_0: Shape = Shape { name: "DescribeUserScramCredentialsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Results", &DESCRIBE_USER_SCRAM_CREDENTIALS_RESULT_0), Tags(&[])] };
static ALTER_USER_SCRAM_CREDENTIALS_RESULT_0: Shape = Shape { name: "AlterUserScramCredentialsResult", bytes_min: 5, memory: 96, fields: &[String("User"), Fixed(2), String("ErrorMessage"), Tags(&[])] };
static ALTER_USER_SCRAM_CREDENTIALS_RESPONSE_0: Shape = Shape { name: "AlterUserScramCredentialsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Results", &ALTER_USER_SCRAM_CREDENTIALS_RESULT_0), Tags(&[])] };
static DESCRIBE_QUORUM_REPLICA_STATE_0: Shape = Shape { name: "ReplicaState", bytes_min: 13, memory: 72, fields: &[Fixed(12), Tags(&[])] };
static DESCRIBE_QUORUM_PARTITION_DATA_0: Shape = Shape { name: "PartitionData", bytes_min: 25, memory: 128, fields: &[Fixed(22), StructArray("CurrentVoters", &DESCRIBE_QUORUM_REPLICA_STATE_0), StructArray("Observers", &DESCRIBE_QUORUM_REPLICA_STATE_0), Tags(&[])] };
static DESCRIBE_QUORUM_TOPIC_DATA_0: Shape = Shape { name: "TopicData", bytes_min: 3, memory: 80, fields: &[String("TopicName"), StructArray("Partitions", &DESCRIBE_QUORUM_PARTITION_DATA_0), Tags(&[])] };
static DESCRIBE_QUORUM_RESPONSE_0: Shape = Shape { name: "DescribeQuorumResponse", bytes_min: 4, memory: 112, fields: &[Fixed(2), StructArray("Topics", &DESCRIBE_QUORUM_TOPIC_DATA_0), Tags(&[])] };
static DESCRIBE_QUORUM_REPLICA_STATE_1: Shape = Shape { name: "ReplicaState", bytes_min: 29, memory: 72, fields: &[Fixed(28), Tags(&[])] };
static DESCRIBE_QUORUM_PARTITION_DATA_1: Shape = Shape { name: "PartitionData", bytes_min: 25, memory: 128, fields: &[Fixed(22), StructArray("CurrentVoters", &DESCRIBE_QUORUM_REPLICA_STATE_1), StructArray("Observers", &DESCRIBE_QUORUM_REPLICA_STATE_1), Tags(&[])] };
static DESCRIBE_QUORUM_TOPIC_DATA_1: Shape = Shape { name: "TopicData", bytes_min: 3, memory: 80, fields: &[String("TopicName"), StructArray("Partitions", &DESCRIBE_QUORUM_PARTITION_DATA_1), Tags(&[])] };
static DESCRIBE_QUORUM_RESPONSE_1: Shape = Shape { name: "DescribeQuorumResponse", bytes_min: 4, memory: 112, fields: &[Fixed(2), StructArray("Topics", &DESCRIBE_QUORUM_TOPIC_DATA_1), Tags(&[])] };
static DESCRIBE_QUORUM_REPLICA_STATE_2: Shape = Shape { name: "ReplicaState", bytes_min: 45, memory: 72, fields: &[Fixed(44), Tags(&[])] };
static DESCRIBE_QUORUM_PARTITION_DATA_2: Shape = Shape { name: "PartitionData", bytes_min: 26, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), Fixed(16), StructArray("CurrentVoters", &DESCRIBE_QUORUM_REPLICA_STATE_2), StructArray("Observers", &DESCRIBE_QUORUM_REPLICA_STATE_2), Tags(&[])] };
static DESCRIBE_QUORUM_TOPIC_DATA_2: Shape = Shape { name: "TopicData", bytes_min: 3, memory: 80, fields: &[String("TopicName"), StructArray("Partitions", &DESCRIBE_QUORUM_PARTITION_DATA_2), Tags(&[])] };
static DESCRIBE_QUORUM_LISTENER_2: Shape = Shape { name: "Listener", bytes_min: 5, memory: 96, fields: &[String("Name"), String("Host"), Fixed(2), Tags(&[])] };
static DESCRIBE_QUORUM_NODE_2: Shape = Shape { name: "Node", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Listeners", &DESCRIBE_QUORUM_LISTENER_2), Tags(&[])] };
static DESCRIBE_QUORUM_RESPONSE_2: Shape = Shape { name: "DescribeQuorumResponse", bytes_min: 6, memory: 112, fields: &[Fixed(2), String("ErrorMessage"), StructArray("Topics", &DESCRIBE_QUORUM_TOPIC_DATA_2), StructArray("Nodes", &DESCRIBE_QUORUM_NODE_2), Tags(&[])] };
static UPDATE_FEATURES_UPDATABLE_FEATURE_RESULT_0: Shape = Shape { name: "UpdatableFeatureResult", bytes_min: 5, memory: 96, fields: &[String("Feature"), Fixed(2), String("ErrorMessage"), Tags(&[])] };
static UPDATE_FEATURES_RESPONSE_0: Shape = Shape { name: "UpdateFeaturesResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Results", &UPDATE_FEATURES_UPDATABLE_FEATURE_RESULT_0), Tags(&[])] };
static UPDATE_FEATURES_RESPONSE_2: Shape = Shape { name: "UpdateFeaturesResponse", bytes_min: 8, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static DESCRIBE_CLUSTER_BROKER_0: Shape = Shape { name: "DescribeClusterBroker", bytes_min: 11, memory: 104, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static DESCRIBE_CLUSTER_RESPONSE_0: Shape = Shape { name: "DescribeClusterResponse", bytes_min: 18, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), String("ClusterId"), Fixed(4), StructArray("Brokers", &DESCRIBE_CLUSTER_BROKER_0), Fixed(4), Tags(&[])] };
static DESCRIBE_CLUSTER_RESPONSE_1: Shape = Shape { name: "DescribeClusterResponse", bytes_min: 19, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), Fixed(1), String("ClusterId"), Fixed(4), StructArray("Brokers", &DESCRIBE_CLUSTER_BROKER_0), Fixed(4), Tags(&[])] };
static DESCRIBE_CLUSTER_BROKER_2: Shape = Shape { name: "DescribeClusterBroker", bytes_min: 12, memory: 104, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Fixed(1), Tags(&[])] };
static DESCRIBE_CLUSTER_RESPONSE_2: Shape = Shape { name: "DescribeClusterResponse", bytes_min: 19, memory: 128, fields: &[Fixed(6), String("ErrorMessage"), Fixed(1), String("ClusterId"), Fixed(4), StructArray("Brokers", &DESCRIBE_CLUSTER_BROKER_2), Fixed(4), Tags(&[])] };
static DESCRIBE_PRODUCERS_PRODUCER_STATE_0: Shape = Shape { name: "ProducerState", bytes_min: 37, memory: 64, fields: &[Fixed(36), Tags(&[])] };
static DESCRIBE_PRODUCERS_PARTITION_RESPONSE_0: Shape = Shape { name: "PartitionResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("ActiveProducers", &DESCRIBE_PRODUCERS_PRODUCER_STATE_0), Tags(&[])] };
static DESCRIBE_PRODUCERS_TOPIC_RESPONSE_0: Shape = Shape { name: "TopicResponse", bytes_min: 3, memory: 80, fields: &[String("Name"), StructArray("Partitions", &DESCRIBE_PRODUCERS_PARTITION_RESPONSE_0), Tags(&[])] };
static DESCRIBE_PRODUCERS_RESPONSE_0: Shape = Shape { name: "DescribeProducersResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Topics", &DESCRIBE_PRODUCERS_TOPIC_RESPONSE_0), Tags(&[])] };
static UNREGISTER_BROKER_RESPONSE_0: Shape = Shape { name: "UnregisterBrokerResponse", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static DESCRIBE_TRANSACTIONS_TOPIC_DATA_0: Shape = Shape { name: "TopicData", bytes_min: 3, memory: 80, fields: &[String("Topic"), FixedArray("Partitions", 4), Tags(&[])] };
static DESCRIBE_TRANSACTIONS_TRANSACTION_STATE_0: Shape = Shape { name: "TransactionState", bytes_min: 28, memory: 136, fields: &[Fixed(2), String("TransactionalId"), String("TransactionState"), Fixed(22), StructArray("Topics", &DESCRIBE_TRANSACTIONS_TOPIC_DATA_0), Tags(&[])] };
static DESCRIBE_TRANSACTIONS_RESPONSE_0: Shape = Shape { name: "DescribeTransactionsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("TransactionStates", &DESCRIBE_TRANSACTIONS_TRANSACTION_STATE_0), Tags(&[])] };
static LIST_TRANSACTIONS_TRANSACTION_STATE_0: Shape = Shape { name: "TransactionState", bytes_min: 11, memory: 96, fields: &[String("TransactionalId"), Fixed(8), String("TransactionState"), Tags(&[])] };
static LIST_TRANSACTIONS_RESPONSE_0: Shape = Shape { name: "ListTransactionsResponse", bytes_min: 9, memory: 80, fields: &[Fixed(6), StringArray("UnknownStateFilters"), StructArray("TransactionStates", &LIST_TRANSACTIONS_TRANSACTION_STATE_0), Tags(&[])] };
static CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS_0: Shape = Shape { name: "TopicPartitions", bytes_min: 18, memory: 64, fields: &[Fixed(16), FixedArray("Partitions", 4), Tags(&[])] };
static CONSUMER_GROUP_HEARTBEAT_RESPONSE_0: Shape = Shape { name: "ConsumerGroupHeartbeatResponse", bytes_min: 18, memory: 160, fields: &[Fixed(6), String("ErrorMessage"), String("MemberId"), Fixed(8), NullableStruct("Assignment", &[StructArray("TopicPartitions", &CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS_0), Tags(&[])]), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_TOPIC_PARTITIONS_0: Shape = Shape { name: "TopicPartitions", bytes_min: 19, memory: 96, fields: &[Fixed(16), String("TopicName"), FixedArray("Partitions", 4), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_MEMBER_0: Shape = Shape { name: "Member", bytes_min: 16, memory: 360, fields: &[String("MemberId"), String("InstanceId"), String("RackId"), Fixed(4), String("ClientId"), String("ClientHost"), StringArray("SubscribedTopicNames"), String("SubscribedTopicRegex"), StructArray("TopicPartitions", &CONSUMER_GROUP_DESCRIBE_TOPIC_PARTITIONS_0), Tags(&[]), StructArray("TopicPartitions", &CONSUMER_GROUP_DESCRIBE_TOPIC_PARTITIONS_0), Tags(&[]), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_DESCRIBED_GROUP_0: Shape = Shape { name: "DescribedGroup", bytes_min: 20, memory: 192, fields: &[Fixed(2), String("ErrorMessage"), String("GroupId"), String("GroupState"), Fixed(8), String("AssignorName"), StructArray("Members", &CONSUMER_GROUP_DESCRIBE_MEMBER_0), Fixed(4), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_RESPONSE_0: Shape = Shape { name: "ConsumerGroupDescribeResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &CONSUMER_GROUP_DESCRIBE_DESCRIBED_GROUP_0), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_MEMBER_1: Shape = Shape { name: "Member", bytes_min: 17, memory: 360, fields: &[String("MemberId"), String("InstanceId"), String("RackId"), Fixed(4), String("ClientId"), String("ClientHost"), StringArray("SubscribedTopicNames"), String("SubscribedTopicRegex"), StructArray("TopicPartitions", &CONSUMER_GROUP_DESCRIBE_TOPIC_PARTITIONS_0), Tags(&[]), StructArray("TopicPartitions", &CONSUMER_GROUP_DESCRIBE_TOPIC_PARTITIONS_0), Tags(&[]), Fixed(1), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_DESCRIBED_GROUP_1: Shape = Shape { name: "DescribedGroup", bytes_min: 20, memory: 192, fields: &[Fixed(2), String("ErrorMessage"), String("GroupId"), String("GroupState"), Fixed(8), String("AssignorName"), StructArray("Members", &CONSUMER_GROUP_DESCRIBE_MEMBER_1), Fixed(4), Tags(&[])] };
static CONSUMER_GROUP_DESCRIBE_RESPONSE_1: Shape = Shape { name: "ConsumerGroupDescribeResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &CONSUMER_GROUP_DESCRIBE_DESCRIBED_GROUP_1), Tags(&[])] };
static GET_TELEMETRY_SUBSCRIPTIONS_RESPONSE_0: Shape = Shape { name: "GetTelemetrySubscriptionsResponse", bytes_min: 38, memory: 112, fields: &[Fixed(26), FixedArray("AcceptedCompressionTypes", 1), Fixed(9), StringArray("RequestedMetrics"), Tags(&[])] };
static PUSH_TELEMETRY_RESPONSE_0: Shape = Shape { name: "PushTelemetryResponse", bytes_min: 7, memory: 32, fields: &[Fixed(6), Tags(&[])] };
static LIST_CONFIG_RESOURCES_CONFIG_RESOURCE_0: Shape = Shape { name: "ConfigResource", bytes_min: 2, memory: 64, fields: &[String("ResourceName"), Tags(&[])] };
static LIST_CONFIG_RESOURCES_RESPONSE_0: Shape = Shape { name: "ListConfigResourcesResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("ConfigResources", &LIST_CONFIG_RESOURCES_CONFIG_RESOURCE_0), Tags(&[])] };
static LIST_CONFIG_RESOURCES_CONFIG_RESOURCE_1: Shape = Shape { name: "ConfigResource", bytes_min: 3, memory: 64, fields: &[String("ResourceName"), Fixed(1), Tags(&[])] };
static LIST_CONFIG_RESOURCES_RESPONSE_1: Shape = Shape { name: "ListConfigResourcesResponse", bytes_min: 8, memory: 56, fields: &[Fixed(6), StructArray("ConfigResources", &LIST_CONFIG_RESOURCES_CONFIG_RESOURCE_1), Tags(&[])] };
static DESCRIBE_TOPIC_PARTITIONS_RESPONSE_PARTITION_0: Shape = Shape { name: "DescribeTopicPartitionsResponsePartition", bytes_min: 20, memory: 160, fields: &[Fixed(14), FixedArray("ReplicaNodes", 4), FixedArray("IsrNodes", 4), FixedArray("EligibleLeaderReplicas", 4), FixedArray("LastKnownElr", 4), FixedArray("OfflineReplicas", 4), Tags(&[])] };
static DESCRIBE_TOPIC_PARTITIONS_RESPONSE_TOPIC_0: Shape = Shape { name: "DescribeTopicPartitionsResponseTopic", bytes_min: 26, memory: 104, fields: &[Fixed(2), String("Name"), Fixed(17), StructArray("Partitions", &DESCRIBE_TOPIC_PARTITIONS_RESPONSE_PARTITION_0), Fixed(4), Tags(&[])] };
static DESCRIBE_TOPIC_PARTITIONS_RESPONSE_0: Shape = Shape { name: "DescribeTopicPartitionsResponse", bytes_min: 7, memory: 128, fields: &[Fixed(4), StructArray("Topics", &DESCRIBE_TOPIC_PARTITIONS_RESPONSE_TOPIC_0), NullableStruct("NextCursor", &[String("TopicName"), Fixed(4), Tags(&[])]), Tags(&[])] };
static SHARE_GROUP_HEARTBEAT_TOPIC_PARTITIONS_1: Shape = Shape { name: "TopicPartitions", bytes_min: 18, memory: 64, fields: &[Fixed(16), FixedArray("Partitions", 4), Tags(&[])] };
static SHARE_GROUP_HEARTBEAT_RESPONSE_1: Shape = Shape { name: "ShareGroupHeartbeatResponse", bytes_min: 18, memory: 160, fields: &[Fixed(6), String("ErrorMessage"), String("MemberId"), Fixed(8), NullableStruct("Assignment", &[StructArray("TopicPartitions", &SHARE_GROUP_HEARTBEAT_TOPIC_PARTITIONS_1), Tags(&[])]), Tags(&[])] };
static SHARE_GROUP_DESCRIBE_TOPIC_PARTITIONS_1: Shape = Shape { name: "TopicPartitions", bytes_min: 19, memory: 96, fields: &[Fixed(16), String("TopicName"), FixedArray("Partitions", 4), Tags(&[])] };
static SHARE_GROUP_DESCRIBE_MEMBER_1: Shape = Shape { name: "Member", bytes_min: 12, memory: 240, fields: &[String("MemberId"), String("RackId"), Fixed(4), String("ClientId"), String("ClientHost"), StringArray("SubscribedTopicNames"), StructArray("TopicPartitions", &SHARE_GROUP_DESCRIBE_TOPIC_PARTITIONS_1), Tags(&[]), Tags(&[])] };
static SHARE_GROUP_DESCRIBE_DESCRIBED_GROUP_1: Shape = Shape { name: "DescribedGroup", bytes_min: 20, memory: 192, fields: &[Fixed(2), String("ErrorMessage"), String("GroupId"), String("GroupState"), Fixed(8), String("AssignorName"), StructArray("Members", &SHARE_GROUP_DESCRIBE_MEMBER_1), Fixed(4), Tags(&[])] };
static SHARE_GROUP_DESCRIBE_RESPONSE_1: Shape = Shape { name: "ShareGroupDescribeResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &SHARE_GROUP_DESCRIBE_DESCRIBED_GROUP_1), Tags(&[])] };
static SHARE_FETCH_ACQUIRED_RECORDS_1: Shape = Shape { name: "AcquiredRecords", bytes_min: 19, memory: 48, fields: &[Fixed(18), Tags(&[])] };
static SHARE_FETCH_PARTITION_DATA_1: Shape = Shape { name: "PartitionData", bytes_min: 22, memory: 192, fields: &[Fixed(6), String("ErrorMessage"), Fixed(2), String("AcknowledgeErrorMessage"), Fixed(8), Tags(&[]), Bytes("Records"), StructArray("AcquiredRecords", &SHARE_FETCH_ACQUIRED_RECORDS_1), Tags(&[])] };
static SHARE_FETCHABLE_TOPIC_RESPONSE_1: Shape = Shape { name: "ShareFetchableTopicResponse", bytes_min: 18, memory: 64, fields: &[Fixed(16), StructArray("Partitions", &SHARE_FETCH_PARTITION_DATA_1), Tags(&[])] };
static SHARE_FETCH_NODE_ENDPOINT_1: Shape = Shape { name: "NodeEndpoint", bytes_min: 11, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static SHARE_FETCH_RESPONSE_1: Shape = Shape { name: "ShareFetchResponse", bytes_min: 14, memory: 120, fields: &[Fixed(6), String("ErrorMessage"), Fixed(4), StructArray("Responses", &SHARE_FETCHABLE_TOPIC_RESPONSE_1), StructArray("NodeEndpoints", &SHARE_FETCH_NODE_ENDPOINT_1), Tags(&[])] };
static SHARE_ACKNOWLEDGE_PARTITION_DATA_1: Shape = Shape { name: "PartitionData", bytes_min: 17, memory: 104, fields: &[Fixed(6), String("ErrorMessage"), Fixed(8), Tags(&[]), Tags(&[])] };
static SHARE_ACKNOWLEDGE_TOPIC_RESPONSE_1: Shape = Shape { name: "ShareAcknowledgeTopicResponse", bytes_min: 18, memory: 64, fields: &[Fixed(16), StructArray("Partitions", &SHARE_ACKNOWLEDGE_PARTITION_DATA_1), Tags(&[])] };
static SHARE_ACKNOWLEDGE_NODE_ENDPOINT_1: Shape = Shape { name: "NodeEndpoint", bytes_min: 11, memory: 96, fields: &[Fixed(4), String("Host"), Fixed(4), String("Rack"), Tags(&[])] };
static SHARE_ACKNOWLEDGE_RESPONSE_1: Shape = Shape { name: "ShareAcknowledgeResponse", bytes_min: 10, memory: 120, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Responses", &SHARE_ACKNOWLEDGE_TOPIC_RESPONSE_1), StructArray("NodeEndpoints", &SHARE_ACKNOWLEDGE_NODE_ENDPOINT_1), Tags(&[])] };
static ADD_RAFT_VOTER_RESPONSE_0: Shape = Shape { name: "AddRaftVoterResponse", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static REMOVE_RAFT_VOTER_RESPONSE_0: Shape = Shape { name: "RemoveRaftVoterResponse", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_PARTITION_0: Shape = Shape { name: "DescribeShareGroupOffsetsResponsePartition", bytes_min: 20, memory: 88, fields: &[Fixed(18), String("ErrorMessage"), Tags(&[])] };
static DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0: Shape = Shape { name: "DescribeShareGroupOffsetsResponseTopic", bytes_min: 19, memory: 96, fields: &[String("TopicName"), Fixed(16), StructArray("Partitions", &DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_PARTITION_0), Tags(&[])] };
static DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_GROUP_0: Shape = Shape { name: "DescribeShareGroupOffsetsResponseGroup", bytes_min: 6, memory: 120, fields: &[String("GroupId"), StructArray("Topics", &DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0), Fixed(2), String("ErrorMessage"), Tags(&[])] };
static DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_0: Shape = Shape { name: "DescribeShareGroupOffsetsResponse", bytes_min: 6, memory: 56, fields: &[Fixed(4), StructArray("Groups", &DESCRIBE_SHARE_GROUP_OFFSETS_RESPONSE_GROUP_0), Tags(&[])] };
static ALTER_SHARE_GROUP_OFFSETS_RESPONSE_PARTITION_0: Shape = Shape { name: "AlterShareGroupOffsetsResponsePartition", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
static ALTER_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0: Shape = Shape { name: "AlterShareGroupOffsetsResponseTopic", bytes_min: 19, memory: 96, fields: &[String("TopicName"), Fixed(16), StructArray("Partitions", &ALTER_SHARE_GROUP_OFFSETS_RESPONSE_PARTITION_0), Tags(&[])] };
static ALTER_SHARE_GROUP_OFFSETS_RESPONSE_0: Shape = Shape { name: "AlterShareGroupOffsetsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Responses", &ALTER_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0), Tags(&[])] };
static DELETE_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0: Shape = Shape { name: "DeleteShareGroupOffsetsResponseTopic", bytes_min: 21, memory: 112, fields: &[String("TopicName"), Fixed(18), String("ErrorMessage"), Tags(&[])] };
static DELETE_SHARE_GROUP_OFFSETS_RESPONSE_0: Shape = Shape { name: "DeleteShareGroupOffsetsResponse", bytes_min: 9, memory: 88, fields: &[Fixed(6), String("ErrorMessage"), StructArray("Responses", &DELETE_SHARE_GROUP_OFFSETS_RESPONSE_TOPIC_0), Tags(&[])] };
static UNREGISTER_CONTROLLER_RESPONSE_0: Shape = Shape { name: "UnregisterControllerResponse", bytes_min: 8, memory: 64, fields: &[Fixed(6), String("ErrorMessage"), Tags(&[])] };
