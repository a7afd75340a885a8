//! When to try a broker again after it could not be reached, and when to say so.
//!
//! One for each address, shared by all lanes: what one of them finds out the others need not try.
//!
//! Invariants
//! - attempts that ran side by side count as one failure
//! - while a broker is away there is one line a minute, not one an attempt

use std::time::Duration;

use tokio::time::Instant;

use crate::client_config::ClientConfig;
use crate::error::Error;

/// Pause between two lines about a broker that is away.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The failed attempts since the last connection.
#[derive(Debug)]
struct Away {
    since: Instant,
    failures: u32,
    /// When the last attempt failed, and why.
    failed: Instant,
    error: Error,
    /// No attempt before.
    not_before: Instant,
    reported: Instant,
}

/// What is known about the attempts to reach one address.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    away: Option<Away>,
    /// Whether it could ever be reached.
    was_connected: bool,
}

/// What a caller who wants a connection has to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Dial, within this time.
    Dial(Duration),
    /// Wait until then and ask again.
    Wait(Instant),
    /// Give up: an attempt has failed since it was asked for.
    Fail(Error),
    /// Give up after a moment, so that a caller who asks again at once does not spin: attempts fail for a reason that only
    /// a person can mend.
    Refuse(Error),
}

/// A line that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    None,
    /// Failures in a row, and how long it has been away.
    Away(u32, Duration),
    /// It is there again, after so long.
    Back(Duration),
}

impl Reconnect {
    /// What to do for a caller who asked at `asked`.
    pub(super) fn next(&self, asked: Instant, now: Instant, config: &ClientConfig) -> Next {
        let Some(away) = &self.away else {
            return Next::Dial(setup_timeout(config, 0));
        };
        if away.failed > asked {
            Next::Fail(away.error.clone())
        } else if away.not_before > now && !away.error.is_retriable() {
            // Waiting does not make a password right: who asks hears of it soon.
            Next::Refuse(away.error.clone())
        } else if away.not_before > now {
            Next::Wait(away.not_before)
        } else {
            Next::Dial(setup_timeout(config, away.failures))
        }
    }

    /// An attempt made at `started` has failed.
    pub(super) fn failed(
        &mut self,
        started: Instant,
        now: Instant,
        error: Error,
        config: &ClientConfig,
    ) -> Report {
        // What only a person can mend is tried as seldom as may be from the start.
        let is_lasting = !error.is_retriable();
        let pause = |failures| {
            let failures = if is_lasting { u32::MAX } else { failures };
            config.reconnect_backoff.jittered(failures)
        };
        let Some(away) = &mut self.away else {
            self.away = Some(Away {
                since: now,
                failures: 1,
                failed: now,
                error,
                not_before: now + pause(0),
                reported: now,
            });
            return Report::Away(1, Duration::ZERO);
        };
        away.error = error;
        if started < away.failed {
            // The other attempt has set the pause.
            return Report::None;
        }
        away.failed = now;
        away.not_before = now + pause(away.failures);
        away.failures += 1;
        if now.duration_since(away.reported) < REPORT_INTERVAL {
            return Report::None;
        }
        away.reported = now;
        Report::Away(away.failures, now.duration_since(away.since))
    }

    pub(super) fn connected(&mut self, now: Instant) -> Report {
        self.was_connected = true;
        let away = self.away.take();
        away.map_or(Report::None, |away| {
            Report::Back(now.duration_since(away.since))
        })
    }

    /// Whether this address could ever be reached.
    pub(super) fn was_connected(&self) -> bool {
        self.was_connected
    }

    /// Why the last attempt failed, if the broker is away.
    pub(super) fn last_error(&self) -> Option<Error> {
        self.away.as_ref().map(|away| away.error.clone())
    }

    /// When the first attempt failed, if the broker is away.
    pub(super) fn away_since(&self) -> Option<Instant> {
        self.away.as_ref().map(|away| away.since)
    }

    /// When the last attempt failed, if the broker is away.
    pub(super) fn away_since_attempt(&self) -> Option<Instant> {
        self.away.as_ref().map(|away| away.failed)
    }
}

