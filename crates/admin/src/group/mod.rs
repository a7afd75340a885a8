//! Groups: classic, consumer and share groups, their members and offsets.

mod classic;
mod consumer;
mod delete;
mod lag;
mod list;
mod members;
mod offsets;
mod share;
mod share_offsets;
mod state;

pub use self::classic::{ClassicGroup, ClassicMember};
pub use self::consumer::{ConsumerGroup, ConsumerGroupMember};
pub use self::lag::{GroupLag, PartitionLag};
pub use self::list::{GroupListing, ListGroups};
pub use self::members::MemberToRemove;
pub use self::offsets::{CommittedOffset, GroupOffsets, ListGroupOffsets};
pub use self::share::{ShareGroup, ShareGroupMember};
pub use self::share_offsets::{ShareGroupOffsets, ShareOffset};
pub use self::state::{GroupState, GroupType};

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use crate::admin::Admin;
use crate::driver::{Call, drive};
use crate::error::Error;
use crate::results::Results;

/// The description of groups; happens when awaited. Made by [`Admin::describe_consumer_groups`] and
/// its like.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct DescribeGroups<G> {
    admin: Admin,
    groups: Vec<String>,
    authorized_operations: bool,
    kind: PhantomData<fn() -> G>,
}

impl<G> DescribeGroups<G> {
    fn new<S: Into<String>>(admin: &Admin, groups: impl IntoIterator<Item = S>) -> Self {
        Self {
            admin: admin.clone(),
            groups: groups.into_iter().map(Into::into).collect(),
            authorized_operations: false,
            kind: PhantomData,
        }
    }

    /// Also asks what this client may do with each group (KIP-430). Default: `false`.
    pub fn authorized_operations(mut self, ask: bool) -> Self {
        self.authorized_operations = ask;
        self
    }
}

/// A kind of group that can be described.
trait Describable: Sized + Send + 'static {
    /// How groups of this kind alone are asked for.
    fn call(authorized_operations: bool) -> impl Call<Key = String, Value = Self>;

    fn describe(
        admin: Admin,
        groups: Vec<String>,
        authorized_operations: bool,
    ) -> impl Future<Output = Result<Results<String, Self>, Error>> + Send {
        async move { drive(&admin, Self::call(authorized_operations), groups).await }
    }
}

macro_rules! describable {
    ($($group:ty),*) => {
        $(
            impl std::future::IntoFuture for DescribeGroups<$group> {
                type Output = Result<Results<String, $group>, Error>;
                type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

                fn into_future(self) -> Self::IntoFuture {
                    let described =
                        <$group>::describe(self.admin, self.groups, self.authorized_operations);
                    Box::pin(described)
                }
            }
        )*
    };
}

describable!(ClassicGroup, ConsumerGroup, ShareGroup);
