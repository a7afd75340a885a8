//! Fencing producers: ending their transactions and their right to begin others.

use klamm_codec::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::transactional_id;

/// The first version of `InitProducerId` with the id and epoch that a producer has (KIP-360).
const CURRENT_VERSION: i16 = 3;

/// What a transactional id has after its producer was fenced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FencedProducer {
    /// Id of the producer.
    pub producer_id: i64,
    /// The new epoch: producers with lower ones are refused.
    pub producer_epoch: i16,
}

impl Admin {
    /// Fences all producers that have these transactional ids now: their open transactions are
    /// aborted, and whatever they send is refused (KIP-588, Kafka 2.5).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result.
    pub async fn fence_producers<S: Into<String>>(
        &self,
        transactional_ids: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, FencedProducer>, Error> {
        let ids = transactional_ids.into_iter().map(Into::into);
        drive(self, Fence, ids).await
    }

    /// Ends the transaction of a transactional id, in whatever state it is, by fencing its producer
    /// (KIP-939).
    ///
    /// # Errors
    /// As [`Admin::fence_producers`], and its own failure.
    pub async fn force_terminate_transaction(&self, transactional_id: &str) -> Result<(), Error> {
        let fenced = self.fence_producers([transactional_id]).await?;
        fenced.all().map(drop)
    }
}

struct Fence;

impl Call for Fence {
    const NOUN: &'static str = "transactional id";
    type Key = String;
    type Value = FencedProducer;
    type Request = InitProducerIdRequest;

    fn target(&self, id: &String) -> Target {
        Target::Transaction(id.clone())
    }

    fn batch_max(&self, _: i16) -> usize {
        1
    }

    fn request(&self, batch: &Batch<String>) -> Result<InitProducerIdRequest, Error> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id(&batch.keys[0])))
            // Of a transaction that nobody will begin.
            .with_transaction_timeout_ms(batch.timeout_ms.max(1));
        Ok(if batch.version >= CURRENT_VERSION {
            request
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
        } else {
            request
        })
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: InitProducerIdResponse,
        answers: &mut Answers<String, FencedProducer>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || FencedProducer {
            producer_id: response.producer_id.0,
            producer_epoch: response.producer_epoch,
        });
    }
}