/// How long a connection may take to become usable after `failures` failed attempts (KIP-601).
fn setup_timeout(config: &ClientConfig, failures: u32) -> Duration {
    let first = config.connection_setup_timeout;
    let grown = first.saturating_mul(1 << failures.min(20));
    grown.min(config.connection_setup_timeout_max.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ClientConfig {
        ClientConfig::new("localhost").unwrap()
    }

    fn refused(attempt: u32) -> Error {
        Error::connect(
            &format!("attempt {attempt}"),
            std::io::ErrorKind::ConnectionRefused.into(),
        )
    }

    /// Fails one attempt after the other as soon as each may start; tells of each pause and line.
    fn fail(
        reconnect: &mut Reconnect,
        now: &mut Instant,
        attempts: u32,
    ) -> Vec<(Duration, Report)> {
        let attempt = |attempt| {
            let started = *now;
            if let Next::Wait(until) = reconnect.next(started, started, &config()) {
                *now = until;
            }
            let report = reconnect.failed(*now, *now, refused(attempt), &config());
            (now.duration_since(started), report)
        };
        (0..attempts).map(attempt).collect()
    }

    #[test]
    fn a_failure_that_lasts_is_told_at_once_and_tried_again_seldom() {
        let (mut reconnect, start) = (Reconnect::default(), Instant::now());
        let error = Error::Authentication {
            broker: "kafka:9093".to_owned(),
            mechanism: "PLAIN".to_owned(),
            failure: crate::AuthenticationFailure::Rejected,
            reason: String::new(),
        };
        let mut dialled = 0;
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            match reconnect.next(now, now, &config()) {
                Next::Dial(_) => {
                    dialled += 1;
                    reconnect.failed(now, now, error.clone(), &config());
                }
                Next::Refuse(_) => {}
                Next::Fail(_) | Next::Wait(_) => panic!("nobody waits for another attempt"),
            }
        }
        assert!((3..=4).contains(&dialled), "{dialled} attempts in 3 s");
    }

    #[test]
    fn pauses_and_setup_time_grow_with_each_failure_and_start_anew_after_a_connection() {
        let (mut reconnect, mut now) = (Reconnect::default(), Instant::now());
        let pauses: Vec<_> = fail(&mut reconnect, &mut now, 8)
            .into_iter()
            .map(|(pause, _)| pause.as_millis())
            .collect();
        assert_eq!(pauses[0], 0);
        for (pause, base) in pauses[1..].iter().zip([50, 100, 200, 400, 800, 1000, 1000]) {
            assert!(
                (base * 8 / 10..=(base * 12 / 10).min(1000)).contains(pause),
                "{pauses:?}"
            );
        }
        let later = now + Duration::from_secs(2);
        let timeout = |reconnect: &Reconnect| match reconnect.next(later, later, &config()) {
            Next::Dial(timeout) => timeout.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(timeout(&reconnect), 30);
        reconnect.connected(later);
        assert_eq!(timeout(&reconnect), 10);
        fail(&mut reconnect, &mut now, 1);
        assert_eq!(timeout(&reconnect), 20);
    }

    #[test]
    fn who_waited_for_an_attempt_shares_its_error_and_who_comes_later_tries_again() {
        let (mut reconnect, now) = (Reconnect::default(), Instant::now());
        let later = now + Duration::from_millis(1);
        reconnect.failed(now, later, refused(1), &config());
        assert!(matches!(
            reconnect.next(now, later, &config()),
            Next::Fail(_)
        ));
        assert!(matches!(
            reconnect.next(later, later, &config()),
            Next::Wait(_)
        ));
    }

    #[test]
    fn attempts_side_by_side_count_as_one_failure() {
        let (mut reconnect, now) = (Reconnect::default(), Instant::now());
        let later = now + Duration::from_millis(1);
        for lane in 0..4 {
            reconnect.failed(
                now,
                later + lane * Duration::from_millis(1),
                refused(lane),
                &config(),
            );
        }
        assert_eq!(reconnect.away.as_ref().unwrap().failures, 1);
        reconnect.failed(later, later + Duration::from_secs(1), refused(9), &config());
        assert_eq!(reconnect.away.as_ref().unwrap().failures, 2);
    }

    #[test]
    fn a_broker_that_stays_away_is_told_of_once_a_minute() {
        let (mut reconnect, mut now) = (Reconnect::default(), Instant::now());
        let since = now;
        let mut reports = Vec::new();
        while now.duration_since(since) < Duration::from_secs(185) {
            reports.extend(
                fail(&mut reconnect, &mut now, 1)
                    .pop()
                    .map(|(_, report)| report),
            );
        }
        assert!(reports.len() > 185, "{}", reports.len());
        reports.retain(|report| *report != Report::None);
        let minutes = |report: &Report| match report {
            Report::Away(_, away) => away.as_secs() / 60,
            other => panic!("{other:?}"),
        };
        let minutes: Vec<_> = reports.iter().map(minutes).collect();
        assert_eq!(minutes, [0, 1, 2, 3]);
        assert!(matches!(reconnect.connected(now), Report::Back(away) if away.as_secs() >= 185));
        assert_eq!(reconnect.connected(now), Report::None);
    }
}
