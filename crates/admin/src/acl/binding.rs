//! Access control lists: who is allowed, or denied, what on which resource.

use std::fmt;

use super::operation::AclOperation;
use crate::numbered::numbered;

numbered! {
    /// What kind of resource.
    AclResourceKind:
    /// Any, in a filter.
    Any = 1, "ANY";
    /// A topic.
    Topic = 2, "TOPIC";
    /// A group.
    Group = 3, "GROUP";
    /// The cluster, whose name is `kafka-cluster`.
    Cluster = 4, "CLUSTER";
    /// A transactional id.
    TransactionalId = 5, "TRANSACTIONAL_ID";
    /// A delegation token.
    DelegationToken = 6, "DELEGATION_TOKEN";
    /// A user, such as `User:alice`, for whom tokens are made (KIP-373).
    User = 7, "USER";
}

numbered! {
    /// How the name of a resource is meant.
    PatternKind:
    /// In a filter: of any kind.
    Any = 1, "ANY";
    /// In a filter: all that hold for the resource of this name, prefixes and `*` included.
    Match = 2, "MATCH";
    /// The resource of this name; `*` is all of them.
    Literal = 3, "LITERAL";
    /// All resources whose names begin so (KIP-290).
    Prefixed = 4, "PREFIXED";
}

numbered! {
    /// Whether it is allowed.
    AclPermission:
    /// Any, in a filter.
    Any = 1, "ANY";
    /// Denied, whatever else allows it.
    Deny = 2, "DENY";
    /// Allowed.
    Allow = 3, "ALLOW";
}

/// Name of the only resource of kind [`AclResourceKind::Cluster`].
const CLUSTER: &str = "kafka-cluster";
/// The host that stands for all.
const ALL_HOSTS: &str = "*";

/// Somebody is allowed, or denied, something on a resource.
///
/// # Examples
/// ```
/// use klamm_admin::{Acl, AclOperation, AclResourceKind};
///
/// let read = Acl::allow("User:billing", AclOperation::Read).on(AclResourceKind::Topic, "orders");
/// let write = Acl::allow("User:shop", AclOperation::Write).on_prefix(AclResourceKind::Topic, "orders-");
/// let deny = Acl::deny("User:shop", AclOperation::Alter).on_cluster().from_host("10.0.0.7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Acl {
    /// What kind of resource.
    pub resource: AclResourceKind,
    /// Its name.
    pub name: String,
    /// How the name is meant.
    pub pattern: PatternKind,
    /// Who, such as `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// From which address; `*` is any.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

impl Acl {
    /// Allows `operation` to `principal` (`User:alice`) on the cluster, from any address.
    #[must_use]
    pub fn allow(principal: impl Into<String>, operation: AclOperation) -> Self {
        Self {
            resource: AclResourceKind::Cluster,
            name: CLUSTER.to_owned(),
            pattern: PatternKind::Literal,
            principal: principal.into(),
            host: ALL_HOSTS.to_owned(),
            operation,
            permission: AclPermission::Allow,
        }
    }

    /// Denies `operation` to `principal` on the cluster, from any address.
    #[must_use]
    pub fn deny(principal: impl Into<String>, operation: AclOperation) -> Self {
        Self {
            permission: AclPermission::Deny,
            ..Self::allow(principal, operation)
        }
    }

    /// The same on a resource by its name; `*` is all of that kind.
    #[must_use]
    pub fn on(self, resource: AclResourceKind, name: impl Into<String>) -> Self {
        Self {
            resource,
            name: name.into(),
            pattern: PatternKind::Literal,
            ..self
        }
    }

    /// The same on all resources whose names begin so (KIP-290).
    #[must_use]
    pub fn on_prefix(self, resource: AclResourceKind, prefix: impl Into<String>) -> Self {
        Self {
            pattern: PatternKind::Prefixed,
            ..self.on(resource, prefix)
        }
    }

    /// The same on the cluster.
    #[must_use]
    pub fn on_cluster(self) -> Self {
        self.on(AclResourceKind::Cluster, CLUSTER)
    }

    /// The same from one address only.
    #[must_use]
    pub fn from_host(self, host: impl Into<String>) -> Self {
        let host = host.into();
        Self { host, ..self }
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            name,
            pattern,
            principal,
            host,
            operation,
            permission,
        } = self;
        write!(
            f,
            "{permission} {operation} to {principal} from {host} on {pattern} {resource} {name}"
        )
    }
}

/// Which ACLs; whatever is not set is any.
///
/// # Examples
/// ```
/// use klamm_admin::{AclFilter, AclResourceKind};
///
/// let on_orders = AclFilter::any().resource(AclResourceKind::Topic).matching("orders");
/// let of_billing = AclFilter::any().principal("User:billing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct AclFilter {
    pub(super) resource: AclResourceKind,
    pub(super) name: Option<String>,
    pub(super) pattern: PatternKind,
    pub(super) principal: Option<String>,
    pub(super) host: Option<String>,
    pub(super) operation: AclOperation,
    pub(super) permission: AclPermission,
}

impl AclFilter {
    /// All of them.
    pub fn any() -> Self {
        Self {
            resource: AclResourceKind::Any,
            name: None,
            pattern: PatternKind::Any,
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission: AclPermission::Any,
        }
    }

    /// This one alone.
    pub fn exactly(acl: Acl) -> Self {
        Self {
            resource: acl.resource,
            name: Some(acl.name),
            pattern: acl.pattern,
            principal: Some(acl.principal),
            host: Some(acl.host),
            operation: acl.operation,
            permission: acl.permission,
        }
    }

    /// On resources of this kind.
    pub fn resource(self, resource: AclResourceKind) -> Self {
        Self { resource, ..self }
    }

    /// With this name or prefix, of this kind.
    pub fn named(self, pattern: PatternKind, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            pattern,
            ..self
        }
    }

    /// Whatever holds for the resource of this name: by its name, by prefixes of it, by `*`.
    pub fn matching(self, name: impl Into<String>) -> Self {
        self.named(PatternKind::Match, name)
    }

    /// About this principal, such as `User:alice`.
    pub fn principal(self, principal: impl Into<String>) -> Self {
        Self {
            principal: Some(principal.into()),
            ..self
        }
    }

    /// About this address.
    pub fn host(self, host: impl Into<String>) -> Self {
        Self {
            host: Some(host.into()),
            ..self
        }
    }

    /// About this operation.
    pub fn operation(self, operation: AclOperation) -> Self {
        Self { operation, ..self }
    }

    /// With this permission.
    pub fn permission(self, permission: AclPermission) -> Self {
        Self { permission, ..self }
    }
}

impl fmt::Display for AclFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_any = |text: &Option<String>| text.clone().unwrap_or_else(|| "any".to_owned());
        write!(
            f,
            "ACLs with {} {} to {} from {} on {} {} {}",
            self.permission,
            self.operation,
            or_any(&self.principal),
            or_any(&self.host),
            self.pattern,
            self.resource,
            or_any(&self.name),
        )
    }
}
