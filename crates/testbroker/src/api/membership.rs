//! `FindCoordinator`, `JoinGroup`, `SyncGroup`, Heartbeat, `LeaveGroup`.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Call, Reply, Serve, code, millis, text};
use crate::cluster::Cluster;
use crate::group::{Answer, Caller, JoinAnswer, JoinRequest, RequestId, SyncAnswer, SyncRequest};

/// Kafka's default of `group.max.session.timeout.ms`.
const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(1800);
/// Groups, transactional ids, and share group partitions (KIP-932), which are not served.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

impl Serve for FindCoordinatorRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<FindCoordinatorResponse> {
        if !KEY_TYPES.contains(&self.key_type) {
            return Reply::Answer(self.refuse(call, ResponseError::InvalidRequest.code()));
        }
        let cluster = call.shared.cluster();
        if call.version < 4 {
            let node = cluster.coordinator_of(&self.key);
            let response = FindCoordinatorResponse::default()
                .with_node_id(node.id)
                .with_host(text(&node.host));
            return Reply::Answer(response.with_port(i32::from(node.port)));
        }
        let coordinators = self.coordinator_keys.iter().map(|key| {
            let node = cluster.coordinator_of(key);
            let coordinator = Coordinator::default()
                .with_key(key.clone())
                .with_node_id(node.id);
            coordinator
                .with_host(text(&node.host))
                .with_port(i32::from(node.port))
        });
        Reply::Answer(FindCoordinatorResponse::default().with_coordinators(coordinators.collect()))
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> FindCoordinatorResponse {
        if call.version < 4 {
            let response = FindCoordinatorResponse::default().with_error_code(code);
            return response.with_node_id(BrokerId(-1)).with_port(-1);
        }
        let coordinators = self.coordinator_keys.iter().map(|key| {
            let coordinator = Coordinator::default()
                .with_key(key.clone())
                .with_error_code(code);
            coordinator.with_node_id(BrokerId(-1)).with_port(-1)
        });
        FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
    }
}

/// Whether this node coordinates the group.
pub(super) fn check_coordinator(
    cluster: &Cluster,
    call: &Call<'_>,
    group_id: &str,
) -> Result<(), ResponseError> {
    if cluster.coordinator_of(group_id).id == call.peer.node {
        Ok(())
    } else {
        Err(ResponseError::NotCoordinator)
    }
}

pub(super) fn caller(member_id: &str, instance_id: Option<&StrBytes>, generation: i32) -> Caller {
    Caller {
        member_id: member_id.to_owned(),
        instance_id: owned(instance_id),
        generation,
    }
}

fn owned(text: Option<&StrBytes>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

/// A copy that does not keep the request's frame in memory.
fn detached(data: &Bytes) -> Bytes {
    Bytes::copy_from_slice(data)
}

impl Serve for JoinGroupRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<JoinGroupResponse> {
        let answer = match start_join(&self, call) {
            Ok(waiting) => waiting.await.unwrap_or_else(|_| dropped_join(&self)),
            Err(error) => Answer::Join(JoinAnswer::refused(error, self.member_id.to_string())),
        };
        let Answer::Join(answer) = answer else {
            return Reply::Close;
        };
        Reply::Answer(join_response(answer, call.version))
    }

    fn refuse(&self, call: &Call<'_>, code: i16) -> JoinGroupResponse {
        let answer = JoinAnswer::refused(
            ResponseError::UnknownServerError,
            self.member_id.to_string(),
        );
        join_response(answer, call.version).with_error_code(code)
    }
}

fn dropped_join(request: &JoinGroupRequest) -> Answer {
    Answer::Join(JoinAnswer::refused(
        ResponseError::CoordinatorNotAvailable,
        request.member_id.to_string(),
    ))
}

