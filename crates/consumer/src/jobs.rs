//! The requests that one task has under way, polled by it in place.
//!
//! Dropping the set drops them all: a task that ends leaves nothing behind.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Futures with results of one type, in no order.
pub(crate) struct Jobs<T> {
    running: Vec<Job<T>>,
}

impl<T> Jobs<T> {
    pub(crate) const fn new() -> Self {
        Self {
            running: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, job: impl Future<Output = T> + Send + 'static) {
        self.running.push(Box::pin(job));
    }

    /// The next result; never, if nothing is under way.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> T {
        poll_fn(|context| {
            for index in 0..self.running.len() {
                if let Poll::Ready(result) = self.running[index].as_mut().poll(context) {
                    drop(self.running.swap_remove(index));
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn results_come_as_they_are_ready() {
        let mut jobs = Jobs::new();
        let (first, wait_first) = oneshot::channel();
        let (second, wait_second) = oneshot::channel();
        jobs.push(wait_first);
        jobs.push(wait_second);
        second.send(2).unwrap();
        assert_eq!(jobs.next().await, Ok(2));
        first.send(1).unwrap();
        assert_eq!(jobs.next().await, Ok(1));
    }
}
