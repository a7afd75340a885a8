//! `ListGroups`, `DescribeGroups`, `DeleteGroups`.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::membership::check_coordinator;
use super::{Call, Reply, Serve, code, text};
use crate::coordinator::Members;
use crate::group::{Group, Member, State};

impl Serve for ListGroupsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ListGroupsResponse> {
        let allows = |filter: &[StrBytes], name: &str| {
            filter.is_empty()
                || filter
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let cluster = call.shared.cluster();
        let groups = cluster
            .coordinator
            .groups()
            // Each node lists what it coordinates.
            .filter(|(id, _)| cluster.coordinator_of(id).id == call.peer.node)
            .map(|(id, members)| (id, members.names()))
            .filter(|(_, (kind, _, state))| {
                allows(&self.states_filter, state) && allows(&self.types_filter, kind)
            })
            .map(|(id, (kind, protocol, state))| {
                ListedGroup::default()
                    .with_group_id(GroupId(text(id)))
                    .with_protocol_type(text(protocol))
                    .with_group_state(text(state))
                    .with_group_type(text(kind))
            });
        Reply::Answer(ListGroupsResponse::default().with_groups(groups.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ListGroupsResponse {
        ListGroupsResponse::default().with_error_code(code)
    }
}

impl Serve for DescribeGroupsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DescribeGroupsResponse> {
        let cluster = call.shared.cluster();
        let groups = self.groups.iter().map(|id| {
            let answer = DescribedGroup::default().with_group_id(id.clone());
            if let Err(error) = check_coordinator(&cluster, call, id) {
                return answer.with_error_code(error.code());
            }
            match cluster.coordinator.members(id) {
                Some(Members::Classic(group)) => describe(answer, group),
                // KIP-1043: since version 6 the absence of a group is an error.
                _ if call.version >= 6 => answer
                    .with_group_state(text("Dead"))
                    .with_error_code(ResponseError::GroupIdNotFound.code())
                    .with_error_message(Some(text(format!("Group {} not found.", id.as_str())))),
                _ => answer.with_group_state(text("Dead")),
            }
        });
        Reply::Answer(DescribeGroupsResponse::default().with_groups(groups.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DescribeGroupsResponse {
        let refused = |id: &GroupId| {
            DescribedGroup::default()
                .with_group_id(id.clone())
                .with_error_code(code)
        };
        DescribeGroupsResponse::default().with_groups(self.groups.iter().map(refused).collect())
    }
}

fn describe(answer: DescribedGroup, group: &Group) -> DescribedGroup {
    // While a rebalance runs there is no protocol yet, and no metadata for it.
    let protocol = if group.state() == State::Stable {
        group.protocol()
    } else {
        ""
    };
    let member = |member: &Member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance_id.as_ref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata(protocol))
            .with_member_assignment(member.assignment.clone())
    };
    answer
        .with_group_state(text(group.state().name()))
        .with_protocol_type(text(group.protocol_type()))
        .with_protocol_data(text(protocol))
        .with_members(group.members().iter().map(member).collect())
}

impl Serve for DeleteGroupsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DeleteGroupsResponse> {
        let mut cluster = call.shared.cluster();
        let results = self.groups_names.iter().map(|id| {
            let result =
                check_coordinator(&cluster, call, id).and_then(|()| cluster.coordinator.delete(id));
            DeletableGroupResult::default()
                .with_group_id(id.clone())
                .with_error_code(code(result))
        });
        Reply::Answer(DeleteGroupsResponse::default().with_results(results.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DeleteGroupsResponse {
        let refused = |id: &GroupId| {
            DeletableGroupResult::default()
                .with_group_id(id.clone())
                .with_error_code(code)
        };
        DeleteGroupsResponse::default()
            .with_results(self.groups_names.iter().map(refused).collect())
    }
}
