//! `ConsumerGroupHeartbeat` and `ConsumerGroupDescribe` (KIP-848).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment as Described, DescribedGroup, Member as DescribedMember,
    TopicPartitions as DescribedTopic,
};
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, GroupId,
};
use kafka_protocol::protocol::StrBytes;

use super::membership::check_coordinator;
use super::{Call, Reply, Serve, millis, text, topic_name};
use crate::cluster::Cluster;
use crate::consumer_group::{ConsumerGroup, Heartbeat, Member, Partitions};
use crate::coordinator::Members;
use crate::topic::TopicId;

/// Kafka's word for authorized operations that were not asked for.
const NOT_ASKED: i32 = i32::MIN;
/// Kafka's number for a member of the consumer protocol; 0 is one of the classic protocol.
const CONSUMER_MEMBER: i8 = 1;

impl Serve for ConsumerGroupHeartbeatRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ConsumerGroupHeartbeatResponse> {
        let mut cluster = call.shared.cluster();
        let mut heartbeat = heartbeat(&self, call);
        if call.version == 0 && heartbeat.member_id.is_empty() && heartbeat.joins() {
            heartbeat.member_id = cluster.new_member_id(&call.client_id);
        }
        let member_id = heartbeat.member_id.clone();
        let interval = cluster.options.consumer_heartbeat_interval;
        let answered = check_coordinator(&cluster, call, &self.group_id)
            .and_then(|()| cluster.consumer_heartbeat(&self.group_id, heartbeat));
        drop(cluster);
        call.shared.timers_moved.notify_one();
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => return Reply::Answer(self.refuse(call, error.code())),
        };
        Reply::Answer(
            ConsumerGroupHeartbeatResponse::default()
                .with_member_id(Some(text(member_id)))
                .with_member_epoch(answer.epoch)
                .with_heartbeat_interval_ms(interval.as_millis() as i32)
                .with_assignment(answer.assignment.as_ref().map(assignment)),
        )
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse::default().with_error_code(code)
    }
}

fn heartbeat(request: &ConsumerGroupHeartbeatRequest, call: &Call<'_>) -> Heartbeat {
    let owned = |text: &Option<StrBytes>| text.as_ref().map(ToString::to_string);
    let names = request.subscribed_topic_names.as_ref();
    let topics = request.topic_partitions.as_ref().map(|topics| {
        let partitions = topics.iter().map(|topic| {
            let id = TopicId(topic.topic_id.into_bytes());
            topic
                .partitions
                .iter()
                .map(move |partition| (id, *partition))
        });
        partitions.flatten().collect()
    });
    Heartbeat {
        member_id: request.member_id.to_string(),
        epoch: request.member_epoch,
        instance_id: owned(&request.instance_id),
        rack: owned(&request.rack_id),
        client_id: call.client_id.clone(),
        client_host: call.peer.host.clone(),
        rebalance_timeout: (request.rebalance_timeout_ms >= 0)
            .then(|| millis(request.rebalance_timeout_ms)),
        topics: names.map(|names| names.iter().map(|name| name.to_string()).collect()),
        pattern: owned(&request.subscribed_topic_regex),
        assignor: owned(&request.server_assignor),
        owned: topics,
    }
}

/// By topic.
fn by_topic(partitions: &Partitions) -> Vec<(TopicId, Vec<i32>)> {
    let mut topics: Vec<(TopicId, Vec<i32>)> = Vec::new();
    for (id, partition) in partitions {
        match topics.last_mut() {
            Some((last, indexes)) if last == id => indexes.push(*partition),
            _ => topics.push((*id, vec![*partition])),
        }
    }
    topics
}

fn assignment(partitions: &Partitions) -> Assignment {
    let topics = by_topic(partitions).into_iter().map(|(id, indexes)| {
        TopicPartitions::default()
            .with_topic_id(id.to_wire())
            .with_partitions(indexes)
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

impl Serve for ConsumerGroupDescribeRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ConsumerGroupDescribeResponse> {
        let cluster = call.shared.cluster();
        let groups = self.group_ids.iter().map(|id| {
            let answer = described(id);
            if let Err(error) = check_coordinator(&cluster, call, id) {
                return answer.with_error_code(error.code());
            }
            match cluster.coordinator.members(id) {
                Some(Members::Consumer(group)) => describe(answer, group, &cluster, call.version),
                _ => answer
                    .with_error_code(ResponseError::GroupIdNotFound.code())
                    .with_error_message(Some(text(format!(
                        "Group {} is not a consumer group.",
                        id.as_str()
                    )))),
            }
        });
        Reply::Answer(ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ConsumerGroupDescribeResponse {
        let refused = |id: &GroupId| described(id).with_error_code(code);
        ConsumerGroupDescribeResponse::default()
            .with_groups(self.group_ids.iter().map(refused).collect())
    }
}

fn described(id: &GroupId) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(id.clone())
        .with_authorized_operations(NOT_ASKED)
}

fn describe(
    answer: DescribedGroup,
    group: &ConsumerGroup,
    cluster: &Cluster,
    version: i16,
) -> DescribedGroup {
    let topics = |partitions: &Partitions| {
        let topics = by_topic(partitions).into_iter().map(|(id, indexes)| {
            DescribedTopic::default()
                .with_topic_id(id.to_wire())
                .with_topic_name(topic_name(cluster.topic_name(id).unwrap_or_default()))
                .with_partitions(indexes)
        });
        Described::default().with_topic_partitions(topics.collect())
    };
    let member = |member: &Member| {
        let names = member.topics.iter().map(topic_name);
        let described = DescribedMember::default();
        let described = if version >= 1 {
            described.with_member_type(CONSUMER_MEMBER)
        } else {
            described
        };
        described
            .with_member_id(text(&member.id))
            .with_instance_id(member.instance_id.as_ref().map(text))
            .with_rack_id(member.rack.as_ref().map(text))
            .with_member_epoch(member.epoch)
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_subscribed_topic_names(names.collect())
            .with_subscribed_topic_regex(member.pattern().map(text))
            .with_assignment(topics(&member.assigned))
            .with_target_assignment(topics(&member.target))
    };
    let (epoch, assignment_epoch) = group.epochs();
    answer
        .with_group_state(text(group.state()))
        .with_group_epoch(epoch)
        .with_assignment_epoch(assignment_epoch)
        .with_assignor_name(text(group.assignor()))
        .with_members(group.members().iter().map(member).collect())
}
