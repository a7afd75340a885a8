//! Holding back the queue of a connection while it authenticates again.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until};

use super::in_flight::Queued;
use super::{Shared, wake};
use crate::error::Error;

/// What the renewal of a connection and its driver tell each other.
#[derive(Default)]
pub(super) struct Hold {
    /// Whether requests stay in the queue.
    pub(super) held: bool,
    /// SASL requests, which go out meanwhile.
    pub(super) renewal: Vec<Queued>,
    /// Whether anything was queued since the last authentication.
    pub(super) used: bool,
    /// Why the driver must end the connection.
    pub(super) close: Option<String>,
}

impl Shared {
    /// Waits for `due`; says whether the connection still lives then.
    pub(super) async fn wait_until(&self, due: Instant) -> bool {
        loop {
            if self.is_over() {
                return false;
            }
            tokio::select! {
                () = sleep_until(due) => return !self.is_over(),
                () = self.renewal_wake.notified() => {}
            }
        }
    }

    /// Waits until somebody uses the connection, if nobody has since the last authentication; what comes is held
    /// back. Says whether the connection still lives then.
    pub(super) async fn wait_for_use(&self) -> bool {
        loop {
            {
                let mut state = self.lock();
                if state.closed.is_some() {
                    return false;
                }
                // Even if nobody holds the connection any more: somebody may await the answer.
                if state.hold.used {
                    state.hold.used = false;
                    return true;
                }
                if state.abandoned {
                    return false;
                }
                state.hold.held = true;
            }
            self.renewal_wake.notified().await;
        }
    }

    /// Keeps requests in the queue from now on.
    pub(super) fn hold(&self) {
        self.lock().hold.held = true;
    }

    /// Lets requests go again.
    pub(super) fn release(&self) {
        let mut state = self.lock();
        state.hold.held = false;
        wake(state);
    }

    /// Queues a SASL request before all that is held back.
    pub(super) fn queue_renewal(&self, queued: Queued) -> Result<(), Error> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(Error::Disconnected {
                api: queued.api,
                broker: self.broker.clone(),
                reason: reason.clone(),
                may_have_been_processed: false,
            });
        }
        self.load.fetch_add(1, Ordering::Relaxed);
        state.hold.renewal.push(queued);
        wake(state);
        Ok(())
    }

    /// Has the driver end the connection.
    pub(super) fn close(&self, reason: String) {
        let mut state = self.lock();
        state.hold.close = Some(reason);
        wake(state);
    }

    fn is_over(&self) -> bool {
        let state = self.lock();
        state.closed.is_some() || state.abandoned
    }
}
