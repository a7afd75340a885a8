//! Calls about several topics at once, which each succeed or fail for themselves.
//!
//! The whole request is retried by [`Cluster::call`](klamm_net::Cluster::call); here only the topics
//! whose own answer says "later" are sent again (KIP-599: `THROTTLING_QUOTA_EXCEEDED`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_codec::api::Request;
use klamm_net::{Route, Verdict};
use tokio::time::{Instant, sleep};

use crate::admin::Admin;
use crate::error::Error;
use crate::topic::{TopicResult, TopicResults};

/// What a broker says about one topic.
#[derive(Clone)]
pub(crate) struct TopicAnswer<T> {
    pub(crate) topic: String,
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
    pub(crate) value: T,
}

/// What a broker says about all topics of a request.
pub(crate) struct Answers<T> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<TopicAnswer<T>>,
}

impl<T> Answers<T> {
    fn verdict(&self) -> Verdict {
        let not_controller = ErrorCode::NOT_CONTROLLER;
        if self.topics.iter().any(|topic| topic.code == not_controller) {
            Verdict::Retry(not_controller)
        } else {
            Verdict::Done
        }
    }
}

/// The request for some of the topics of a call.
pub(crate) struct Attempt<'a> {
    pub(crate) version: i16,
    /// Positions of the topics in the call.
    pub(crate) pending: &'a [usize],
    /// How long the broker may wait for the change to take effect.
    pub(crate) timeout_ms: i32,
}

/// Asks the controller about `topics` until each has its answer or time is over.
///
/// # Errors
/// Only when nothing is known about any of the topics.
pub(crate) async fn call_controller<R: Request, T: Clone>(
    admin: &Admin,
    topics: Vec<String>,
    build: impl Fn(Attempt<'_>) -> R,
    read: impl Fn(&R::Response) -> Answers<T>,
) -> Result<TopicResults<T>, Error> {
    let deadline = admin.deadline();
    let mut results: Vec<Option<Result<T, Error>>> = topics.iter().map(|_| None).collect();
    let unanswered = Unanswered::default();
    let mut round = 0;
    loop {
        let pending: Vec<usize> = (0..topics.len())
            .filter(|&at| results[at].is_none())
            .collect();
        if pending.is_empty() {
            break;
        }
        let build = |version| {
            unanswered.ask();
            let timeout_ms = broker_timeout_ms(admin, deadline);
            build(Attempt {
                version,
                pending: &pending,
                timeout_ms,
            })
        };
        let check = |response: &R::Response| {
            unanswered.answer();
            read(response).verdict()
        };
        let called = admin
            .cluster
            .call(&Route::Controller, deadline, build, check);
        let answers = match called.await {
            Ok(response) => read(&response),
            Err(error) if pending.len() == topics.len() => return Err(error.into()),
            Err(error) => {
                // Others have succeeded or failed already: they must not be forgotten.
                for at in pending {
                    results[at] = Some(Err(error.clone().into()));
                }
                break;
            }
        };
        let throttled = Duration::from_millis(answers.throttle_time_ms.max(0) as u64);
        let backoff = admin.cluster.config().retry_backoff.jittered(round);
        let pause = throttled.max(backoff);
        let may_retry = Instant::now() + pause < deadline;
        let by_name: HashMap<_, _> = answers
            .topics
            .into_iter()
            .map(|answer| (answer.topic.clone(), answer))
            .collect();
        for at in pending {
            let answer = by_name.get(&topics[at]);
            if answer.is_some_and(|answer| answer.code == ErrorCode::THROTTLING_QUOTA_EXCEEDED)
                && may_retry
            {
                continue;
            }
            results[at] = Some(result::<R, T>(&topics[at], answer, unanswered.any()));
        }
        if results.iter().any(Option::is_none) {
            sleep(pause).await;
        }
        round += 1;
    }
    let results = topics.into_iter().zip(results.into_iter().flatten());
    Ok(TopicResults::new(
        results.map(|(name, result)| TopicResult { name, result }),
    ))
}

fn result<R: Request, T: Clone>(
    topic: &str,
    answer: Option<&TopicAnswer<T>>,
    earlier_attempt_unanswered: bool,
) -> Result<T, Error> {
    let Some(answer) = answer else {
        return Err(Error::Unanswered {
            api: R::API,
            topic: topic.to_owned(),
        });
    };
    if answer.code.is_none() {
        return Ok(answer.value.clone());
    }
    Err(Error::Topic {
        api: R::API,
        topic: topic.to_owned(),
        code: answer.code,
        message: answer.message.clone(),
        earlier_attempt_unanswered,
    })
}

/// As in Java: what is left of the call, within the wait for one response.
fn broker_timeout_ms(admin: &Admin, deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = left.min(admin.cluster.config().request_timeout);
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Whether an attempt was made whose answer never came.
#[derive(Default)]
struct Unanswered {
    asking: AtomicBool,
    lost: AtomicBool,
}

impl Unanswered {
    fn ask(&self) {
        if self.asking.swap(true, Ordering::Relaxed) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    fn answer(&self) {
        self.asking.store(false, Ordering::Relaxed);
    }

    fn any(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}
