//! Who this client is to brokers that ask clients for their metrics (KIP-714).

use std::fmt;
use std::sync::Arc;

use klamm_codec::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use klamm_net::TopicId;
use tokio::sync::OnceCell;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::Whole;

/// What a broker has given a client to be known by in metrics (KIP-714).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientInstanceId(pub [u8; 16]);

impl fmt::Display for ClientInstanceId {
    /// As Kafka's tools print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TopicId(self.0).fmt(f)
    }
}

/// The id, once a broker has given it; the same for all clones of an admin.
pub(crate) type KnownInstance = Arc<OnceCell<ClientInstanceId>>;

impl Admin {
    /// The id that this client has in metrics which clients push to brokers (`clientInstanceId` in Java; KIP-714,
    /// Kafka 3.7): asked for once, and the same from then on.
    ///
    /// # Errors
    /// [`Error::Net`], also if the brokers take no metrics of clients, which needs a plugin
    /// ([`is_unsupported`](Error::is_unsupported)).
    ///
    /// # Cancel safety
    /// Dropping the future leaves the next call to ask again.
    pub async fn client_instance_id(&self) -> Result<ClientInstanceId, Error> {
        let ask = || drive_one(self, Subscriptions, Whole("the id of this client"));
        self.instance.get_or_try_init(ask).await.copied()
    }
}

struct Subscriptions;

impl Call for Subscriptions {
    type Key = Whole;
    type Value = ClientInstanceId;
    type Request = GetTelemetrySubscriptionsRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<Whole>) -> Result<GetTelemetrySubscriptionsRequest, Error> {
        // Whoever has no id yet is given one.
        Ok(GetTelemetrySubscriptionsRequest::default())
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: GetTelemetrySubscriptionsResponse,
        answers: &mut Answers<Whole, ClientInstanceId>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let id = ClientInstanceId(response.client_instance_id.into_bytes());
        answers.answer(batch.keys[0].clone(), response.error_code, None, || id);
    }
}
