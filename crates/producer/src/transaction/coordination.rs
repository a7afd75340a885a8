//! What the application's calls and the sender share of a transactional producer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::manager::Manager;

/// The manager, and a bell for whoever waits for it to get somewhere.
#[derive(Debug)]
pub(crate) struct Coordination {
    manager: Mutex<Manager>,
    changed: Notify,
}

impl Coordination {
    pub(crate) fn new(manager: Manager) -> Self {
        Self {
            manager: Mutex::new(manager),
            changed: Notify::new(),
        }
    }

    /// To look, or to change what nobody waits for.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Manager> {
        // Nothing panics under this lock, so its state is whole even if it is poisoned.
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it and wakes whoever waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Manager) -> T) -> T {
        let changed = change(&mut self.lock());
        self.ring();
        changed
    }

    /// Wakes whoever waits.
    pub(crate) fn ring(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until `look` finds something; none if `deadline` comes first.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn wait<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&mut Manager) -> Option<T>,
    ) -> Option<T> {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = look(&mut self.lock()) {
                return Some(found);
            }
            if timeout_at(deadline, changed).await.is_err() {
                return None;
            }
        }
    }
}
