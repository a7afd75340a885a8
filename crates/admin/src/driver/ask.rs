//! One request to one broker, and what came of it.

use klamm_codec::api::Request;
use klamm_net::{Connection, Lane};
use tokio::time::Instant;

use super::lookup::Located;
use super::{Answers, Batch, Call, Place};
use crate::admin::Admin;
use crate::error::Error;

/// What a task of the driver found out.
pub(super) enum Step<K, V> {
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

pub(super) async fn connect(
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
pub(super) async fn ask<C: Call>(
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
