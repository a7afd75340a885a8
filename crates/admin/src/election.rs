//! Electing leaders of partitions (KIP-183, KIP-460).

use klamm_codec::messages::elect_leaders_request::TopicPartitions;
use klamm_codec::messages::{ElectLeadersRequest, ElectLeadersResponse};
use klamm_net::TopicPartition;

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::{Whole, indexes_by_topic};

/// The first version of `ElectLeaders` that knows unclean elections (KIP-460).
const UNCLEAN_VERSION: i16 = 1;

/// Which leader is elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica, if it has caught up.
    Preferred,
    /// Any replica that lives, although records may be lost, where there is no leader.
    Unclean,
}

impl Admin {
    /// Elects leaders of these partitions.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result:
    /// `ELECTION_NOT_NEEDED` if it has such a leader already, `PREFERRED_LEADER_NOT_AVAILABLE`,
    /// `ELIGIBLE_LEADERS_NOT_AVAILABLE`.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Results<TopicPartition, ()>, Error> {
        let results = drive(self, Elect(election), partitions).await;
        self.cluster.request_refresh();
        results
    }

    /// Elects leaders wherever that is needed; gives the partitions for which it was tried.
    ///
    /// # Errors
    /// [`Error::Refused`] without permission, [`Error::Net`].
    pub async fn elect_all_leaders(
        &self,
        election: ElectionType,
    ) -> Result<Results<TopicPartition, ()>, Error> {
        let results = drive_one(self, ElectAll(election), Whole("all partitions")).await;
        self.cluster.request_refresh();
        results
    }
}

fn request<K>(election: ElectionType, batch: &Batch<K>) -> Result<ElectLeadersRequest, Error> {
    let request = ElectLeadersRequest::default().with_timeout_ms(batch.timeout_ms);
    Ok(match election {
        ElectionType::Preferred => request,
        ElectionType::Unclean => {
            let what = "electing unclean leaders";
            batch.needs(UNCLEAN_VERSION, what, "2.4 (KIP-460)")?;
            request.with_election_type(1)
        }
    })
}

struct Elect(ElectionType);

impl Call for Elect {
    const NOUN: &'static str = "partition";
    type Key = TopicPartition;
    type Value = ();
    type Request = ElectLeadersRequest;

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<TopicPartition>) -> Result<ElectLeadersRequest, Error> {
        let topics = indexes_by_topic(&batch.keys).map(|(topic, indexes)| {
            TopicPartitions::default()
                .with_topic(topic)
                .with_partitions(indexes)
        });
        let topics = topics.collect();
        Ok(request(self.0, batch)?.with_topic_partitions(Some(topics)))
    }

    fn read(
        &self,
        batch: &Batch<TopicPartition>,
        response: ElectLeadersResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        if !answers.all_accepted(batch, response.error_code, None) {
            return;
        }
        for topic in response.replica_election_results {
            for partition in topic.partition_result {
                let key = TopicPartition::new(topic.topic.as_str(), partition.partition_id);
                let (code, message) = (partition.error_code, partition.error_message);
                answers.answer(key, code, message, || ());
            }
        }
    }
}

struct ElectAll(ElectionType);

impl Call for ElectAll {
    type Key = Whole;
    type Value = Results<TopicPartition, ()>;
    type Request = ElectLeadersRequest;

    fn target(&self, _: &Whole) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<Whole>) -> Result<ElectLeadersRequest, Error> {
        Ok(request(self.0, batch)?.with_topic_partitions(None))
    }

    fn read(
        &self,
        batch: &Batch<Whole>,
        response: ElectLeadersResponse,
        answers: &mut Answers<Whole, Results<TopicPartition, ()>>,
    ) {
        use klamm_codec::{ApiKey, ErrorCode};
        answers.throttled(response.throttle_time_ms);
        let results = response.replica_election_results.iter().flat_map(|topic| {
            topic.partition_result.iter().map(|partition| {
                let key = TopicPartition::new(topic.topic.as_str(), partition.partition_id);
                let result = ErrorCode(partition.error_code).check().map_err(|code| {
                    Error::refused(ApiKey::ELECT_LEADERS, format!("partition {key}"), code)
                });
                (key, result)
            })
        });
        let key = batch.keys[0].clone();
        answers.answer(key, response.error_code, None, || Results::of(results));
    }
}
