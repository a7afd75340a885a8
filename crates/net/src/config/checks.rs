//! Rules about several settings at once, on plain values: a role's `build()` calls them with what it is going to
//! use, wherever each value came from (property, builder method or default).
//!
//! Each adds to [`Findings`]; those that repair, as Java does, return the value to use.

use std::time::Duration;

use super::error::{Findings, Problem};

/// Most unanswered produce requests per broker with which the broker can still tell repeated batches.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// What decides about idempotence.
#[derive(Clone, Copy, Debug)]
pub struct IdempotenceSettings {
    /// `enable.idempotence`, `None` if the user left it to the default (on).
    pub enabled: Option<bool>,
    /// Whether `acks` is all.
    pub acks_all: bool,
    /// `retries`.
    pub retries: u32,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// Whether `transactional.id` is set.
    pub transactional: bool,
}

/// Whether the producer is idempotent. Left to the default, `acks` and `retries` may switch it off (with a warning);
/// set by the user, they are errors.
pub fn idempotence(settings: IdempotenceSettings, findings: &mut Findings) -> bool {
    let mut enabled = settings.enabled.unwrap_or(true);
    let wanted = settings.enabled == Some(true) || settings.transactional;
    let obstacles = [
        (!settings.acks_all, "acks = all"),
        (settings.retries == 0, "retries above 0"),
    ];
    for (is_obstacle, needed) in obstacles {
        if !(enabled && is_obstacle) {
            continue;
        }
        if wanted {
            let rule =
                format!("needs {needed}; change that, or give up idempotence and transactions");
            findings.problem(Problem::conflict("enable.idempotence", "true", rule));
        } else {
            findings.warn(format!(
                "idempotence is off, as it needs {needed}: retries may duplicate or reorder records"
            ));
            enabled = false;
        }
    }
    if enabled && settings.max_in_flight > IDEMPOTENT_IN_FLIGHT_MAX {
        let rule =
            format!("must be at most {IDEMPOTENT_IN_FLIGHT_MAX} unless enable.idempotence = false");
        let value = settings.max_in_flight.to_string();
        findings.problem(Problem::conflict(
            "max.in.flight.requests.per.connection",
            &value,
            rule,
        ));
    }
    if settings.transactional && settings.enabled == Some(false) {
        let rule = "transactional.id needs idempotence, leave one of them out";
        findings.problem(Problem::conflict("enable.idempotence", "false", rule));
    }
    enabled
}

/// The delivery timeout to use. It must leave room for lingering and one request: an error if the user set it too
/// short, else raised with a warning.
pub fn delivery_timeout(
    delivery_timeout: Duration,
    set_by_user: bool,
    linger: Duration,
    request_timeout: Duration,
    findings: &mut Findings,
) -> Duration {
    let least = linger.saturating_add(request_timeout);
    if delivery_timeout >= least {
        return delivery_timeout;
    }
    if set_by_user {
        let rule = format!(
            "must be at least linger.ms + request.timeout.ms, {} ms",
            ms(least)
        );
        findings.problem(Problem::conflict(
            "delivery.timeout.ms",
            &ms(delivery_timeout),
            rule,
        ));
    } else {
        findings.warn(format!(
            "delivery.timeout.ms raised to linger.ms + request.timeout.ms, {} ms",
            ms(least)
        ));
    }
    least
}

/// The first `retry.backoff.ms` to use: at most `retry.backoff.max.ms`.
pub fn retry_backoff(first: Duration, max: Duration, findings: &mut Findings) -> Duration {
    backoff("retry.backoff", first, max, findings)
}

/// The first `reconnect.backoff.ms` to use: at most `reconnect.backoff.max.ms`.
pub fn reconnect_backoff(first: Duration, max: Duration, findings: &mut Findings) -> Duration {
    backoff("reconnect.backoff", first, max, findings)
}

fn backoff(prefix: &str, first: Duration, max: Duration, findings: &mut Findings) -> Duration {
    if first > max {
        let (first, max) = (ms(first), ms(max));
        findings.warn(format!(
            "{prefix}.ms = {first} is above {prefix}.max.ms = {max}: every pause is {max} ms"
        ));
    }
    first.min(max)
}

