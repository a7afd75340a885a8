//! `JoinGroup`, and the rebalances that it starts and ends.

use super::{
    Answer, Group, Instant, JoinAnswer, JoinRequest, MEMBERS_MAX, Member, NEW_MEMBER_JOIN_TIMEOUT,
    RequestId, ResponseError, State, SyncAnswer,
};

impl Group {
    pub(crate) fn handle_join(&mut self, now: Instant, request: JoinRequest) {
        let (id, member_id) = (request.id, request.member_id.clone());
        if let Err(error) = self.admit(now, request) {
            self.answers
                .push_back((id, Answer::Join(JoinAnswer::refused(error, member_id))));
        }
    }

    fn admit(&mut self, now: Instant, request: JoinRequest) -> Result<(), ResponseError> {
        if !self.can_use_protocols_of(&request) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let is_new = request.member_id.is_empty();
        if is_new && self.members.len() + self.pending.len() >= MEMBERS_MAX {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        match &request.instance_id {
            Some(instance_id) if is_new => match self.instances.get(instance_id).cloned() {
                Some(holder) => self.replace_static_member(now, &holder, request),
                None => self.add(now, request),
            },
            None if is_new && request.requires_known_member_id => {
                let member_id = request.new_member_id;
                self.pending
                    .insert(member_id.clone(), now + request.session_timeout);
                let answer = JoinAnswer::refused(ResponseError::MemberIdRequired, member_id);
                self.answers.push_back((request.id, Answer::Join(answer)));
            }
            None if is_new => self.add(now, request),
            None if self.pending.remove(&request.member_id).is_some() => self.add(now, request),
            _ => {
                self.check_identity(&request.member_id, request.instance_id.as_deref())?;
                self.join_again(now, request);
            }
        }
        Ok(())
    }

    /// Kafka: same type as the group, and at least one protocol that all members know.
    fn can_use_protocols_of(&self, request: &JoinRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type() == request.protocol_type
            && request
                .protocols
                .iter()
                .any(|(name, _)| self.members.iter().all(|member| member.supports(name)))
    }

    fn add(&mut self, now: Instant, request: JoinRequest) {
        let id = if request.member_id.is_empty() {
            request.new_member_id.clone()
        } else {
            request.member_id.clone()
        };
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        if let Some(instance_id) = &request.instance_id {
            self.instances.insert(instance_id.clone(), id.clone());
        }
        self.members
            .push(Member::new(request, id, now + NEW_MEMBER_JOIN_TIMEOUT));
        self.rebalance(now);
    }

    fn join_again(&mut self, now: Instant, request: JoinRequest) {
        let is_leader = self.leader.as_ref() == Some(&request.member_id);
        let Some(member) = self.member_mut(&request.member_id) else {
            return;
        };
        let same_protocols = member.protocols == request.protocols;
        let (id, member_id) = (request.id, request.member_id.clone());
        match self.state {
            State::CompletingRebalance if same_protocols => {
                // Its answer was lost: it gets the same again.
                let answer = self.join_answer(&member_id);
                self.answers.push_back((id, Answer::Join(answer)));
            }
            State::Stable if same_protocols && !is_leader => {
                let answer = self.join_answer(&member_id);
                self.answers.push_back((id, Answer::Join(answer)));
            }
            _ => {
                self.update(request);
                self.rebalance(now);
            }
        }
    }

    fn update(&mut self, request: JoinRequest) {
        let Some(member) = self.member_mut(&request.member_id) else {
            return;
        };
        member.session_timeout = request.session_timeout;
        member.rebalance_timeout = request.rebalance_timeout;
        member.protocols = request.protocols;
        member.expires = None;
        // A second JoinGroup, say over a new connection, takes the place of the first.
        if let Some(replaced) = member.joining.replace(request.id) {
            let answer = JoinAnswer::refused(ResponseError::RebalanceInProgress, request.member_id);
            self.answers.push_back((replaced, Answer::Join(answer)));
        }
    }

    /// A static member that came back without its id gets a new one, and keeps its place if the group
    /// would agree on the same protocol again, whatever its metadata say (KIP-345).
    fn replace_static_member(&mut self, now: Instant, holder: &str, request: JoinRequest) {
        let new_id = request.new_member_id.clone();
        let is_leader = self.leader.as_deref() == Some(holder);
        let (id, skips) = (request.id, request.supports_skipping_assignment);
        let Some(member) = self.member_mut(holder) else {
            return;
        };
        member.id.clone_from(&new_id);
        let fenced = (member.joining.take(), member.syncing.take());
        if let Some(instance_id) = member.instance_id.clone() {
            self.instances.insert(instance_id, new_id.clone());
        }
        if is_leader {
            self.leader = Some(new_id.clone());
        }
        self.fence(holder, fenced);
        self.update(JoinRequest {
            member_id: new_id.clone(),
            ..request
        });
        if self.state != State::Stable || self.preferred_protocol() != self.protocol {
            self.rebalance(now);
            return;
        }
        if let Some(member) = self.member_mut(&new_id) {
            member.joining = None;
            member.is_alive(now);
        }
        let mut answer = self.join_answer(&new_id);
        if is_leader && skips {
            answer.skip_assignment = true;
        } else if is_leader {
            // Before version 9 a returning leader must not learn that it leads, or it would assign
            // anew.
            answer.members.clear();
            holder.clone_into(&mut answer.leader);
        }
        self.answers.push_back((id, Answer::Join(answer)));
    }

    fn fence(&mut self, holder: &str, (joining, syncing): (Option<RequestId>, Option<RequestId>)) {
        let error = ResponseError::FencedInstanceId;
        if let Some(request) = joining {
            self.answers.push_back((
                request,
                Answer::Join(JoinAnswer::refused(error, holder.to_owned())),
            ));
        }
        if let Some(request) = syncing {
            self.answers
                .push_back((request, Answer::Sync(SyncAnswer::refused(error))));
        }
    }

    /// Starts a rebalance, or sees whether the one under way can end.
    fn rebalance(&mut self, now: Instant) {
        match self.state {
            State::PreparingRebalance => self.complete_join_if_all_joined(now),
            _ => self.prepare_rebalance(now),
        }
    }

    pub(super) fn prepare_rebalance(&mut self, now: Instant) {
        if self.state == State::CompletingRebalance {
            for member in &mut self.members {
                member.assignment.clear();
            }
            self.answer_syncs(now, Some(ResponseError::RebalanceInProgress));
        }
        let was_empty = self.state == State::Empty;
        self.state = State::PreparingRebalance;
        let timeout = self
            .members
            .iter()
            .map(|member| member.rebalance_timeout)
            .max()
            .unwrap_or_default();
        self.deadline = Some(now + timeout);
        if was_empty {
            // group.initial.rebalance.delay.ms=0: the first member does not wait for others.
            self.complete_join(now);
        } else {
            self.complete_join_if_all_joined(now);
        }
    }

    pub(super) fn complete_join_if_all_joined(&mut self, now: Instant) {
        let all_joined =
            self.pending.is_empty() && self.members.iter().all(|member| member.joining.is_some());
        if self.state == State::PreparingRebalance && all_joined {
            self.complete_join(now);
        }
    }

    /// Ends the joining: those who are here form the next generation.
    pub(super) fn complete_join(&mut self, now: Instant) {
        let absent = |member: &&Member| member.joining.is_none() && member.instance_id.is_none();
        while let Some(id) = self
            .members
            .iter()
            .find(absent)
            .map(|member| member.id.clone())
        {
            self.remove(&id);
        }
        let joined = |member: &&Member| member.joining.is_some();
        if !self.members.is_empty() && !self.members.iter().any(|member| joined(&member)) {
            // Only static members, none of them back yet: wait on, each until its session ends.
            let timeout = self
                .members
                .iter()
                .map(|member| member.rebalance_timeout)
                .max()
                .unwrap_or_default();
            self.deadline = Some(now + timeout);
            return;
        }
        if self
            .leader
            .as_ref()
            .and_then(|leader| self.member(leader))
            .is_none_or(|leader| leader.joining.is_none())
        {
            self.leader = self
                .members
                .iter()
                .find(joined)
                .map(|member| member.id.clone());
        }
        self.generation += 1;
        self.deadline = None;
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            return;
        }
        self.state = State::CompletingRebalance;
        self.protocol = self.preferred_protocol();
        let timeout = self
            .members
            .iter()
            .map(|member| member.rebalance_timeout)
            .max()
            .unwrap_or_default();
        self.deadline = Some(now + timeout);
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            member.synced = false;
            let Some(request) = member.joining.take() else {
                continue;
            };
            member.is_alive(now);
            let member_id = member.id.clone();
            let answer = self.join_answer(&member_id);
            self.answers.push_back((request, Answer::Join(answer)));
        }
    }

    /// Every member votes for the first of its protocols that all know; the most votes win.
    fn preferred_protocol(&self) -> Option<String> {
        let known_to_all = |name: &str| self.members.iter().all(|member| member.supports(name));
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in &self.members {
            let Some((vote, _)) = member.protocols.iter().find(|(name, _)| known_to_all(name))
            else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| name == vote) {
                Some((_, count)) => *count += 1,
                None => votes.push((vote, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes
            .iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| (*name).to_owned())
    }

    fn join_answer(&self, member_id: &str) -> JoinAnswer {
        let protocol = self.protocol();
        let describe = |member: &Member| {
            (
                member.id.clone(),
                member.instance_id.clone(),
                member.metadata(protocol),
            )
        };
        let is_leader = self.leader.as_deref() == Some(member_id);
        JoinAnswer {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: if is_leader {
                self.members.iter().map(describe).collect()
            } else {
                Vec::new()
            },
        }
    }
}
