//! Sampling in turns, and the table.

use std::time::{Duration, Instant};

use stats_alloc::Region;

use crate::ALLOCATOR;

const SAMPLES: usize = 41;
/// A sample repeats its task until the clock's grain and a wake-up no longer count.
const SAMPLE_TIME_MIN: Duration = Duration::from_millis(1);

/// One way to do something.
pub(crate) struct Task<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Task<'a> {
    pub(crate) fn new(name: &'static str, run: impl FnMut() + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }

    fn time(&mut self, runs: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..runs {
            (self.run)();
        }
        start.elapsed()
    }

    /// Runs in a sample; warms caches and buffers up on the way.
    fn runs(&mut self) -> u32 {
        let mut runs = 1;
        while self.time(runs) < SAMPLE_TIME_MIN {
            runs *= 2;
        }
        runs
    }

    fn allocations(&mut self) -> usize {
        let region = Region::new(ALLOCATOR);
        (self.run)();
        let stats = region.change();
        stats.allocations + stats.reallocations
    }
}

/// Nanoseconds a record.
struct Figures {
    min: f64,
    median: f64,
    max: f64,
}

impl Figures {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self {
            min: samples[0],
            median: samples[samples.len() / 2],
            max: samples[samples.len() - 1],
        }
    }
}

/// Prints comparisons as they are made.
pub(crate) struct Table {
    filter: Option<String>,
}

impl Table {
    pub(crate) fn new(filter: Option<String>) -> Self {
        println!(
            "{:<24} {:<32} {:>8} {:>8} {:>8} {:>8} {:>7}",
            "", "", "min", "median", "max", "allocs", "vs"
        );
        Self { filter }
    }

    /// Measures tasks that handle `records` records each; the last "ours" before it is what each of theirs is held
    /// against.
    pub(crate) fn compare(&self, name: &str, records: usize, mut tasks: Vec<Task<'_>>) {
        if self
            .filter
            .as_ref()
            .is_some_and(|filter| !name.contains(filter))
        {
            return;
        }
        let per_record = 1.0 / records as f64;
        let runs: Vec<u32> = tasks.iter_mut().map(Task::runs).collect();
        let mut samples = vec![Vec::with_capacity(SAMPLES); tasks.len()];
        for _ in 0..SAMPLES {
            for ((task, &runs), samples) in tasks.iter_mut().zip(&runs).zip(&mut samples) {
                let nanoseconds = task.time(runs).as_nanos() as f64;
                samples.push(nanoseconds / f64::from(runs) * per_record);
            }
        }
        let mut ours = None;
        for (task, samples) in tasks.iter_mut().zip(samples) {
            let figures = Figures::of(samples);
            let allocations = task.allocations() as f64 * per_record;
            let versus = if task.name.starts_with("ours") {
                if task.name == "ours" {
                    ours = Some(figures.median);
                }
                String::new()
            } else {
                ours.map_or_else(String::new, |ours| format!("{:.1}x", figures.median / ours))
            };
            println!(
                "{name:<24} {:<32} {:>8.1} {:>8.1} {:>8.1} {allocations:>8.4} {versus:>7}",
                task.name, figures.min, figures.median, figures.max,
            );
        }
        println!();
    }
}
