//! The batches that have no result yet, for `flush` and `close`. A batch that is split counts as one
//! until all its parts are done.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::Error;

/// Batches by the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    state: Mutex<State>,
    /// The oldest batch is another one.
    advanced: Notify,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    ids: BTreeSet<u64>,
    /// The first since it was last asked for.
    failure: Option<Error>,
}

/// A batch that has no result yet; it has one when this is dropped.
#[derive(Debug)]
pub(crate) struct UnfinishedBatch {
    unfinished: Arc<Unfinished>,
    id: u64,
}

impl UnfinishedBatch {
    /// The batch, or a part of it, has failed: a transaction cannot be committed without it.
    pub(crate) fn failed(&self, error: Error) {
        self.unfinished.lock().failure.get_or_insert(error);
    }
}

impl Drop for UnfinishedBatch {
    fn drop(&mut self) {
        self.unfinished.remove(self.id);
    }
}

impl Unfinished {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was started.
    pub(crate) fn add(unfinished: &Arc<Self>) -> Arc<UnfinishedBatch> {
        let mut state = unfinished.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.ids.insert(id);
        drop(state);
        Arc::new(UnfinishedBatch {
            unfinished: Arc::clone(unfinished),
            id,
        })
    }

    fn remove(&self, id: u64) {
        let mut state = self.lock();
        let oldest = state.ids.first() == Some(&id);
        state.ids.remove(&id);
        drop(state);
        if oldest {
            self.advanced.notify_waiters();
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().ids.len()
    }

    /// Why the first batch failed since this was last asked, if one did.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    pub(crate) fn has_failure(&self) -> bool {
        self.lock().failure.is_some()
    }

    /// Waits until every batch that was started before this call has its result.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn finished(&self) {
        let until = self.lock().next_id;
        loop {
            let advanced = self.advanced.notified();
            if self
                .lock()
                .ids
                .first()
                .is_none_or(|oldest| *oldest >= until)
            {
                return;
            }
            advanced.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_last_batch_started_before_and_not_with_a_later_one() {
        let unfinished = Arc::new(Unfinished::default());
        let [first, second] = [(); 2].map(|()| Unfinished::add(&unfinished));
        let waiting = Arc::clone(&unfinished);
        let waiting = tokio::spawn(async move { waiting.finished().await });
        tokio::task::yield_now().await;
        let _later = Unfinished::add(&unfinished);
        drop(second);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert_eq!(unfinished.len(), 1);
    }
}
