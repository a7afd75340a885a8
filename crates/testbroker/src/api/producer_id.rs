//! `InitProducerId` (KIP-98, KIP-360).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Call, Reply, Serve, millis};
use crate::transaction::{Initialized, Producer};

/// Kafka's default of `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT_MAX_MS: i32 = 900_000;

impl Serve for InitProducerIdRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<InitProducerIdResponse> {
        match initialize(&self, call) {
            Ok(producer) => Reply::Answer(
                InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(producer.id))
                    .with_producer_epoch(producer.epoch),
            ),
            // Before version 4 clients do not know the newer error.
            Err(ResponseError::ProducerFenced) if call.version < 4 => {
                Reply::Answer(self.refuse(call, ResponseError::InvalidProducerEpoch.code()))
            }
            Err(error) => Reply::Answer(self.refuse(call, error.code())),
        }
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> InitProducerIdResponse {
        let response = InitProducerIdResponse::default().with_error_code(code);
        response
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    }
}

fn initialize(request: &InitProducerIdRequest, call: &Call<'_>) -> Result<Producer, ResponseError> {
    let mut cluster = call.shared.cluster();
    let known = Producer {
        id: *request.producer_id,
        epoch: request.producer_epoch,
    };
    if (known.id < 0) != (known.epoch < 0) {
        return Err(ResponseError::InvalidRequest);
    }
    let Some(transactional_id) = &request.transactional_id else {
        let id = cluster.transactions.new_producer_id();
        return Ok(Producer { id, epoch: 0 });
    };
    if transactional_id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    if cluster.coordinator_of(transactional_id).id != call.peer.node {
        return Err(ResponseError::NotCoordinator);
    }
    if !(1..=TRANSACTION_TIMEOUT_MAX_MS).contains(&request.transaction_timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    let timeout = millis(request.transaction_timeout_ms);
    let known = (known.id >= 0).then_some(known);
    let transactions = &mut cluster.transactions;
    match transactions.initialize(transactional_id, timeout, known)? {
        Initialized::Ready(producer) => Ok(producer),
        Initialized::Aborting(ending) => {
            cluster.write_ending(&ending);
            drop(cluster);
            call.shared.changed.notify_waiters();
            Err(ResponseError::ConcurrentTransactions)
        }
    }
}
