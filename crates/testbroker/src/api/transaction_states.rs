//! `ListTransactions`, `DescribeTransactions` (KIP-664, KIP-994, KIP-1152).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{
    TopicData, TransactionState as Described,
};
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse, TransactionalId,
};
use tokio::time::Instant;

use super::membership::check_coordinator;
use super::{Call, Reply, Serve, text, topic_name};
use crate::cluster::Cluster;
use crate::consumer_group::whole;
use crate::transaction::Description;

impl Serve for ListTransactionsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<ListTransactionsResponse> {
        let pattern = self.transactional_id_pattern.as_deref();
        let pattern = pattern.filter(|it| !it.is_empty()).map(whole);
        let Ok(pattern) = pattern.transpose() else {
            let code = ResponseError::InvalidRegularExpression.code();
            return Reply::Answer(self.refuse(call, code));
        };
        let now = Instant::now();
        let is_wanted = |name: &str, it: &Description<'_>| {
            let states = &self.state_filters;
            let ids = &self.producer_id_filters;
            let is_long = |least| it.open_for(now).is_some_and(|open| open > least);
            let duration = u64::try_from(self.duration_filter).ok();
            let duration = duration.map(Duration::from_millis);
            (states.is_empty() || states.iter().any(|state| state.as_str() == it.state))
                && (ids.is_empty() || ids.iter().any(|id| id.0 == it.producer.id))
                && duration.is_none_or(is_long)
                && pattern.as_ref().is_none_or(|it| it.is_match(name))
        };
        let cluster = call.shared.cluster();
        let states = cluster
            .transactions
            .descriptions()
            // Each node lists what it coordinates.
            .filter(|(name, _)| check_coordinator(&cluster, call, name).is_ok())
            .filter(|(name, it)| is_wanted(name, it))
            .map(|(name, it)| {
                Listed::default()
                    .with_transactional_id(TransactionalId(text(name)))
                    .with_producer_id(it.producer.id.into())
                    .with_transaction_state(text(it.state))
            });
        Reply::Answer(ListTransactionsResponse::default().with_transaction_states(states.collect()))
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> ListTransactionsResponse {
        ListTransactionsResponse::default().with_error_code(code)
    }
}

impl Serve for DescribeTransactionsRequest {
    async fn serve(self, call: &Call<'_>) -> Reply<DescribeTransactionsResponse> {
        let cluster = call.shared.cluster();
        let ids = self.transactional_ids.iter();
        let states = ids.map(|id| describe(&cluster, call, id));
        Reply::Answer(
            DescribeTransactionsResponse::default().with_transaction_states(states.collect()),
        )
    }

    fn refuse(&self, _: &Call<'_>, code: i16) -> DescribeTransactionsResponse {
        let ids = self.transactional_ids.iter();
        let states = ids.map(|id| {
            Described::default()
                .with_transactional_id(id.clone())
                .with_error_code(code)
        });
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }
}

fn describe(cluster: &Cluster, call: &Call<'_>, id: &TransactionalId) -> Described {
    let response = Described::default().with_transactional_id(id.clone());
    let found = check_coordinator(cluster, call, id).and_then(|()| {
        let found = cluster.transactions.describe(id);
        found.ok_or(ResponseError::TransactionalIdNotFound)
    });
    let it = match found {
        Ok(it) => it,
        Err(error) => return response.with_error_code(error.code()),
    };
    let open_for = it.open_for(Instant::now());
    let started = open_for.map_or(-1, |open| cluster.now() - open.as_millis() as i64);
    let mut topics: Vec<TopicData> = Vec::new();
    for (topic, partition) in it.partitions {
        match topics.last_mut() {
            Some(last) if last.topic.as_str() == topic => last.partitions.push(*partition),
            _ => topics.push(
                TopicData::default()
                    .with_topic(topic_name(topic))
                    .with_partitions(vec![*partition]),
            ),
        }
    }
    response
        .with_transaction_state(text(it.state))
        .with_transaction_timeout_ms(it.timeout.as_millis() as i32)
        .with_transaction_start_time_ms(started)
        .with_producer_id(it.producer.id.into())
        .with_producer_epoch(it.producer.epoch)
        .with_topics(topics)
}
