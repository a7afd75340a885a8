//! Attempts of which one has to succeed, each begun a moment after the one before.
//!
//! An address that swallows packets gives no error for as long as the setup timeout lasts. Nobody waits for that: the
//! next address is tried beside it, as RFC 8305 ("Happy Eyeballs") has it for the addresses of a name.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;

/// How long an attempt to connect stays alone (RFC 8305, section 5).
pub(crate) const HEAD_START: Duration = Duration::from_millis(250);

/// The first success; the attempts that still run then are dropped. Without one, all failures in the order in which
/// they came.
///
/// The next attempt begins when one fails, or `head_start` after the one before.
pub(crate) async fn first_success<F, T, E>(
    head_start: Duration,
    attempts: impl IntoIterator<Item = F>,
) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut to_come = attempts.into_iter().fuse();
    let (mut running, mut failures) = (Vec::new(), Vec::new());
    let mut all_begun = false;
    loop {
        match to_come.next() {
            Some(attempt) => running.push(Box::pin(attempt)),
            None => all_begun = true,
        }
        if running.is_empty() {
            return Err(failures);
        }
        tokio::select! {
            ended = poll_fn(|context| poll_any(&mut running, context)) => match ended {
                Ok(success) => return Ok(success),
                Err(failure) => failures.push(failure),
            },
            () = sleep(head_start), if !all_begun => {}
        }
    }
}

/// The result of one that has ended, which is taken out.
fn poll_any<F: Future>(
    running: &mut Vec<Pin<Box<F>>>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    for at in 0..running.len() {
        if let Poll::Ready(output) = running[at].as_mut().poll(context) {
            running.swap_remove(at);
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    /// An attempt with this result after so many milliseconds.
    async fn after(ms: u64, result: Result<u32, u32>) -> Result<u32, u32> {
        sleep(Duration::from_millis(ms)).await;
        result
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_never_ends_costs_its_head_start_alone() {
        let started = Instant::now();
        let attempts = [true, true, false].map(|hangs| async move {
            if hangs {
                pending::<()>().await;
            }
            after(10, Ok(3)).await
        });
        assert_eq!(first_success(HEAD_START, attempts).await, Ok(3));
        assert!(started.elapsed() <= 2 * HEAD_START + Duration::from_millis(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_begins_the_next_at_once_and_all_failures_are_told() {
        let started = Instant::now();
        let attempts = [after(20, Err(1)), after(10, Err(2)), after(10, Ok(3))];
        assert_eq!(first_success(HEAD_START, attempts).await, Ok(3));
        assert!(started.elapsed() < HEAD_START);
        let attempts = [after(400, Err(1)), after(10, Err(2)), after(500, Err(3))];
        assert_eq!(
            first_success(HEAD_START, attempts).await,
            Err(vec![2, 1, 3])
        );
        let none: [std::future::Ready<Result<u32, u32>>; 0] = [];
        assert_eq!(first_success(HEAD_START, none).await, Err(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_quick_is_the_only_one() {
        let mut begun = 0;
        let attempts = (0..3).map(|number| {
            begun += 1;
            after(200, Ok::<u32, u32>(number))
        });
        assert_eq!(first_success(HEAD_START, attempts).await, Ok(0));
        assert_eq!(begun, 1);
    }
}
