//! When a member has to show that it is alive, and when it no longer is.
//!
//! Three clocks: the next heartbeat, the session (since the coordinator last answered), and the poll
//! interval (since the application last polled; it stands still inside of poll). None depends on the
//! application polling.

use std::time::Duration;

use tokio::time::Instant;

/// By what the first pause after a rebalance is shorter than the interval.
const SOONER: u32 = 32;

/// The pauses between heartbeats: the interval, but soon after a rebalance, then each half as long again
/// as the one before. A rebalance seldom comes alone (members start together, a cooperative one has two rounds,
/// partitions are released later), and members learn of the next one by heartbeats only: with the interval
/// alone a group of many stands still for several of them.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Duration,
}

impl Pace {
    pub(super) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: interval,
        }
    }

    /// The interval is another one from now on.
    pub(super) const fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// There was a rebalance. Gives the longest pause until the next heartbeat.
    pub(super) fn hasten(&mut self) -> Duration {
        self.next = self.interval / SOONER;
        self.next
    }

    /// The pause after a heartbeat that is sent now.
    pub(super) fn take(&mut self) -> Duration {
        let pause = self.next.min(self.interval);
        self.next = pause.saturating_add(pause / 2);
        pause
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pace: Pace,
    session_timeout: Duration,
    next_at: Instant,
    answered_at: Instant,
    in_flight: bool,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, session_timeout: Duration, now: Instant) -> Self {
        Self {
            pace: Pace::new(interval),
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
        self.pace = Pace::new(self.pace.interval);
        self.next_at = now + self.pace.take();
    }

    /// A rebalance has ended.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.next_at = now + self.pace.hasten();
    }

    /// Whether one has to be sent now; it then counts as sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = !self.in_flight && now >= self.next_at;
        if due {
            self.in_flight = true;
            self.next_at = now + self.pace.take();
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
        self.next_at = now + pause.min(self.pace.interval);
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
    fn after_a_rebalance_they_come_sooner_and_slow_down_to_the_interval() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(3 * SECOND, 45 * SECOND, start);
        heartbeat.start(start);
        heartbeat.hasten(start);
        let mut now = start;
        let pauses: Vec<_> = (0..12)
            .map(|_| {
                let before = now;
                now = heartbeat.next_timeout();
                assert!(heartbeat.take_due(now));
                heartbeat.answered(now);
                (now - before).as_millis()
            })
            .collect();
        assert_eq!(
            pauses,
            [
                93, 93, 140, 210, 316, 474, 711, 1067, 1601, 2402, 3000, 3000
            ]
        );
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
