//! The controllers of a `KRaft` cluster, spoken with directly (KIP-919): who they are takes the place of metadata.

use std::time::Duration;

use klamm_codec::api::Request;
use klamm_codec::messages::{DescribeClusterRequest, DescribeClusterResponse};
use klamm_codec::{ApiKey, ErrorCode};

use super::snapshot::{Answer, Broker};
use crate::connection::Connection;
use crate::error::Error;
use crate::node::NodeId;

/// The first version of `DescribeCluster` that asks for controllers.
const CONTROLLERS_VERSION: i16 = 1;
/// The type of endpoint that controllers are.
const CONTROLLER: i8 = 2;
/// Of the APIs that controllers have among themselves, the one that came first.
const VOTE: ApiKey = ApiKey(52);

/// Asks a controller for all of them, and which is the active one.
pub(super) async fn ask(connection: &Connection, timeout: Duration) -> Result<Answer, Error> {
    let api = DescribeClusterRequest::API;
    let wrong = |reason| Error::WrongEndpoint {
        address: connection.address().to_owned(),
        reason,
    };
    let version = connection.version(api);
    let version = version.ok().filter(|it| *it >= CONTROLLERS_VERSION);
    let Some(version) = version else {
        return Err(wrong(
            "does not tell of controllers: it is a controller older than Kafka 3.7, or no controller at all; \
             give brokers as bootstrap.servers",
        ));
    };
    let request = DescribeClusterRequest::default().with_endpoint_type(CONTROLLER);
    let response = connection.request(&request, version, timeout).await?;
    match ErrorCode(response.error_code) {
        ErrorCode::NONE => Ok(answer(&response)),
        ErrorCode::MISMATCHED_ENDPOINT_TYPE => Err(wrong(
            "is a broker, not a controller: give its address as bootstrap.servers, not as bootstrap.controllers",
        )),
        code => Err(Error::broker(api, code, connection.address())),
    }
}

fn answer(response: &DescribeClusterResponse) -> Answer {
    let mut controllers: Vec<_> = response
        .brokers
        .iter()
        .filter_map(|it| Broker::told(it.broker_id.0, &it.host, it.port, it.rack.as_deref()))
        .collect();
    controllers.sort_by_key(|controller| controller.node);
    let active = response.controller_id.0;
    Answer {
        cluster_id: Some(response.cluster_id.to_string()),
        controller: (active >= 0).then_some(NodeId(active)),
        brokers: controllers,
        topics: Vec::new(),
    }
}

/// Why a peer does not tell of topics: it is a controller, or else as `error` says.
pub(super) fn or_is_one(connection: &Connection, error: Error) -> Error {
    if connection.versions().range(VOTE).is_none() {
        return error;
    }
    Error::WrongEndpoint {
        address: connection.address().to_owned(),
        reason: "is a controller, not a broker: admins can speak with it as bootstrap.controllers, all else needs \
                 bootstrap.servers",
    }
}
