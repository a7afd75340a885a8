//! What this process has used, as Linux tells.

use std::fs;
use std::time::Duration;

/// Length of a clock tick and size of a page, as on every Linux of today.
const TICK: Duration = Duration::from_millis(10);
const PAGE_BYTES: u64 = 4096;

/// CPU time of the thread that asks.
pub(crate) struct Cpu {
    pub(crate) total: Duration,
    user: Duration,
    kernel: Duration,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let nanos = read("/proc/thread-self/schedstat");
        let total = nanos.split_whitespace().next().map(str::parse);
        let stat = read("/proc/thread-self/stat");
        // The name, in parentheses, may hold anything.
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|ticks| ticks.parse::<u32>().ok())
                .unwrap_or(0)
        };
        Self {
            total: Duration::from_nanos(total.and_then(Result::ok).unwrap_or(0)),
            user: TICK * ticks(11),
            kernel: TICK * ticks(12),
        }
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            total: self.total.saturating_sub(before.total),
            user: self.user.saturating_sub(before.user),
            kernel: self.kernel.saturating_sub(before.kernel),
        }
    }

    pub(crate) fn kernel_share(&self) -> f64 {
        let all = (self.user + self.kernel).as_secs_f64();
        if all > 0.0 {
            self.kernel.as_secs_f64() / all
        } else {
            0.0
        }
    }
}

/// Memory of the process that is there, not only promised.
pub(crate) fn resident_bytes() -> u64 {
    let statm = read("/proc/self/statm");
    let pages = statm.split_whitespace().nth(1).map(str::parse::<u64>);
    pages.and_then(Result::ok).unwrap_or(0) * PAGE_BYTES
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
