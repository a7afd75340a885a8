//! Kafka's error codes, with their names and what a client may do about them.
//!
//! A code that is newer than this table stays a number: it prints as `error 999` and is not
//! retriable. What an error means for one API (fatal to a transaction, abortable, ...) is decided
//! where that API lives; here is only what holds everywhere.

use std::fmt;

/// An error code as a broker sends it; 0 is no error.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

/// What a client may do about an error, apart from the API it came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Trying again changes nothing.
    Final,
    /// The same request may succeed later.
    Retriable,
    /// As retriable, after the metadata has been refreshed (Java's `InvalidMetadataException`).
    Refresh,
}

macro_rules! error_codes {
    (@class final) => { Class::Final };
    (@class retriable) => { Class::Retriable };
    (@class refresh) => { Class::Refresh };
    ($($name:ident = $code:literal, $class:tt;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", stringify!($code), ".")]
                pub const $name: ErrorCode = ErrorCode($code);
            )*

            /// Kafka's name of this code, if it is one that klamm knows.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    0 => Some("NONE"),
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            const fn class(self) -> Class {
                match self.0 {
                    $($code => error_codes!(@class $class),)*
                    _ => Class::Final,
                }
            }
        }
    };
}

impl ErrorCode {
    /// No error.
    pub const NONE: ErrorCode = ErrorCode(0);

    /// Whether this is no error.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// `Ok` for code 0, the code otherwise.
    ///
    /// # Errors
    /// The code itself.
    pub const fn check(self) -> Result<(), ErrorCode> {
        if self.is_none() { Ok(()) } else { Err(self) }
    }

