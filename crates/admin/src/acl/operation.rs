//! What may be done with a resource.

use crate::numbered::numbered;

numbered! {
    /// What may be done with a resource.
    AclOperation:
    /// Any, in a filter.
    Any = 1, "ANY";
    /// All of them.
    All = 2, "ALL";
    /// Reading records, joining groups.
    Read = 3, "READ";
    /// Writing records.
    Write = 4, "WRITE";
    /// Creating.
    Create = 5, "CREATE";
    /// Deleting.
    Delete = 6, "DELETE";
    /// Altering.
    Alter = 7, "ALTER";
    /// Describing.
    Describe = 8, "DESCRIBE";
    /// What one broker asks of another.
    ClusterAction = 9, "CLUSTER_ACTION";
    /// Describing the configuration.
    DescribeConfigs = 10, "DESCRIBE_CONFIGS";
    /// Altering the configuration.
    AlterConfigs = 11, "ALTER_CONFIGS";
    /// Idempotent writing, before Kafka 3.0.
    IdempotentWrite = 12, "IDEMPOTENT_WRITE";
    /// Creating delegation tokens.
    CreateTokens = 13, "CREATE_TOKENS";
    /// Describing delegation tokens.
    DescribeTokens = 14, "DESCRIBE_TOKENS";
    /// Two-phase commit of transactions (KIP-939).
    TwoPhaseCommit = 15, "TWO_PHASE_COMMIT";
}

/// The operations in a bit field; `None` for the number that says that none were asked for.
pub(crate) fn authorized_operations(bits: i32) -> Option<Vec<AclOperation>> {
    let operations = (0..31).filter(|bit| bits & (1 << bit) != 0);
    (bits != i32::MIN).then(|| operations.map(|bit| AclOperation::of(bit as i8)).collect())
}
