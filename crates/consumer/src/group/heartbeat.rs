//! When a member has to show that it is alive, and when it no longer is.
//!
//! Three clocks: the next heartbeat, the session (since the coordinator last answered), and the poll
//! interval (since the application last polled; it stands still inside of poll). None depends on the
//! application polling.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    session_timeout: Duration,
    next_at: Instant,
    answered_at: Instant,
    in_flight: bool,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, session_timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            session_timeout,
            next_at: now,
            answered_at: now,
            in_flight: false,
        }
    }

    /// A new generation begins.
    pub(crate) fn start(&mut self, now: Instant) {
        self.in_flight = false;
        self.answered(now);
        self.next_at = now + self.interval;
    }

    /// Whether one has to be sent now; it then counts as sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = !self.in_flight && now >= self.next_at;
        if due {
            self.in_flight = true;
            self.next_at = now + self.interval;
        }
        due
    }

    /// The coordinator answered.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.in_flight = false;
        self.answered_at = now;
    }

    /// There was no answer; the next attempt comes after `pause`.
    pub(crate) fn failed(&mut self, now: Instant, pause: Duration) {
        self.in_flight = false;
        self.next_at = now + pause.min(self.interval);
    }

    /// Whether the coordinator was silent for a session; counts anew then.
    pub(crate) fn take_session_expired(&mut self, now: Instant) -> bool {
        let expired = now >= self.answered_at + self.session_timeout;
        if expired {
            self.answered_at = now;
        }
        expired
    }

    /// When something is due next.
    pub(crate) fn next_timeout(&self) -> Instant {
        let session_ends = self.answered_at + self.session_timeout;
        if self.in_flight {
            session_ends
        } else {
            session_ends.min(self.next_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn heartbeats_follow_each_other_by_the_interval_and_never_overlap() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(3 * SECOND, 45 * SECOND, start);
        heartbeat.start(start);
        assert!(!heartbeat.take_due(start + 2 * SECOND));
        assert_eq!(heartbeat.next_timeout(), start + 3 * SECOND);
        assert!(heartbeat.take_due(start + 3 * SECOND));
        assert!(!heartbeat.take_due(start + 9 * SECOND));
        heartbeat.answered(start + 9 * SECOND);
        assert!(heartbeat.take_due(start + 9 * SECOND));
    }

    #[test]
    fn a_failed_heartbeat_is_sent_again_after_the_pause() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(3 * SECOND, 45 * SECOND, start);
        heartbeat.start(start);
        assert!(heartbeat.take_due(start + 3 * SECOND));
        heartbeat.failed(start + 3 * SECOND, SECOND / 10);
        assert!(heartbeat.take_due(start + 3 * SECOND + SECOND / 10));
    }

    #[test]
    fn a_session_ends_when_no_answer_came_in_time() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(3 * SECOND, 45 * SECOND, start);
        heartbeat.start(start);
        heartbeat.answered(start + 3 * SECOND);
        assert!(!heartbeat.take_session_expired(start + 47 * SECOND));
        assert!(heartbeat.take_session_expired(start + 48 * SECOND));
        assert!(!heartbeat.take_session_expired(start + 49 * SECOND));
    }
}
