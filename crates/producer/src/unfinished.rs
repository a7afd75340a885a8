//! The batches that have no result yet, for `flush` and `close`.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

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
}

impl Unfinished {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was started.
    pub(crate) fn add(&self) -> u64 {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.ids.insert(id);
        id
    }

    /// It has its result.
    pub(crate) fn remove(&self, id: u64) {
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
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_last_batch_started_before_and_not_with_a_later_one() {
        let unfinished = Arc::new(Unfinished::default());
        let (first, second) = (unfinished.add(), unfinished.add());
        let waiting = Arc::clone(&unfinished);
        let waiting = tokio::spawn(async move { waiting.finished().await });
        tokio::task::yield_now().await;
        let _later = unfinished.add();
        unfinished.remove(second);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        unfinished.remove(first);
        waiting.await.unwrap();
        assert_eq!(unfinished.len(), 1);
    }
}
