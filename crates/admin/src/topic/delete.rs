//! Deleting topics.

use klamm_codec::ErrorCode;
use klamm_codec::messages::delete_topics_request::DeleteTopicState;
use klamm_codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::{TopicResults, topic_name};
use crate::admin::Admin;
use crate::driver::{Answers, Attempt, TopicAnswer, call_controller};
use crate::error::Error;

/// The first version of `DeleteTopics` that names topics in structs of their own (KIP-516).
const TOPIC_STATES_VERSION: i16 = 6;

impl Admin {
    /// Deletes topics and all their records.
    ///
    /// Brokers may need a moment until none of them lists a deleted topic any more.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the topics; what befalls one topic is in its
    /// [`TopicResult`](crate::TopicResult).
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
    ) -> Result<TopicResults<()>, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let build = |attempt: Attempt<'_>| {
            let pending = attempt.pending.iter().map(|&at| topic_name(&names[at]));
            let request = DeleteTopicsRequest::default().with_timeout_ms(attempt.timeout_ms);
            if attempt.version >= TOPIC_STATES_VERSION {
                let state = |name| DeleteTopicState::default().with_name(Some(name));
                request.with_topics(pending.map(state).collect())
            } else {
                request.with_topic_names(pending.collect())
            }
        };
        let results = call_controller(self, names.clone(), build, answers).await;
        self.cluster.request_refresh();
        results
    }
}

fn answers(response: &DeleteTopicsResponse) -> Answers<()> {
    let topics = response.responses.iter().filter_map(|topic| {
        Some(TopicAnswer {
            topic: topic.name.as_ref()?.to_string(),
            code: ErrorCode(topic.error_code),
            message: topic.error_message.as_ref().map(ToString::to_string),
            value: (),
        })
    });
    Answers {
        throttle_time_ms: response.throttle_time_ms,
        topics: topics.collect(),
    }
}
