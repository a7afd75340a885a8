//! One call under way: what is known about each key, and what is done next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::api::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::ask::{Step, ask, connect};
use super::lookup::locate;
use super::next::{Next, UNKNOWN_ATTEMPTS, next};
use super::{Answer, Answers, Call, Place, Target, what};
use crate::admin::Admin;
use crate::error::Error;

/// What is known about a key so far.
#[derive(Clone, Copy, Default)]
struct Progress {
    attempts: u32,
    /// An attempt was made whose answer never came.
    unanswered: bool,
}

pub(super) struct Run<C: Call> {
    admin: Admin,
    call: Arc<C>,
    deadline: Instant,
    order: Vec<C::Key>,
    progress: HashMap<C::Key, Progress>,
    results: HashMap<C::Key, Result<C::Value, Error>>,
    /// Dropped with the call, which ends them.
    tasks: JoinSet<Step<C::Key, C::Value>>,
}

impl<C: Call> Run<C> {
    pub(super) fn new(admin: &Admin, call: C) -> Self {
        Self {
            admin: admin.clone(),
            call: Arc::new(call),
            deadline: admin.deadline(),
            order: Vec::new(),
            progress: HashMap::new(),
            results: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn add(&mut self, key: C::Key) {
        if self
            .progress
            .insert(key.clone(), Progress::default())
            .is_none()
        {
            self.order.push(key);
        }
    }

    pub(super) async fn finish(
        mut self,
    ) -> (Vec<C::Key>, HashMap<C::Key, Result<C::Value, Error>>) {
        if !self.order.is_empty() {
            self.locate(self.order.clone(), Duration::ZERO);
        }
        while let Some(joined) = self.tasks.join_next().await {
            match joined {
                Ok(step) => self.take(step),
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends.
                    Err(_) => break,
                },
            }
        }
        for key in &self.order {
            if !self.results.contains_key(key) {
                let closed = Error::Net(klamm_net::Error::Closed);
                self.results.insert(key.clone(), Err(closed));
            }
        }
        (self.order, self.results)
    }

    fn take(&mut self, step: Step<C::Key, C::Value>) {
        match step {
            Step::Located(located) => {
                for (place, keys) in located.places {
                    self.send(place, keys, Duration::ZERO);
                }
                for (error, keys) in located.failed {
                    self.failed(keys, &error);
                }
            }
            Step::Split { place, keys, max } => {
                for keys in keys.chunks(max) {
                    self.send(place, keys.to_vec(), Duration::ZERO);
                }
            }
            Step::Answered {
                place,
                keys,
                answers,
            } => self.answered(place, keys, answers),
            Step::Failed { keys, error } => self.failed(keys, &error),
        }
    }

    /// Takes what a broker said about the keys it was asked about.
    fn answered(
        &mut self,
        place: Place,
        keys: Vec<C::Key>,
        mut answers: Answers<C::Key, C::Value>,
    ) {
        let mut again = Vec::new();
        let mut elsewhere = Vec::new();
        for key in keys {
            let (code, message) = match answers.take(&key) {
                Some(Answer::Value(value)) => {
                    self.results.insert(key, Ok(value));
                    continue;
                }
                Some(Answer::Refused(code, message)) => (code, message),
                None => {
                    let api = C::Request::API;
                    let what = what::<C>(&key);
                    self.results
                        .insert(key, Err(Error::Unanswered { api, what }));
                    continue;
                }
            };
            let attempts = self.progress[&key].attempts;
            let error = Error::Refused {
                api: C::Request::API,
                what: what::<C>(&key),
                code,
                message,
                earlier_attempt_unanswered: self.progress[&key].unanswered,
            };
            let next = next(code, &self.call.target(&key), attempts);
            self.results.insert(key.clone(), Err(error));
            match next {
                Next::Again => again.push(key),
                Next::Elsewhere => elsewhere.push(key),
                Next::Never => {}
            }
        }
        let throttled = answers.throttle_time();
        let (again, pause) = self.retry(again, throttled);
        if !again.is_empty() {
            self.send(place, again, pause);
        }
        let (elsewhere, pause) = self.retry(elsewhere, throttled);
        if !elsewhere.is_empty() {
            self.locate(elsewhere, pause);
        }
    }

    /// No request about these keys could be sent, or it was not answered.
    fn failed(&mut self, keys: Vec<C::Key>, error: &Error) {
        let mut again = Vec::new();
        for key in keys {
            let target = self.call.target(&key);
            let progress = self.progress.entry(key.clone()).or_default();
            if is_worth_retrying(error, &target, progress.attempts) {
                again.push(key.clone());
            }
            let certain = progress.unanswered && !error.is_unanswered_attempt();
            progress.unanswered |= error.is_unanswered_attempt();
            // What was said or lost before is worth more than that time is over, or that a broker is
            // down by now.
            let known = self.results.contains_key(&key);
            if !(known && (certain || error.is_deadline())) {
                self.results.insert(key, Err(error.clone()));
            }
        }
        let (again, pause) = self.retry(again, Duration::ZERO);
        let is_controllers = |key: &C::Key| self.call.target(key) == Target::Controller;
        let (by_any, again): (Vec<_>, Vec<_>) = again.into_iter().partition(is_controllers);
        if !by_any.is_empty() {
            // The metadata may go on naming a broker that does not answer: with KRaft any other one takes what is the
            // controller's, without it says that it is not the controller.
            self.admin.cluster.request_refresh();
            self.send(Place::Any, by_any, pause);
        }
        if !again.is_empty() {
            self.locate(again, pause);
        }
    }

    /// Those of `keys` for which time and retries are left, and after which pause.
    fn retry(&mut self, keys: Vec<C::Key>, pause_min: Duration) -> (Vec<C::Key>, Duration) {
        let attempts = keys.iter().map(|key| self.progress[key].attempts).max();
        let backoff = self.admin.cluster.config().retry_backoff;
        let pause = backoff.jittered(attempts.unwrap_or(0)).max(pause_min);
        if Instant::now() + pause >= self.deadline {
            for key in keys {
                self.give_up(key);
            }
            return (Vec::new(), pause);
        }
        let retries = self.admin.retries;
        let (left, spent): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .partition(|key| self.progress[key].attempts < retries);
        for key in spent {
            self.give_up(key);
        }
        for key in &left {
            self.progress.entry(key.clone()).or_default().attempts += 1;
        }
        (left, pause)
    }

    /// No more attempts: an answer stays as it is, a failure of the network says that time is over.
    fn give_up(&mut self, key: C::Key) {
        if let Some(Err(error @ Error::Net(last))) = self.results.get(&key)
            && !error.is_deadline()
        {
            let over = klamm_net::Error::DeadlineExceeded {
                what: format!("{} for {}", C::Request::API, what::<C>(&key)),
                last: Some(Box::new(last.clone())),
            };
            self.results.insert(key, Err(Error::Net(over)));
        }
    }

    fn locate(&mut self, keys: Vec<C::Key>, pause: Duration) {
        let again = keys.iter().any(|key| self.progress[key].attempts > 0);
        let targets: Vec<_> = keys
            .into_iter()
            .map(|key| (self.call.target(&key), key))
            .collect();
        let (admin, deadline) = (self.admin.clone(), self.deadline);
        self.tasks.spawn(async move {
            pause_for(pause).await;
            Step::Located(locate(&admin, targets, again, deadline).await)
        });
    }

    fn send(&mut self, place: Place, keys: Vec<C::Key>, pause: Duration) {
        let (admin, call, deadline) = (self.admin.clone(), Arc::clone(&self.call), self.deadline);
        self.tasks.spawn(async move {
            pause_for(pause).await;
            match connect(&admin, place, deadline).await {
                Ok(connection) => ask(&admin, &*call, &connection, place, keys, deadline).await,
                Err(error) => {
                    let error = error.into();
                    Step::Failed { keys, error }
                }
            }
        });
    }
}

fn is_worth_retrying(error: &Error, target: &Target, attempts: u32) -> bool {
    match error {
        Error::Refused { code, .. } => next(*code, target, attempts) != Next::Never,
        // A broker that restarts is missing for a moment, one that never was for good.
        Error::Net(klamm_net::Error::UnknownNode { .. }) if matches!(target, Target::Node(_)) => {
            attempts < UNKNOWN_ATTEMPTS
        }
        Error::Net(error) => error.is_retriable(),
        _ => false,
    }
}

async fn pause_for(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}