    /// Whether the same request may succeed when sent again, as the Java client classes it.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        !matches!(self.class(), Class::Final)
    }

    /// Whether the client's view of the cluster is stale, so that metadata must be refreshed first.
    #[must_use]
    pub const fn needs_metadata(self) -> bool {
        matches!(self.class(), Class::Refresh)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

error_codes! {
    UNKNOWN_SERVER_ERROR = -1, final;
    OFFSET_OUT_OF_RANGE = 1, final;
    CORRUPT_MESSAGE = 2, retriable;
    UNKNOWN_TOPIC_OR_PARTITION = 3, refresh;
    INVALID_FETCH_SIZE = 4, final;
    LEADER_NOT_AVAILABLE = 5, refresh;
    NOT_LEADER_OR_FOLLOWER = 6, refresh;
    REQUEST_TIMED_OUT = 7, retriable;
    BROKER_NOT_AVAILABLE = 8, final;
    REPLICA_NOT_AVAILABLE = 9, refresh;
    MESSAGE_TOO_LARGE = 10, final;
    STALE_CONTROLLER_EPOCH = 11, final;
    OFFSET_METADATA_TOO_LARGE = 12, final;
    NETWORK_EXCEPTION = 13, refresh;
    COORDINATOR_LOAD_IN_PROGRESS = 14, retriable;
    COORDINATOR_NOT_AVAILABLE = 15, retriable;
    NOT_COORDINATOR = 16, retriable;
    INVALID_TOPIC_EXCEPTION = 17, final;
    RECORD_LIST_TOO_LARGE = 18, final;
    NOT_ENOUGH_REPLICAS = 19, retriable;
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, retriable;
    INVALID_REQUIRED_ACKS = 21, final;
    ILLEGAL_GENERATION = 22, final;
    INCONSISTENT_GROUP_PROTOCOL = 23, final;
    INVALID_GROUP_ID = 24, final;
    UNKNOWN_MEMBER_ID = 25, final;
    INVALID_SESSION_TIMEOUT = 26, final;
    REBALANCE_IN_PROGRESS = 27, final;
    INVALID_COMMIT_OFFSET_SIZE = 28, final;
    TOPIC_AUTHORIZATION_FAILED = 29, final;
    GROUP_AUTHORIZATION_FAILED = 30, final;
    CLUSTER_AUTHORIZATION_FAILED = 31, final;
    INVALID_TIMESTAMP = 32, final;
    UNSUPPORTED_SASL_MECHANISM = 33, final;
    ILLEGAL_SASL_STATE = 34, final;
    UNSUPPORTED_VERSION = 35, final;
    TOPIC_ALREADY_EXISTS = 36, final;
    INVALID_PARTITIONS = 37, final;
    INVALID_REPLICATION_FACTOR = 38, final;
    INVALID_REPLICA_ASSIGNMENT = 39, final;
    INVALID_CONFIG = 40, final;
    NOT_CONTROLLER = 41, retriable;
    INVALID_REQUEST = 42, final;
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, final;
    POLICY_VIOLATION = 44, final;
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, final;
    DUPLICATE_SEQUENCE_NUMBER = 46, final;
    INVALID_PRODUCER_EPOCH = 47, final;
    INVALID_TXN_STATE = 48, final;
    INVALID_PRODUCER_ID_MAPPING = 49, final;
    INVALID_TRANSACTION_TIMEOUT = 50, final;
    CONCURRENT_TRANSACTIONS = 51, retriable;
    TRANSACTION_COORDINATOR_FENCED = 52, final;
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, final;
    SECURITY_DISABLED = 54, final;
    OPERATION_NOT_ATTEMPTED = 55, final;
    KAFKA_STORAGE_ERROR = 56, refresh;
    LOG_DIR_NOT_FOUND = 57, final;
    SASL_AUTHENTICATION_FAILED = 58, final;
    UNKNOWN_PRODUCER_ID = 59, final;
    REASSIGNMENT_IN_PROGRESS = 60, final;
    DELEGATION_TOKEN_AUTH_DISABLED = 61, final;
    DELEGATION_TOKEN_NOT_FOUND = 62, final;
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, final;
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, final;
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, final;
    DELEGATION_TOKEN_EXPIRED = 66, final;
    INVALID_PRINCIPAL_TYPE = 67, final;
    NON_EMPTY_GROUP = 68, final;
    GROUP_ID_NOT_FOUND = 69, final;
    FETCH_SESSION_ID_NOT_FOUND = 70, retriable;
    INVALID_FETCH_SESSION_EPOCH = 71, retriable;
    LISTENER_NOT_FOUND = 72, refresh;
    TOPIC_DELETION_DISABLED = 73, final;
    FENCED_LEADER_EPOCH = 74, refresh;
    UNKNOWN_LEADER_EPOCH = 75, retriable;
    UNSUPPORTED_COMPRESSION_TYPE = 76, final;
    STALE_BROKER_EPOCH = 77, final;
    OFFSET_NOT_AVAILABLE = 78, retriable;
    MEMBER_ID_REQUIRED = 79, final;
    PREFERRED_LEADER_NOT_AVAILABLE = 80, refresh;
    GROUP_MAX_SIZE_REACHED = 81, final;
    FENCED_INSTANCE_ID = 82, final;
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, refresh;
    ELECTION_NOT_NEEDED = 84, refresh;
    NO_REASSIGNMENT_IN_PROGRESS = 85, final;
    GROUP_SUBSCRIBED_TO_TOPIC = 86, final;
    INVALID_RECORD = 87, final;
    UNSTABLE_OFFSET_COMMIT = 88, retriable;
    THROTTLING_QUOTA_EXCEEDED = 89, retriable;
    PRODUCER_FENCED = 90, final;
    RESOURCE_NOT_FOUND = 91, final;
    DUPLICATE_RESOURCE = 92, final;
    UNACCEPTABLE_CREDENTIAL = 93, final;
    INCONSISTENT_VOTER_SET = 94, final;
    INVALID_UPDATE_VERSION = 95, final;
    FEATURE_UPDATE_FAILED = 96, final;
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, final;
    SNAPSHOT_NOT_FOUND = 98, final;
    POSITION_OUT_OF_RANGE = 99, final;
    UNKNOWN_TOPIC_ID = 100, refresh;
    DUPLICATE_BROKER_REGISTRATION = 101, final;
    BROKER_ID_NOT_REGISTERED = 102, final;
    INCONSISTENT_TOPIC_ID = 103, refresh;
    INCONSISTENT_CLUSTER_ID = 104, final;
    TRANSACTIONAL_ID_NOT_FOUND = 105, final;
    FETCH_SESSION_TOPIC_ID_ERROR = 106, retriable;
    INELIGIBLE_REPLICA = 107, final;
    NEW_LEADER_ELECTED = 108, final;
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, final;
    FENCED_MEMBER_EPOCH = 110, final;
    UNRELEASED_INSTANCE_ID = 111, final;
    UNSUPPORTED_ASSIGNOR = 112, final;
    STALE_MEMBER_EPOCH = 113, final;
    MISMATCHED_ENDPOINT_TYPE = 114, final;
    UNSUPPORTED_ENDPOINT_TYPE = 115, final;
    UNKNOWN_CONTROLLER_ID = 116, final;
    UNKNOWN_SUBSCRIPTION_ID = 117, final;
    TELEMETRY_TOO_LARGE = 118, final;
    INVALID_REGISTRATION = 119, final;
    TRANSACTION_ABORTABLE = 120, final;
    INVALID_RECORD_STATE = 121, final;
    SHARE_SESSION_NOT_FOUND = 122, retriable;
    INVALID_SHARE_SESSION_EPOCH = 123, retriable;
    FENCED_STATE_EPOCH = 124, final;
    INVALID_VOTER_KEY = 125, final;
    DUPLICATE_VOTER = 126, final;
    VOTER_NOT_FOUND = 127, final;
    INVALID_REGULAR_EXPRESSION = 128, final;
    REBOOTSTRAP_REQUIRED = 129, final;
    STREAMS_INVALID_TOPOLOGY = 130, final;
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, final;
    STREAMS_TOPOLOGY_FENCED = 132, final;
    SHARE_SESSION_LIMIT_REACHED = 133, retriable;
    GROUP_DELETION_FAILED = 134, final;
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135, final;
    CONTROLLER_ID_NOT_REGISTERED = 136, final;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_classes_agree_with_the_message_crate() {
        for code in -1..=133 {
            let ours = ErrorCode(code);
            let Some(theirs) = kafka_protocol::ResponseError::try_from_code(code) else {
                assert!(ours.is_none());
                continue;
            };
            let name = ours.name().expect("every code up to 133 has a name");
            assert_eq!(
                name.replace('_', "").to_lowercase(),
                format!("{theirs:?}").to_lowercase(),
            );
            // Java retries CONCURRENT_TRANSACTIONS; the message crate says it is final.
            if ours != ErrorCode::CONCURRENT_TRANSACTIONS {
                assert_eq!(ours.is_retriable(), theirs.is_retriable(), "{ours}");
            }
        }
    }

    #[test]
    fn a_code_newer_than_the_table_stays_a_number() {
        assert_eq!(ErrorCode(999).to_string(), "error 999");
        assert!(!ErrorCode(999).is_retriable());
    }
}
