//! What the process has used so far: time, CPU, memory.

use std::time::{Duration, Instant};

/// CPU and memory of the whole process, at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    /// User and system time of all threads.
    cpu: Duration,
    memory_bytes_max: u64,
}

impl Usage {
    /// Now.
    #[cfg(unix)]
    pub(crate) fn now() -> Self {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeValLike as _;
        // ru_maxrss: KiB, but bytes on Apple's systems.
        const MEMORY_UNIT: u64 = if cfg!(target_vendor = "apple") {
            1
        } else {
            1024
        };

        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let (cpu, memory) = usage.map_or((0, 0), |usage| {
            let cpu = usage.user_time() + usage.system_time();
            (cpu.num_microseconds(), usage.max_rss())
        });
        Self {
            at: Instant::now(),
            cpu: Duration::from_micros(cpu.max(0) as u64),
            memory_bytes_max: memory.max(0) as u64 * MEMORY_UNIT,
        }
    }

    /// Now, without CPU and memory: there is no safe wrapper for them here.
    #[cfg(not(unix))]
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            cpu: Duration::ZERO,
            memory_bytes_max: 0,
        }
    }

    /// What was used from `start` until now, for `records` records, as it stands in a result line.
    pub(crate) fn since(self, start: Self, records: u64) -> Spent {
        Spent {
            elapsed: self.at - start.at,
            cpu: self.cpu.saturating_sub(start.cpu),
            memory_bytes_max: self.memory_bytes_max,
            records,
        }
    }
}

/// What some records took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    elapsed: Duration,
    cpu: Duration,
    memory_bytes_max: u64,
    records: u64,
}

impl Spent {
    /// `seconds=S records_per_s=R`
    pub(crate) fn throughput(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds > 0.0 {
            self.records as f64 / seconds
        } else {
            0.0
        };
        format!("seconds={seconds:.3} records_per_s={rate:.0}")
    }

    /// `cpu_seconds=C ns_cpu_per_record=X maxrss_mib=M`
    pub(crate) fn cost(&self) -> String {
        let per_record = self.cpu.as_nanos() as f64 / self.records.max(1) as f64;
        let mebibytes = self.memory_bytes_max as f64 / f64::from(1 << 20);
        format!(
            "cpu_seconds={:.3} ns_cpu_per_record={per_record:.0} maxrss_mib={mebibytes:.0}",
            self.cpu.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn cpu_and_memory_are_those_of_this_process() {
        let start = Usage::now();
        let mut spins = 0_u64;
        while start.at.elapsed() < Duration::from_millis(30) {
            spins = std::hint::black_box(spins + 1);
        }
        let spent = Usage::now().since(start, 1000);
        assert!(spent.cpu > Duration::from_millis(1), "{spent:?}");
        assert!(spent.memory_bytes_max > 1 << 19, "{spent:?}");
    }

    #[test]
    fn a_result_line_has_the_fields_that_scripts_read() {
        let spent = Spent {
            elapsed: Duration::from_millis(2500),
            cpu: Duration::from_millis(1250),
            memory_bytes_max: 64 << 20,
            records: 1_000_000,
        };
        assert_eq!(spent.throughput(), "seconds=2.500 records_per_s=400000");
        assert_eq!(
            spent.cost(),
            "cpu_seconds=1.250 ns_cpu_per_record=1250 maxrss_mib=64"
        );
    }
}
