//! One driver for all calls: who has to be asked about which key, what each of them answered, and
//! what has to be asked again.
//!
//! A [`Call`] says three things: where a key is answered ([`Target`]), how a request about some keys
//! is built, and what its response says about each of them. The driver does the rest: it looks up
//! leaders and coordinators, all of them in one request ([`lookup`]); puts keys of the same broker
//! into one request; asks all brokers at once; asks again, after a backoff, about those keys only
//! whose answer says so ([`next`](next::next)).
//!
//! Invariants
//! - every key has exactly one result, whatever befalls the others
//! - a broker that does not answer delays no key of another one
//! - it ends by the deadline of the call
//! - a key is asked about again at most `retries` times

mod answers;
mod lookup;
mod next;

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use klamm_codec::api::Request;
use klamm_net::{Connection, Lane, NodeId, TopicPartition};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub(crate) use self::answers::{Answer, Answers};
use self::lookup::{Located, locate};
use self::next::{Next, UNKNOWN_ATTEMPTS, next};
use crate::admin::Admin;
use crate::error::Error;
use crate::results::Results;

/// What a call is about; each has a result of its own.
pub(crate) trait Key: Clone + Display + Eq + Hash + Send + Sync + 'static {}

impl<K: Clone + Display + Eq + Hash + Send + Sync + 'static> Key for K {}

/// Where a key is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Any broker.
    Any,
    /// The controller, or a broker that forwards to it.
    Controller,
    /// One broker.
    Node(NodeId),
    /// The leader of a partition.
    Leader(TopicPartition),
    /// The coordinator of a group.
    Group(String),
    /// The coordinator of a transactional id.
    Transaction(String),
}

/// A broker that was found for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Any,
    Node(NodeId),
}

/// The keys of one request, and who is asked.
pub(crate) struct Batch<K> {
    pub(crate) keys: Vec<K>,
    /// The version that both sides speak.
    pub(crate) version: i16,
    /// How long the broker may wait for a change to take effect.
    pub(crate) timeout_ms: i32,
    /// Address of the broker.
    pub(crate) broker: String,
    /// The broker, if it was not just any.
    pub(crate) node: Option<NodeId>,
}

impl<K> Batch<K> {
    /// Refuses what the broker is too old for.
    pub(crate) fn needs(
        &self,
        version: i16,
        what: impl Into<String>,
        since: &'static str,
    ) -> Result<(), Error> {
        if self.version >= version {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: what.into(),
            broker: self.broker.clone(),
            since,
        })
    }
}

/// One API of Kafka, as the driver needs to know it.
pub(crate) trait Call: Send + Sync + Sized + 'static {
    /// What a key is, as in "failed for topic orders"; empty if its own name says it.
    const NOUN: &'static str = "";
    /// What has a result of its own.
    type Key: Key;
    /// What a successful answer about a key gives.
    type Value: Send + 'static;
    /// The request.
    type Request: Request + Sync;

    /// Where `key` is answered.
    fn target(&self, key: &Self::Key) -> Target;

    /// How many keys one request can hold.
    fn batch_max(&self, _version: i16) -> usize {
        usize::MAX
    }

    /// The request about the keys of `batch`.
    fn request(&self, batch: &Batch<Self::Key>) -> Result<Self::Request, Error>;

    /// What the response says about each of them.
    fn read(
        &self,
        batch: &Batch<Self::Key>,
        response: <Self::Request as Request>::Response,
        answers: &mut Answers<Self::Key, Self::Value>,
    );
}

/// Asks about `keys` until each has its answer or time is over. A key that is there twice is asked
/// about once.
///
/// # Errors
/// Only when nothing is known about any of the keys.
pub(crate) async fn drive<C: Call>(
    admin: &Admin,
    call: C,
    keys: impl IntoIterator<Item = C::Key>,
) -> Result<Results<C::Key, C::Value>, Error> {
    let mut run = Run::new(admin, call);
    for key in keys {
        run.add(key);
    }
    let (order, results) = run.finish().await;
    let known = |result: &Result<C::Value, Error>| match result {
        Ok(_) => true,
        Err(error) => error.is_answer(),
    };
    if !results.is_empty() && !results.values().any(known) {
        let mut failures = results.into_values().filter_map(Result::err);
        return Err(failures.next().expect("there are results, all failures"));
    }
    Ok(Results::new(order, results))
}

/// As [`drive`] for one key.
pub(crate) async fn drive_one<C: Call>(
    admin: &Admin,
    call: C,
    key: C::Key,
) -> Result<C::Value, Error> {
    let results = drive(admin, call, [key]).await?;
    let (_, result) = results.into_iter().next().expect("one key, one result");
    result
}

/// As in "failed for topic orders".
fn what<C: Call>(key: &C::Key) -> String {
    format!("{} {key}", C::NOUN).trim_start().to_owned()
}

/// What is known about a key so far.
#[derive(Clone, Copy, Default)]
struct Progress {
    attempts: u32,
    /// An attempt was made whose answer never came.
    unanswered: bool,
}

/// What a task of the driver found out.
enum Step<K, V> {
    Located(Located<K>),
    /// One request holds fewer keys than were found for a broker.
    Split {
        place: Place,
        keys: Vec<K>,
        max: usize,
    },
    Answered {
        place: Place,
        keys: Vec<K>,
        answers: Answers<K, V>,
    },
    Failed {
        keys: Vec<K>,
        error: Error,
    },
}

struct Run<C: Call> {
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
    fn new(admin: &Admin, call: C) -> Self {
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

    fn add(&mut self, key: C::Key) {
        if self
            .progress
            .insert(key.clone(), Progress::default())
            .is_none()
        {
            self.order.push(key);
        }
    }

    async fn finish(mut self) -> (Vec<C::Key>, HashMap<C::Key, Result<C::Value, Error>>) {
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

async fn connect(
    admin: &Admin,
    place: Place,
    deadline: Instant,
) -> Result<Connection, klamm_net::Error> {
    match place {
        Place::Any => admin.cluster.any_connection(deadline).await,
        Place::Node(node) => {
            admin
                .cluster
                .connection(node, Lane::Control, deadline)
                .await
        }
    }
}

/// Sends one request and reads its response.
async fn ask<C: Call>(
    admin: &Admin,
    call: &C,
    connection: &Connection,
    place: Place,
    keys: Vec<C::Key>,
    deadline: Instant,
) -> Step<C::Key, C::Value> {
    let version = match connection.version(C::Request::API) {
        Ok(version) => version,
        Err(error) => {
            let error = error.into();
            return Step::Failed { keys, error };
        }
    };
    let max = call.batch_max(version).max(1);
    if keys.len() > max {
        return Step::Split { place, keys, max };
    }
    // As in Java: what is left of the call, within the wait for one response.
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = left.min(admin.cluster.config().request_timeout);
    let batch = Batch {
        keys,
        version,
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        broker: connection.address().to_owned(),
        node: match place {
            Place::Any => None,
            Place::Node(node) => Some(node),
        },
    };
    let asked = match call.request(&batch) {
        Ok(request) => connection
            .request(&request, version, timeout)
            .await
            .map_err(Error::from),
        Err(error) => Err(error),
    };
    match asked {
        Ok(response) => {
            let mut answers = Answers::default();
            call.read(&batch, response, &mut answers);
            let keys = batch.keys;
            Step::Answered {
                place,
                keys,
                answers,
            }
        }
        Err(error) => Step::Failed {
            keys: batch.keys,
            error,
        },
    }
}
