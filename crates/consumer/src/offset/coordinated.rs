//! Requests to the group's coordinator that are not part of a rebalance.
//!
//! They go over the control connection: on the group's own one they would wait behind a join, which
//! the coordinator answers only when all members have come.

use klamm_codec::api::Request;
use klamm_codec::{ApiKey, ErrorCode};
use klamm_net::{Cluster, CoordinatorKind, Error, Lane, Pauses};
use tokio::time::{Instant, sleep};

/// Asks the coordinator of `group` until it answers what `check` accepts, or `deadline`.
///
/// # Cancel safety
/// Dropping the future ends the retries; a request on its way may still be processed.
pub(super) async fn call<R: Request>(
    cluster: &Cluster,
    group: &str,
    deadline: Instant,
    build: impl Fn(i16) -> R,
    check: impl Fn(&R::Response) -> Result<(), ErrorCode>,
) -> Result<R::Response, Error> {
    let mut pauses = Pauses::new(cluster.config().retry_backoff, Instant::now());
    loop {
        let error = match ask(cluster, group, deadline, &build, &check).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        // Who reads in an epoch that is over reads in the next one; of a commit the member judges.
        let is_late =
            R::API == ApiKey::OFFSET_FETCH && error.code() == Some(ErrorCode::STALE_MEMBER_EPOCH);
        if !error.is_retriable() && !is_late {
            return Err(error);
        }
        let stays = matches!(
            error.code(),
            Some(
                ErrorCode::STALE_MEMBER_EPOCH
                    | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                    | ErrorCode::UNSTABLE_OFFSET_COMMIT
                    | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            )
        );
        if !stays {
            cluster.forget_coordinator(CoordinatorKind::Group, group);
        }
        let now = Instant::now();
        let pause = pauses.take(now);
        if now + pause >= deadline {
            return Err(Error::DeadlineExceeded {
                what: format!("{} for group {group}", R::API),
                last: Some(Box::new(error)),
            });
        }
        sleep(pause).await;
    }
}

/// The worst of an answer's codes: one that is final rather than one that can be tried again.
pub(super) fn worst(codes: impl Iterator<Item = ErrorCode>) -> Result<(), ErrorCode> {
    let refusals = codes.filter(|code| !code.is_none());
    let worst = refusals.min_by_key(|code| code.is_retriable());
    worst.map_or(Ok(()), Err)
}

async fn ask<R: Request>(
    cluster: &Cluster,
    group: &str,
    deadline: Instant,
    build: &impl Fn(i16) -> R,
    check: &impl Fn(&R::Response) -> Result<(), ErrorCode>,
) -> Result<R::Response, Error> {
    let kind = CoordinatorKind::Group;
    let connecting = cluster.coordinator_connection(kind, group, Lane::Control, deadline);
    let connection = connecting.await?;
    let version = connection.version(R::API)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = cluster.config().request_timeout.min(left);
    let response = connection
        .request(&build(version), version, timeout)
        .await?;
    match check(&response) {
        Ok(()) => Ok(response),
        Err(code) => Err(Error::broker(R::API, code, format!("group {group}"))),
    }
}
