//! Deleting topics.

use std::marker::PhantomData;

use klamm_codec::messages::delete_topics_request::DeleteTopicState;
use klamm_codec::messages::delete_topics_response::DeletableTopicResult;
use klamm_codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse, Uuid};
use klamm_net::TopicId;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Key, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{topic_id, topic_name};

/// The first version of `DeleteTopics` that names topics in structs of their own, by name or id.
const TOPIC_STATES_VERSION: i16 = 6;

impl Admin {
    /// Deletes topics and all their records.
    ///
    /// Brokers may need a moment until none of them lists a deleted topic any more.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the topics; what befalls one topic is in its
    /// result. While controllers move, `UNKNOWN_TOPIC_OR_PARTITION` can be the answer for a topic that this
    /// very call has deleted: brokers send again what they forward to a controller that goes away, and do
    /// not say so. If the request was the client's to send again,
    /// [`may_have_been_processed`](Error::may_have_been_processed) tells.
    ///
    /// # Examples
    /// ```
    /// # async fn delete(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// admin.delete_topics(["orders"]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_topics<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, ()>, Error> {
        self.delete(names.into_iter().map(Into::into)).await
    }

    /// As [`Admin::delete_topics`] by id: a topic of the same name that was created meanwhile is
    /// safe (KIP-516, Kafka 2.8).
    ///
    /// # Errors
    /// As [`Admin::delete_topics`], and [`Error::Unsupported`].
    pub async fn delete_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = TopicId>,
    ) -> Result<Results<TopicId, ()>, Error> {
        self.delete(ids).await
    }

    async fn delete<K: Topic>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Results<K, ()>, Error> {
        let results = drive(self, Delete(PhantomData), keys).await;
        self.cluster.request_refresh();
        results
    }
}

/// What a topic is known by.
trait Topic: Key {
    const NEEDS: i16;
    fn state(&self) -> DeleteTopicState;
    fn of(result: &DeletableTopicResult) -> Option<Self>;
}

impl Topic for String {
    const NEEDS: i16 = 0;

    fn state(&self) -> DeleteTopicState {
        DeleteTopicState::default().with_name(Some(topic_name(self)))
    }

    fn of(result: &DeletableTopicResult) -> Option<Self> {
        Some(result.name.as_ref()?.to_string())
    }
}

impl Topic for TopicId {
    const NEEDS: i16 = TOPIC_STATES_VERSION;

    fn state(&self) -> DeleteTopicState {
        DeleteTopicState::default().with_topic_id(Uuid::from_bytes(self.0))
    }

    fn of(result: &DeletableTopicResult) -> Option<Self> {
        Some(topic_id(result.topic_id))
    }
}

struct Delete<K>(PhantomData<fn() -> K>);

impl<K: Topic> Call for Delete<K> {
    const NOUN: &'static str = "topic";
    type Key = K;
    type Value = ();
    type Request = DeleteTopicsRequest;

    fn target(&self, _: &K) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<K>) -> Result<DeleteTopicsRequest, Error> {
        batch.needs(K::NEEDS, "deleting topics by id", "2.8 (KIP-516)")?;
        let states: Vec<_> = batch.keys.iter().map(Topic::state).collect();
        let request = DeleteTopicsRequest::default().with_timeout_ms(batch.timeout_ms);
        Ok(if batch.version >= TOPIC_STATES_VERSION {
            request.with_topics(states)
        } else {
            let names = states.into_iter().filter_map(|state| state.name);
            request.with_topic_names(names.collect())
        })
    }

    fn read(&self, _: &Batch<K>, response: DeleteTopicsResponse, answers: &mut Answers<K, ()>) {
        answers.throttled(response.throttle_time_ms);
        for topic in response.responses {
            if let Some(key) = K::of(&topic) {
                answers.answer(key, topic.error_code, topic.error_message, || ());
            }
        }
    }
}
