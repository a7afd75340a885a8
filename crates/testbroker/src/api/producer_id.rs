//! `InitProducerId` (KIP-98, KIP-360). Transactions themselves are not served.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Call, Reply, Serve};

/// Kafka's default of `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT_MAX_MS: i32 = 900_000;

impl Serve for InitProducerIdRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<InitProducerIdResponse> {
        match initialize(&self, call) {
            Ok((producer_id, epoch)) => Reply::Answer(
                InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(producer_id))
                    .with_producer_epoch(epoch),
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

fn initialize(
    request: &InitProducerIdRequest,
    call: &Call<'_>,
) -> Result<(i64, i16), ResponseError> {
    let mut cluster = call.shared.cluster();
    let known = (*request.producer_id, request.producer_epoch);
    if (known.0 < 0) != (known.1 < 0) {
        return Err(ResponseError::InvalidRequest);
    }
    let Some(transactional_id) = &request.transactional_id else {
        return Ok((cluster.new_producer_id(), 0));
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
    cluster.bump_transactional(transactional_id, (known.0 >= 0).then_some(known))
}
