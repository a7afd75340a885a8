//! The commits of a consumer: one after the other, in the order they were asked for, so that an
//! older one never overtakes a newer one.
//!
//! A commit goes out in the generation that its member has. If the member is about to get another
//! one and keeps its partitions meanwhile (cooperative, or KIP-848), the commit waits for that
//! instead of failing, up to its deadline.

use klamm_codec::ErrorCode;
use klamm_net::TopicPartition;
use tokio::time::Instant;

use super::action::{Commits, Generation, Refusal};
use super::task::{Coordinator, Event, consumed};
use crate::error::Error;
use crate::offset::{Offsets, commit};
use crate::shared::Commit;

/// Who asked for a commit.
pub(super) enum Origin {
    Application(Commit),
    /// The clock.
    Auto(Offsets),
    /// A rebalance, before these partitions go.
    Rebalance(Offsets, Vec<TopicPartition>),
    /// The end of the consumer.
    Close(Offsets),
}

/// A commit that waits for its turn.
pub(super) struct Queued {
    origin: Origin,
    deadline: Instant,
    /// It was refused in this generation, and waits for another one.
    not_in: Option<Generation>,
}

impl Queued {
    pub(super) fn new(origin: Origin, deadline: Instant) -> Self {
        Self {
            origin,
            deadline,
            not_in: None,
        }
    }

    fn offsets(&self) -> &Offsets {
        match &self.origin {
            Origin::Application(commit) => &commit.offsets,
            Origin::Auto(offsets) | Origin::Rebalance(offsets, _) | Origin::Close(offsets) => {
                offsets
            }
        }
    }
}

impl Coordinator {
    pub(super) fn queue_commit(&mut self, origin: Origin) {
        let now = Instant::now();
        let deadline = match &origin {
            Origin::Application(commit) => commit.deadline,
            Origin::Rebalance(..) => now + self.settings.member.max_poll_interval,
            Origin::Auto(_) | Origin::Close(_) => now + self.settings.default_api_timeout,
        };
        self.commits.push_back(Queued::new(origin, deadline));
    }

    pub(super) fn auto_commit(&mut self, now: Instant) {
        let due = self.auto_commit_at.is_some_and(|at| at <= now);
        let (Some(pause), true) = (self.settings.auto_commit, due) else {
            return;
        };
        self.auto_commit_at = Some(now + pause);
        let offsets = consumed(&self.shared.lock().fetch);
        let may_commit = !self.subscribes || self.member.commits() != Commits::Refused;
        let pending = self
            .commits
            .iter()
            .any(|commit| matches!(commit.origin, Origin::Auto(_)));
        if may_commit && !pending && !offsets.is_empty() {
            self.queue_commit(Origin::Auto(offsets));
        }
    }

    /// Starts the next commit, if none is under way. Says when to look again if it has to wait.
    pub(super) fn start_commit(&mut self) -> Option<Instant> {
        while !self.committing
            && let Some(queued) = self.commits.pop_front()
        {
            if queued.offsets().is_empty() {
                self.committed(queued.origin, Ok(()));
                continue;
            }
            let generation = match self.may_commit(&queued) {
                Ok(Some(generation)) => generation,
                Ok(None) => {
                    let deadline = queued.deadline;
                    self.commits.push_front(queued);
                    return Some(deadline);
                }
                Err(error) => {
                    self.committed(queued.origin, Err(error));
                    continue;
                }
            };
            self.committing = true;
            let (cluster, settings) = (self.cluster.clone(), self.settings.clone());
            self.jobs.push(async move {
                let (member, deadline) = (&settings.member, queued.deadline);
                let committed = commit(
                    &cluster,
                    &member.group_id,
                    member.instance_id.as_deref(),
                    &generation,
                    queued.offsets(),
                    deadline,
                )
                .await;
                Event::Committed(queued, generation, committed)
            });
        }
        None
    }

    /// The generation to commit in; none if there will be another one soon.
    fn may_commit(&self, queued: &Queued) -> Result<Option<Generation>, Error> {
        if !self.subscribes {
            return Ok(Some(Generation::none()));
        }
        let generation = match self.member.commits() {
            Commits::In(generation) => Some(generation),
            Commits::Soon => None,
            Commits::Refused => return Err(self.no_member()),
        };
        if let Origin::Application(commit) = &queued.origin {
            // Others may have read on: their commits are not to be undone.
            let fetch = &self.shared.lock().fetch;
            for partition in commit.offsets.keys() {
                fetch.position(partition)?;
            }
        }
        let generation = generation.filter(|generation| queued.not_in.as_ref() != Some(generation));
        if generation.is_none() && queued.deadline <= Instant::now() {
            return Err(self.rebalancing());
        }
        Ok(generation)
    }

    /// Those that wait for another generation try once more in this one, for partitions go.
    pub(super) fn unblock_commits(&mut self) {
        for queued in &mut self.commits {
            queued.not_in = None;
        }
    }

    fn rebalancing(&self) -> Error {
        Error::RebalanceInProgress {
            group: self.settings.member.group_id.clone(),
        }
    }

    /// Why a subscriber that is no member cannot commit.
    fn no_member(&self) -> Error {
        // What it had may belong to others already: polling brings it back to the group, not to its partitions.
        let (owned, lost) = self.member.owned();
        if self.member.is_rebalancing() && (owned.is_empty() || !lost) {
            return self.rebalancing();
        }
        Error::CommitFailed {
            group: self.settings.member.group_id.clone(),
            code: ErrorCode::UNKNOWN_MEMBER_ID,
        }
    }

    /// The answer to a commit.
    pub(super) fn handle_committed(
        &mut self,
        mut queued: Queued,
        generation: Generation,
        result: Result<(), klamm_net::Error>,
    ) {
        self.committing = false;
        let Err(error) = result else {
            for interceptor in &self.settings.interceptors {
                interceptor.on_commit(queued.offsets());
            }
            self.committed(queued.origin, Ok(()));
            return;
        };
        let now = Instant::now();
        let refusal = match error.code() {
            Some(code) if self.subscribes => {
                self.member.handle_commit_refused(now, &generation, code)
            }
            _ => Refusal::NotOfMembership,
        };
        match refusal {
            Refusal::Again if queued.deadline > now => {
                queued.not_in = Some(generation);
                self.commits.push_front(queued);
            }
            Refusal::Again => {
                let error = self.rebalancing();
                self.committed(queued.origin, Err(error));
            }
            Refusal::Failed(error) => self.committed(queued.origin, Err(error)),
            Refusal::NotOfMembership => self.committed(queued.origin, Err(error.into())),
        }
    }

    /// What comes after a commit.
    fn committed(&mut self, origin: Origin, result: Result<(), Error>) {
        if let Err(error) = &result
            && !matches!(origin, Origin::Application(_))
        {
            let group = &self.settings.member.group_id;
            tracing::warn!(%group, %error, "consumed offsets were not committed; records may be read again");
        }
        match origin {
            Origin::Application(commit) => {
                if let Some(reply) = commit.reply {
                    // Nobody waits if the call was dropped.
                    let _ = reply.send(result);
                }
            }
            Origin::Auto(_) => {}
            Origin::Rebalance(_, partitions) => self.call_revoked(partitions, false),
            Origin::Close(_) => self.closing_committed(),
        }
    }
}