/// The connection setup timeout to use for the first attempt: at most its max.
pub fn connection_setup_timeout(
    first: Duration,
    max: Duration,
    findings: &mut Findings,
) -> Duration {
    if first > max {
        let (first, max) = (ms(first), ms(max));
        findings.warn(format!(
            "socket.connection.setup.timeout.ms = {first} is above its max = {max}: every attempt has {max} ms"
        ));
    }
    first.min(max)
}

/// Warns of batches that cannot become as large as asked for.
pub fn batch_size(batch_bytes: usize, request_bytes_max: usize, findings: &mut Findings) {
    if batch_bytes > request_bytes_max {
        findings.warn(format!(
            "batch.size = {batch_bytes} is above max.request.size = {request_bytes_max}: batches are cut at the latter"
        ));
    }
}

/// Warns of an LZ4 level that changes nothing: the pure-Rust codec has the fast mode only, which Java calls 9.
pub(super) fn lz4_level(level: i64, findings: &mut Findings) {
    if level != 9 {
        findings.warn(format!(
            "compression.lz4.level = {level}: klamm's LZ4 has one level, Java's default"
        ));
    }
}

/// A rack-aware partitioner needs to know its own rack.
pub fn rack_aware(rack_aware: bool, rack: &str, findings: &mut Findings) {
    if rack_aware && rack.is_empty() {
        findings.problem(Problem::conflict(
            "partitioner.rack.aware",
            "true",
            "needs client.rack",
        ));
    }
}

/// Heartbeats must reach the coordinator well within the session timeout.
pub fn heartbeat(heartbeat_interval: Duration, session_timeout: Duration, findings: &mut Findings) {
    let (interval, timeout) = (ms(heartbeat_interval), ms(session_timeout));
    if heartbeat_interval >= session_timeout {
        let rule = format!("must be below session.timeout.ms = {timeout}, at best a third of it");
        findings.problem(Problem::conflict("heartbeat.interval.ms", &interval, rule));
    } else if heartbeat_interval.saturating_mul(3) > session_timeout {
        findings.warn(format!(
            "heartbeat.interval.ms = {interval} is above a third of session.timeout.ms = {timeout}: \
             two lost heartbeats end the membership"
        ));
    }
}

/// The broker may hold a fetch for as long as the client asks: the client must not give up before.
pub fn fetch_wait(fetch_wait_max: Duration, request_timeout: Duration, findings: &mut Findings) {
    if fetch_wait_max >= request_timeout {
        let timeout = ms(request_timeout);
        let rule = format!(
            "must be below request.timeout.ms = {timeout}, or every empty fetch closes its connection"
        );
        findings.problem(Problem::conflict(
            "fetch.max.wait.ms",
            &ms(fetch_wait_max),
            rule,
        ));
    }
}

