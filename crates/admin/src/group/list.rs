//! Listing groups.

use klamm_codec::messages::{ListGroupsRequest, ListGroupsResponse};
use klamm_net::NodeId;

use super::state::{GroupState, GroupType};
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target};
use crate::error::Error;
use crate::gathered::{Gathered, gather};
use crate::wire::{some_text, text};

/// The first versions of `ListGroups` that know states (KIP-518) and types (KIP-848).
const STATES_VERSION: i16 = 4;
const TYPES_VERSION: i16 = 5;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// What its members do with each other: `consumer`, `connect`, `share`, ...; empty if only
    /// offsets were committed.
    pub protocol_type: String,
    /// What it is doing; `None` before Kafka 2.6.
    pub state: Option<GroupState>,
    /// By which protocol it works; `None` before Kafka 3.8.
    pub group_type: Option<GroupType>,
}

impl GroupListing {
    /// Whether offsets are committed to it by consumers that choose their partitions themselves.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_empty()
            && !matches!(&self.group_type, Some(it) if *it != GroupType::Classic)
    }
}

/// The listing of groups; happens when awaited. Made by [`Admin::list_groups`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct ListGroups {
    admin: Admin,
    call: List,
}

impl Admin {
    /// All groups that this client may see, by id; every broker is asked for those that it
    /// coordinates.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a filter is too new, [`Error::Net`] if no broker answered in time;
    /// the failures of some are in [`Gathered::failures`].
    ///
    /// # Examples
    /// ```
    /// # async fn list(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::GroupState;
    ///
    /// for group in admin.list_groups().states([GroupState::Empty]).await?.all()? {
    ///     println!("{}", group.group_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_groups(&self) -> ListGroups {
        ListGroups {
            admin: self.clone(),
            call: List::default(),
        }
    }
}

impl ListGroups {
    /// Only groups in one of these states (KIP-518, Kafka 2.6). Default: all.
    pub fn states(mut self, states: impl IntoIterator<Item = GroupState>) -> Self {
        self.call.states = states.into_iter().collect();
        self
    }

    /// Only groups of one of these types (KIP-848, Kafka 3.8). Default: all.
    pub fn types(mut self, types: impl IntoIterator<Item = GroupType>) -> Self {
        self.call.types = types.into_iter().collect();
        self
    }

    async fn run(self) -> Result<Gathered<GroupListing>, Error> {
        let mut groups = gather(&self.admin, self.call).await?;
        groups
            .found
            .sort_by(|one, other| one.group_id.cmp(&other.group_id));
        // One that moves meanwhile is found twice.
        groups
            .found
            .dedup_by(|one, other| one.group_id == other.group_id);
        Ok(groups)
    }
}

awaitable!(ListGroups => Gathered<GroupListing>);

#[derive(Clone, Debug, Default)]
struct List {
    states: Vec<GroupState>,
    types: Vec<GroupType>,
}

impl Call for List {
    const NOUN: &'static str = "broker";
    type Key = NodeId;
    type Value = Vec<GroupListing>;
    type Request = ListGroupsRequest;

    fn target(&self, node: &NodeId) -> Target {
        Target::Node(*node)
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<ListGroupsRequest, Error> {
        let mut request = ListGroupsRequest::default();
        if !self.states.is_empty() {
            batch.needs(STATES_VERSION, "listing groups by state", "2.6 (KIP-518)")?;
            let states = self.states.iter().map(|state| text(state.as_str()));
            request = request.with_states_filter(states.collect());
        }
        if !self.types.is_empty() {
            batch.needs(TYPES_VERSION, "listing groups by type", "3.8 (KIP-848)")?;
            let types = self.types.iter().map(|kind| text(kind.as_str()));
            request = request.with_types_filter(types.collect());
        }
        Ok(request)
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: ListGroupsResponse,
        answers: &mut Answers<NodeId, Vec<GroupListing>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let groups = response.groups.into_iter().map(|group| GroupListing {
            group_id: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: some_text(&group.group_state).map(|state| GroupState::of(&state)),
            group_type: some_text(&group.group_type).map(|kind| GroupType::of(&kind)),
        });
        let node = batch.keys[0];
        answers.answer(node, response.error_code, None, || groups.collect());
    }
}
