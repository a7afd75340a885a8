//! Sending at a steady rate: open loop, so that a stall cannot hide behind a sender that waits for it.

use std::time::{Duration, Instant};

use klamm::producer::Error;

use super::args::PerfLatencyArgs;
use crate::interrupt::interrupted;
use crate::progress;

/// Calls `send` with the number of each record and when it was due, once it is, until all are sent, an interruption or a
/// failure. Gives what `send` gave, and the failure.
pub(super) async fn paced<T>(
    args: &PerfLatencyArgs,
    start: Instant,
    mut send: impl AsyncFnMut(u64, Instant) -> Result<T, Error>,
) -> (Vec<T>, Option<Error>) {
    let mut interrupt = std::pin::pin!(interrupted());
    let (mut given, mut failure) = (Vec::new(), None);
    let bar = progress::bar(Some(args.records()), "records");
    for index in 0..args.records() {
        let due = start + due(index, args.rate);
        // The runtime's timer ticks in milliseconds, too coarse to pace by. This future is the one
        // that the main thread runs, apart from the workers: blocking it holds up nobody else.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let accepted = tokio::select! {
            biased;
            () = &mut interrupt => break,
            accepted = send(index, due) => accepted,
        };
        match accepted {
            Ok(accepted) => given.push(accepted),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
        // Ten times a second: it must not cost what is measured.
        if index.is_multiple_of(args.rate.div_ceil(10)) {
            bar.set_position(index);
        }
    }
    bar.finish_and_clear();
    (given, failure)
}

/// When record number `index` is due, after the start.
fn due(index: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(index) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(nanoseconds as u64)
}
