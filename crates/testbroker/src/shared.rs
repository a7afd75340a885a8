//! What all connections share: the cluster under its lock, the wake-ups, and the tasks.
//!
//! Owns: the tasks, which end with [`Shared::close`]. Does not: know requests.
//!
//! Invariant: the lock is never held over an await.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::cluster::Cluster;

/// Connections, listeners and timers at a time.
const TASKS_MAX: usize = 2048;

#[derive(Debug)]
pub(crate) struct Shared {
    cluster: Mutex<Cluster>,
    tasks: Mutex<Option<JoinSet<()>>>,
    runtime: Handle,
    /// Something was appended, or topics or leaders changed: waiting fetches look again.
    pub(crate) changed: Notify,
    /// The next deadline of a group or transaction may have moved.
    pub(crate) timers_moved: Notify,
}

impl Shared {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster: Mutex::new(cluster),
            tasks: Mutex::new(Some(JoinSet::new())),
            runtime: Handle::current(),
            changed: Notify::new(),
            timers_moved: Notify::new(),
        }
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        // A panic of one request is a bug, but no reason to panic in all others.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task until it ends or the broker closes; drops it if the broker is closed or has too
    /// many.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = tasks.as_mut() else { return };
        while tasks.try_join_next().is_some() {}
        if tasks.len() < TASKS_MAX {
            tasks.spawn_on(task, &self.runtime);
        } else {
            tracing::warn!(max = TASKS_MAX, "too many connections, refusing one");
        }
    }

    /// Hands out all tasks to be ended; none will start any more. Dropping them aborts them.
    pub(crate) fn close(&self) -> Option<JoinSet<()>> {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Lets groups give up members and rebalances, and transactions end, in time, for ever.
    pub(crate) async fn run_timers(&self) {
        loop {
            let now = tokio::time::Instant::now();
            let (next, aborted) = {
                let mut cluster = self.cluster();
                cluster.coordinator.handle_timeout(now);
                let aborted = cluster.abort_late_transactions(now);
                let group = cluster.coordinator.poll_timeout();
                let transaction = cluster.transactions.poll_timeout();
                (group.into_iter().chain(transaction).min(), aborted)
            };
            if aborted {
                self.changed.notify_waiters();
            }
            let due = async {
                match next {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.timers_moved.notified() => {}
            }
        }
    }
}