fn start_join(
    request: &JoinGroupRequest,
    call: &Call<'_>,
) -> Result<oneshot::Receiver<Answer>, ResponseError> {
    let mut cluster = call.shared.cluster();
    check_coordinator(&cluster, call, &request.group_id)?;
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let session_timeout = millis(request.session_timeout_ms);
    if !(cluster.options.session_timeout_min..=SESSION_TIMEOUT_MAX).contains(&session_timeout) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let prefix = request
        .group_instance_id
        .as_ref()
        .map_or(call.client_id.as_str(), |id| id.as_str());
    let new_member_id = cluster.new_member_id(prefix);
    let protocol = |protocol: &JoinGroupRequestProtocol| {
        (protocol.name.to_string(), detached(&protocol.metadata))
    };
    let join = JoinRequest {
        id: RequestId(0),
        member_id: request.member_id.to_string(),
        new_member_id,
        instance_id: owned(request.group_instance_id.as_ref()),
        client_id: call.client_id.clone(),
        client_host: call.peer.host.clone(),
        session_timeout,
        // Version 0 has none of its own.
        rebalance_timeout: if call.version == 0 {
            session_timeout
        } else {
            millis(request.rebalance_timeout_ms)
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        requires_known_member_id: call.version >= 4,
        supports_skipping_assignment: call.version >= 9,
    };
    let waiting = cluster
        .coordinator
        .join(Instant::now(), &request.group_id, join)?;
    call.shared.timers_moved.notify_one();
    Ok(waiting)
}

fn join_response(answer: JoinAnswer, version: i16) -> JoinGroupResponse {
    let member = |(id, instance_id, metadata): (String, Option<String>, Bytes)| {
        let member = JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_metadata(metadata);
        member.with_group_instance_id(instance_id.map(text))
    };
    // Null only since version 7.
    let protocol = answer
        .protocol
        .map(text)
        .or_else(|| (version < 7).then(StrBytes::new));
    JoinGroupResponse::default()
        .with_error_code(answer.error.map_or(0, |error| error.code()))
        .with_generation_id(answer.generation)
        .with_protocol_type(answer.protocol_type.map(text))
        .with_protocol_name(protocol)
        .with_leader(text(answer.leader))
        .with_skip_assignment(answer.skip_assignment)
        .with_member_id(text(answer.member_id))
        .with_members(answer.members.into_iter().map(member).collect())
}

impl Serve for SyncGroupRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<SyncGroupResponse> {
        let answer = match start_sync(&self, call) {
            Ok(waiting) => {
                let dropped =
                    || Answer::Sync(SyncAnswer::refused(ResponseError::CoordinatorNotAvailable));
                waiting.await.unwrap_or_else(|_| dropped())
            }
            Err(error) => Answer::Sync(SyncAnswer::refused(error)),
        };
        let Answer::Sync(answer) = answer else {
            return Reply::Close;
        };
        Reply::Answer(
            SyncGroupResponse::default()
                .with_error_code(answer.error.map_or(0, |error| error.code()))
                .with_protocol_type(answer.protocol_type.map(text))
                .with_protocol_name(answer.protocol.map(text))
                .with_assignment(answer.assignment),
        )
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> SyncGroupResponse {
        SyncGroupResponse::default().with_error_code(code)
    }
}

fn start_sync(
    request: &SyncGroupRequest,
    call: &Call<'_>,
) -> Result<oneshot::Receiver<Answer>, ResponseError> {
    let mut cluster = call.shared.cluster();
    check_coordinator(&cluster, call, &request.group_id)?;
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let assignment = |assignment: &SyncGroupRequestAssignment| {
        (
            assignment.member_id.to_string(),
            detached(&assignment.assignment),
        )
    };
    let sync = SyncRequest {
        id: RequestId(0),
        caller: caller(
            &request.member_id,
            request.group_instance_id.as_ref(),
            request.generation_id,
        ),
        protocol_type: owned(request.protocol_type.as_ref()),
        protocol: owned(request.protocol_name.as_ref()),
        assignments: request.assignments.iter().map(assignment).collect(),
    };
    let waiting = cluster
        .coordinator
        .sync(Instant::now(), &request.group_id, sync)?;
    call.shared.timers_moved.notify_one();
    Ok(waiting)
}

impl Serve for HeartbeatRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<HeartbeatResponse> {
        let mut cluster = call.shared.cluster();
        let caller = caller(
            &self.member_id,
            self.group_instance_id.as_ref(),
            self.generation_id,
        );
        let result = check_coordinator(&cluster, call, &self.group_id).and_then(|()| {
            cluster
                .coordinator
                .heartbeat(Instant::now(), &self.group_id, &caller)
        });
        Reply::Answer(HeartbeatResponse::default().with_error_code(code(result)))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> HeartbeatResponse {
        HeartbeatResponse::default().with_error_code(code)
    }
}

impl Serve for LeaveGroupRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<LeaveGroupResponse> {
        let mut cluster = call.shared.cluster();
        if let Err(error) = check_coordinator(&cluster, call, &self.group_id) {
            return Reply::Answer(LeaveGroupResponse::default().with_error_code(error.code()));
        }
        let now = Instant::now();
        let mut leave = |member_id: &str, instance_id: Option<&StrBytes>| {
            let instance_id = instance_id.map(StrBytes::as_str);
            code(
                cluster
                    .coordinator
                    .leave(now, &self.group_id, member_id, instance_id),
            )
        };
        let response = if call.version < 3 {
            LeaveGroupResponse::default().with_error_code(leave(&self.member_id, None))
        } else {
            let members = self.members.iter().map(|member| {
                let instance_id = member.group_instance_id.as_ref();
                MemberResponse::default()
                    .with_member_id(member.member_id.clone())
                    .with_group_instance_id(instance_id.cloned())
                    .with_error_code(leave(&member.member_id, instance_id))
            });
            LeaveGroupResponse::default().with_members(members.collect())
        };
        call.shared.timers_moved.notify_one();
        Reply::Answer(response)
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> LeaveGroupResponse {
        LeaveGroupResponse::default().with_error_code(code)
    }
}