/// A group id must not be empty, and to commit automatically there must be one. `auto_commit` is what the user set.
pub fn group(group_id: Option<&str>, auto_commit: Option<bool>, findings: &mut Findings) {
    if group_id == Some("") {
        findings.problem(Problem::not_allowed(
            "group.id",
            "",
            "text that is not empty",
        ));
    }
    if group_id.is_none() && auto_commit == Some(true) {
        findings.problem(Problem::conflict(
            "enable.auto.commit",
            "true",
            "needs group.id",
        ));
    }
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    // `linger` may be a fraction of a millisecond; others print as whole numbers.
    format!("{ms}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: IdempotenceSettings = IdempotenceSettings {
        enabled: None,
        acks_all: true,
        retries: 3,
        max_in_flight: 5,
        transactional: false,
    };

    fn found<T>(check: impl FnOnce(&mut Findings) -> T) -> (T, Vec<String>, Vec<String>) {
        let mut findings = Findings::new();
        let outcome = check(&mut findings);
        match findings.finish() {
            Ok(warnings) => (outcome, Vec::new(), warnings),
            Err(error) => (
                outcome,
                error.problems().iter().map(ToString::to_string).collect(),
                Vec::new(),
            ),
        }
    }

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn idempotence_is_on_by_default_and_off_when_refused() {
        assert_eq!(found(|f| idempotence(DEFAULTS, f)), (true, vec![], vec![]));
        let settings = IdempotenceSettings {
            enabled: Some(false),
            max_in_flight: 100,
            ..DEFAULTS
        };
        assert_eq!(found(|f| idempotence(settings, f)), (false, vec![], vec![]));
    }

    #[test]
    fn acks_or_retries_switch_default_idempotence_off_with_one_warning() {
        let settings = IdempotenceSettings {
            acks_all: false,
            retries: 0,
            ..DEFAULTS
        };
        let (on, problems, warnings) = found(|f| idempotence(settings, f));
        assert!(!on);
        assert!(problems.is_empty());
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn wanted_idempotence_reports_every_obstacle() {
        let settings = IdempotenceSettings {
            enabled: Some(true),
            acks_all: false,
            retries: 0,
            max_in_flight: 6,
            ..DEFAULTS
        };
        assert_eq!(found(|f| idempotence(settings, f)).1.len(), 3);
        let transactional = IdempotenceSettings {
            enabled: None,
            transactional: true,
            ..settings
        };
        assert_eq!(found(|f| idempotence(transactional, f)).1.len(), 3);
    }

    #[test]
    fn more_than_five_in_flight_need_idempotence_switched_off() {
        let settings = IdempotenceSettings {
            max_in_flight: 6,
            ..DEFAULTS
        };
        assert_eq!(found(|f| idempotence(settings, f)).1.len(), 1);
    }

    #[test]
    fn a_transactional_id_refuses_idempotence_switched_off() {
        let settings = IdempotenceSettings {
            enabled: Some(false),
            transactional: true,
            ..DEFAULTS
        };
        assert_eq!(found(|f| idempotence(settings, f)).1.len(), 1);
    }

    #[test]
    fn a_short_delivery_timeout_is_an_error_of_the_user_and_a_repair_of_the_default() {
        let check = |delivery, by_user| {
            found(|f| delivery_timeout(millis(delivery), by_user, millis(5), millis(30_000), f))
        };
        assert_eq!(check(30_005, true), (millis(30_005), vec![], vec![]));
        let (_, problems, _) = check(30_004, true);
        assert_eq!(
            problems,
            [
                "delivery.timeout.ms = \"30004\": must be at least linger.ms + request.timeout.ms, 30005 ms"
            ]
        );
        let (raised, problems, warnings) = check(30_004, false);
        assert_eq!(
            (raised, problems.len(), warnings.len()),
            (millis(30_005), 0, 1)
        );
    }

    #[test]
    fn a_backoff_above_its_max_becomes_the_max_with_a_warning() {
        let (used, problems, warnings) = found(|f| retry_backoff(millis(2000), millis(1000), f));
        assert_eq!((used, problems.len(), warnings.len()), (millis(1000), 0, 1));
        assert!(
            warnings[0].starts_with("retry.backoff.ms = 2000"),
            "{warnings:?}"
        );
        let (used, _, warnings) = found(|f| reconnect_backoff(millis(50), millis(1000), f));
        assert_eq!((used, warnings.len()), (millis(50), 0));
        let (used, _, warnings) =
            found(|f| connection_setup_timeout(millis(60_000), millis(30_000), f));
        assert_eq!((used, warnings.len()), (millis(30_000), 1));
    }

    #[test]
    fn heartbeats_stay_below_the_session_timeout() {
        let check = |interval, timeout| found(|f| heartbeat(millis(interval), millis(timeout), f));
        assert_eq!(check(3000, 9000), ((), vec![], vec![]));
        assert_eq!(check(3001, 9000).2.len(), 1);
        assert_eq!(check(9000, 9000).1.len(), 1);
    }

    #[test]
    fn a_fetch_waits_less_than_a_request() {
        assert_eq!(
            found(|f| fetch_wait(millis(29_999), millis(30_000), f))
                .1
                .len(),
            0
        );
        assert_eq!(
            found(|f| fetch_wait(millis(30_000), millis(30_000), f))
                .1
                .len(),
            1
        );
    }

    #[test]
    fn group_rack_and_batch_rules_hold() {
        assert_eq!(found(|f| group(Some("g"), Some(true), f)).1.len(), 0);
        assert_eq!(found(|f| group(None, None, f)).1.len(), 0);
        assert_eq!(found(|f| group(None, Some(true), f)).1.len(), 1);
        assert_eq!(found(|f| group(Some(""), None, f)).1.len(), 1);
        assert_eq!(found(|f| rack_aware(true, "", f)).1.len(), 1);
        assert_eq!(found(|f| rack_aware(true, "eu-1", f)).1.len(), 0);
        assert_eq!(found(|f| batch_size(2, 1, f)).2.len(), 1);
        assert_eq!(found(|f| batch_size(1, 1, f)).2.len(), 0);
    }
}
