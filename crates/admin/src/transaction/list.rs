//! Listing transactions.

use std::time::Duration;

use klamm_codec::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId};
use klamm_net::NodeId;

use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target};
use crate::error::Error;
use crate::gathered::{Gathered, gather};
use crate::named::named;
use crate::wire::text;

/// The first versions of `ListTransactions` that know durations (KIP-994) and patterns (KIP-1152).
const DURATION_VERSION: i16 = 1;
const PATTERN_VERSION: i16 = 2;

named! {
    /// What a transaction is doing.
    TransactionState:
    /// None has begun.
    Empty = "Empty";
    /// Open.
    Ongoing = "Ongoing";
    /// About to be committed.
    PrepareCommit = "PrepareCommit";
    /// About to be aborted.
    PrepareAbort = "PrepareAbort";
    /// Committed.
    CompleteCommit = "CompleteCommit";
    /// Aborted.
    CompleteAbort = "CompleteAbort";
    /// About to be forgotten.
    Dead = "Dead";
    /// The producer is being fenced.
    PrepareEpochFence = "PrepareEpochFence";
    /// The broker does not know.
    Unknown = "Unknown";
}

/// A transaction in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionListing {
    /// Its transactional id.
    pub transactional_id: String,
    /// Id of the producer.
    pub producer_id: i64,
    /// What it is doing.
    pub state: TransactionState,
    /// The broker that coordinates it.
    pub coordinator: NodeId,
}

/// The listing of transactions; happens when awaited. Made by [`Admin::list_transactions`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until it is awaited"]
pub struct ListTransactions {
    admin: Admin,
    call: List,
}

impl Admin {
    /// All transactions that this client may see, by id; every broker is asked for those that it
    /// coordinates (KIP-664, Kafka 3.0).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a filter is too new, [`Error::Net`] if no broker answered in time;
    /// the failures of some are in [`Gathered::failures`].
    ///
    /// # Examples
    /// ```
    /// # async fn list(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::TransactionState;
    ///
    /// let open = admin.list_transactions().states([TransactionState::Ongoing]).await?;
    /// for transaction in open.all()? {
    ///     println!("{}", transaction.transactional_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_transactions(&self) -> ListTransactions {
        ListTransactions {
            admin: self.clone(),
            call: List::default(),
        }
    }
}

impl ListTransactions {
    /// Only those in one of these states. Default: all.
    pub fn states(mut self, states: impl IntoIterator<Item = TransactionState>) -> Self {
        self.call.states = states.into_iter().collect();
        self
    }

    /// Only those of these producers. Default: all.
    pub fn producer_ids(mut self, ids: impl IntoIterator<Item = i64>) -> Self {
        self.call.producer_ids = ids.into_iter().collect();
        self
    }

    /// Only those that run longer than this (KIP-994, Kafka 3.8). Default: all.
    pub fn running_longer_than(mut self, duration: Duration) -> Self {
        self.call.duration = Some(duration);
        self
    }

    /// Only those whose whole transactional id matches this expression, in RE2 syntax (KIP-1152,
    /// Kafka 4.1). Default: all.
    pub fn id_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.call.pattern = Some(pattern.into());
        self
    }

    async fn run(self) -> Result<Gathered<TransactionListing>, Error> {
        let mut listed = gather(&self.admin, self.call).await?;
        let by_id = |one: &TransactionListing, other: &TransactionListing| {
            one.transactional_id.cmp(&other.transactional_id)
        };
        listed.found.sort_by(by_id);
        // One that moves meanwhile is found twice.
        listed
            .found
            .dedup_by(|one, other| by_id(one, other).is_eq());
        Ok(listed)
    }
}

awaitable!(ListTransactions => Gathered<TransactionListing>);

#[derive(Clone, Debug, Default)]
struct List {
    states: Vec<TransactionState>,
    producer_ids: Vec<i64>,
    duration: Option<Duration>,
    pattern: Option<String>,
}

impl Call for List {
    const NOUN: &'static str = "broker";
    type Key = NodeId;
    type Value = Vec<TransactionListing>;
    type Request = ListTransactionsRequest;

    fn target(&self, node: &NodeId) -> Target {
        Target::Node(*node)
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<ListTransactionsRequest, Error> {
        let states = self.states.iter().map(|state| text(state.as_str()));
        let mut request = ListTransactionsRequest::default()
            .with_state_filters(states.collect())
            .with_producer_id_filters(self.producer_ids.iter().copied().map(ProducerId).collect());
        if let Some(duration) = self.duration {
            let what = "listing transactions by duration";
            batch.needs(DURATION_VERSION, what, "3.8 (KIP-994)")?;
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            request = request.with_duration_filter(millis);
        }
        if let Some(pattern) = &self.pattern {
            let what = "listing transactions by pattern";
            batch.needs(PATTERN_VERSION, what, "4.1 (KIP-1152)")?;
            request = request.with_transactional_id_pattern(Some(text(pattern)));
        }
        Ok(request)
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: ListTransactionsResponse,
        answers: &mut Answers<NodeId, Vec<TransactionListing>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let node = batch.keys[0];
        let listing = response.transaction_states.into_iter();
        let listing = listing.map(|transaction| TransactionListing {
            transactional_id: transaction.transactional_id.to_string(),
            producer_id: transaction.producer_id.0,
            state: TransactionState::of(&transaction.transaction_state),
            coordinator: node,
        });
        answers.answer(node, response.error_code, None, || listing.collect());
    }
}
