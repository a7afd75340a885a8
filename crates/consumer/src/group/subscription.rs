//! The topics of a group's member: which it subscribes to, finds by a pattern, and no longer needs.

use std::sync::Arc;

use tokio::time::Instant;

use super::action::Topics;
use super::pattern::Pattern;
use super::task::{Coordinator, Event};

impl Coordinator {
    pub(super) fn subscribe(&mut self, topics: Topics) {
        match topics {
            Topics::Matching(pattern) if self.member.finds_topics_itself() => {
                self.member.subscribe(Topics::Matching(pattern));
            }
            Topics::Matching(pattern) => self.pattern = Some(Pattern::new(&pattern)),
            named @ Topics::Named(_) => {
                self.pattern = None;
                self.member.subscribe(named);
            }
        }
        self.let_topics_go();
    }

    /// Lists the topics when that is due. Says when it is due next.
    pub(super) fn look_for_topics(&mut self, now: Instant) -> Option<Instant> {
        let pattern = self.pattern.as_mut()?;
        if pattern.take_due(now) {
            self.start(|exchange| async move { Event::Listed(exchange.list_topics().await) });
        }
        self.pattern.as_ref()?.next_at()
    }

    pub(super) fn handle_listed(&mut self, listed: Result<Vec<Arc<str>>, klamm_net::Error>) {
        let Some(pattern) = &mut self.pattern else {
            return;
        };
        let (now, config) = (Instant::now(), self.cluster.config());
        let topics = match listed {
            Ok(topics) => topics,
            Err(error) => {
                tracing::debug!(%error, "the topics for a pattern could not be listed");
                pattern.look_again_at(now + config.retry_backoff.max);
                return;
            }
        };
        if let Some(topics) = pattern.handle_listed(topics, now + config.metadata_max_age) {
            let names = topics.iter().map(AsRef::as_ref);
            self.cluster.add_topics(names, false);
            self.member.subscribe(Topics::Named(topics));
            self.let_topics_go();
        }
    }

    /// Topics of former subscriptions and assignments are not asked for any more.
    pub(super) fn let_topics_go(&self) {
        let state = self.shared.lock();
        let assigned = state.fetch.assigned();
        // Under the lock: a subscription that comes now is added after it.
        self.cluster.retain_topics(|name| {
            state.topics.iter().any(|topic| **topic == *name)
                || self.member.watches(name)
                || assigned.iter().any(|at| *at.topic == *name)
        });
    }
}
