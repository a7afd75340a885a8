//! Who may do what (KIP-11, KIP-290).

mod binding;
mod create;
mod delete;
mod describe;
mod operation;

pub use self::binding::{Acl, AclFilter, AclPermission, AclResourceKind, PatternKind};
pub use self::operation::AclOperation;
pub(crate) use self::operation::authorized_operations;
