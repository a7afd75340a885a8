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
mod ask;
mod call;
mod lookup;
mod next;
mod run;

use klamm_codec::api::Request as _;

pub(crate) use self::answers::{Answer, Answers};
pub(crate) use self::call::{Batch, Call, Key, Target};
use self::call::{Place, what};
use self::run::Run;
use crate::admin::Admin;
use crate::error::Error;
use crate::results::Results;

/// Asks about `keys` until each has its answer or time is over. A key that is there twice is asked
/// about once.
///
/// # Errors
/// Only when nothing is known about any of the keys, or when controllers are spoken with that do not take the call.
pub(crate) async fn drive<C: Call>(
    admin: &Admin,
    call: C,
    keys: impl IntoIterator<Item = C::Key>,
) -> Result<Results<C::Key, C::Value>, Error> {
    if !C::FOR_CONTROLLERS {
        admin.needs_brokers(&C::Request::API)?;
    }
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
