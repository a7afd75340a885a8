//! Changing the cluster itself: its features, its brokers, the voters of its quorum.

use std::collections::HashMap;

use klamm_codec::messages::add_raft_voter_request::Listener;
use klamm_codec::messages::update_features_request::FeatureUpdateKey;
use klamm_codec::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, BrokerId, RemoveRaftVoterRequest,
    RemoveRaftVoterResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
    UnregisterControllerRequest, UnregisterControllerResponse, UpdateFeaturesRequest,
    UpdateFeaturesResponse, Uuid,
};
use klamm_net::NodeId;

use super::directory::DirectoryId;
use super::quorum::QuorumListener;
use crate::admin::Admin;
use crate::awaitable::awaitable;
use crate::driver::{Answers, Batch, Call, Target, drive, drive_one};
use crate::error::Error;
use crate::results::Results;
use crate::wire::text;

/// The first version of `UpdateFeatures` that validates and knows unsafe downgrades (KIP-778).
const UPGRADE_TYPE_VERSION: i16 = 1;
/// From this version of `UpdateFeatures` on a success has no results (KIP-1022).
const NO_RESULTS_VERSION: i16 = 2;

/// Which way the version of a feature may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureUpgrade {
    /// Up.
    #[default]
    Upgrade,
    /// Down, if nothing is lost by it.
    SafeDowngrade,
    /// Down, although something may be lost.
    UnsafeDowngrade,
}

/// A change of features; happens when awaited. Made by [`Admin::update_features`].
#[derive(Clone, Debug)]
#[must_use = "nothing is changed until it is awaited"]
pub struct UpdateFeatures {
    admin: Admin,
    updates: Vec<(String, i16)>,
    upgrade: FeatureUpgrade,
    validate_only: bool,
}

impl Admin {
    /// Sets features of the cluster to versions; 0 switches one off (KIP-584, Kafka 2.7).
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result:
    /// `INVALID_UPDATE_VERSION`, `FEATURE_UPDATE_FAILED`.
    pub fn update_features<S: Into<String>>(
        &self,
        versions: impl IntoIterator<Item = (S, i16)>,
    ) -> UpdateFeatures {
        let updates = versions
            .into_iter()
            .map(|(name, version)| (name.into(), version));
        UpdateFeatures {
            admin: self.clone(),
            updates: updates.collect(),
            upgrade: FeatureUpgrade::default(),
            validate_only: false,
        }
    }

    /// Forgets a broker that has gone for good (KIP-500, `KRaft`).
    ///
    /// # Errors
    /// [`Error::Refused`]: `BROKER_ID_NOT_REGISTERED`, `CLUSTER_AUTHORIZATION_FAILED`; [`Error::Net`].
    pub async fn unregister_broker(&self, node: NodeId) -> Result<(), Error> {
        drive_one(self, Unregister, node).await
    }

    /// Forgets a controller that has gone for good, and does not vote (KIP-1312, Kafka 4.4).
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Net`], also if the brokers are older
    /// ([`is_unsupported`](Error::is_unsupported)).
    pub async fn unregister_controller(&self, node: NodeId) -> Result<(), Error> {
        drive_one(self, UnregisterController, node).await
    }

    /// Adds a controller to those that vote (KIP-853, Kafka 3.9). With `cluster_id`, only if that is
    /// the cluster's.
    ///
    /// # Errors
    /// [`Error::Refused`]: `DUPLICATE_VOTER`, `UNSUPPORTED_VERSION` if the quorum is a fixed one;
    /// [`Error::Net`].
    pub async fn add_raft_voter(
        &self,
        cluster_id: Option<&str>,
        node: NodeId,
        directory: DirectoryId,
        listeners: &[QuorumListener],
    ) -> Result<(), Error> {
        let listener = |listener: &QuorumListener| {
            Listener::default()
                .with_name(text(&listener.name))
                .with_host(text(&listener.address.host))
                .with_port(listener.address.port)
        };
        let request = AddRaftVoterRequest::default()
            .with_cluster_id(cluster_id.map(text))
            .with_voter_id(node.0)
            .with_voter_directory_id(Uuid::from_bytes(directory.0))
            .with_listeners(listeners.iter().map(listener).collect());
        drive_one(self, AddVoter(request), node).await
    }

    /// Takes a controller from those that vote (KIP-853, Kafka 3.9). With `cluster_id`, only if that
    /// is the cluster's.
    ///
    /// # Errors
    /// [`Error::Refused`]: `VOTER_NOT_FOUND`, `UNSUPPORTED_VERSION` if the quorum is a fixed one;
    /// [`Error::Net`].
    pub async fn remove_raft_voter(
        &self,
        cluster_id: Option<&str>,
        node: NodeId,
        directory: DirectoryId,
    ) -> Result<(), Error> {
        let request = RemoveRaftVoterRequest::default()
            .with_cluster_id(cluster_id.map(text))
            .with_voter_id(node.0)
            .with_voter_directory_id(Uuid::from_bytes(directory.0));
        drive_one(self, RemoveVoter(request), node).await
    }
}

impl UpdateFeatures {
    /// Which way the versions may go. Default: up.
    pub fn upgrade(mut self, upgrade: FeatureUpgrade) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// Only checks whether the changes could be made (KIP-778, Kafka 3.3). Default: `false`.
    pub fn validate_only(mut self, validate_only: bool) -> Self {
        self.validate_only = validate_only;
        self
    }

    async fn run(self) -> Result<Results<String, ()>, Error> {
        let names: Vec<_> = self.updates.iter().map(|(name, _)| name.clone()).collect();
        let call = Update {
            versions: self.updates.into_iter().collect(),
            upgrade: self.upgrade,
            validate_only: self.validate_only,
        };
        if call.versions.len() < names.len() {
            return Err(Error::invalid("features", "one is there twice"));
        }
        drive(&self.admin, call, names).await
    }
}

awaitable!(UpdateFeatures => Results<String, ()>);

struct Update {
    versions: HashMap<String, i16>,
    upgrade: FeatureUpgrade,
    validate_only: bool,
}

impl Call for Update {
    const NOUN: &'static str = "feature";
    const FOR_CONTROLLERS: bool = true;
    type Key = String;
    type Value = ();
    type Request = UpdateFeaturesRequest;

    fn target(&self, _: &String) -> Target {
        Target::Controller
    }

    fn request(&self, batch: &Batch<String>) -> Result<UpdateFeaturesRequest, Error> {
        let knows_types = batch.version >= UPGRADE_TYPE_VERSION;
        let update = |name: &String| {
            let update = FeatureUpdateKey::default()
                .with_feature(text(name))
                .with_max_version_level(self.versions[name]);
            if knows_types {
                update.with_upgrade_type(match self.upgrade {
                    FeatureUpgrade::Upgrade => 1,
                    FeatureUpgrade::SafeDowngrade => 2,
                    FeatureUpgrade::UnsafeDowngrade => 3,
                })
            } else {
                update.with_allow_downgrade(self.upgrade != FeatureUpgrade::Upgrade)
            }
        };
        let request = UpdateFeaturesRequest::default()
            .with_timeout_ms(batch.timeout_ms)
            .with_feature_updates(batch.keys.iter().map(update).collect());
        if !self.validate_only {
            return Ok(request);
        }
        let what = "validating features";
        batch.needs(UPGRADE_TYPE_VERSION, what, "3.3 (KIP-778)")?;
        Ok(request.with_validate_only(true))
    }

    fn read(
        &self,
        batch: &Batch<String>,
        response: UpdateFeaturesResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let message = response.error_message.as_ref();
        if !answers.all_accepted(batch, response.error_code, message) {
            return;
        }
        if batch.version >= NO_RESULTS_VERSION {
            for name in &batch.keys {
                answers.value(name.clone(), ());
            }
        }
        for result in response.results {
            let name = result.feature.to_string();
            answers.answer(name, result.error_code, result.error_message, || ());
        }
    }
}

struct Unregister;

impl Call for Unregister {
    const NOUN: &'static str = "broker";
    const FOR_CONTROLLERS: bool = true;
    type Key = NodeId;
    type Value = ();
    type Request = UnregisterBrokerRequest;

    fn target(&self, _: &NodeId) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<UnregisterBrokerRequest, Error> {
        Ok(UnregisterBrokerRequest::default().with_broker_id(BrokerId(batch.keys[0].0)))
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: UnregisterBrokerResponse,
        answers: &mut Answers<NodeId, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(batch.keys[0], code, message, || ());
    }
}

struct UnregisterController;

impl Call for UnregisterController {
    const NOUN: &'static str = "controller";
    const FOR_CONTROLLERS: bool = true;
    type Key = NodeId;
    type Value = ();
    type Request = UnregisterControllerRequest;

    fn target(&self, _: &NodeId) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<UnregisterControllerRequest, Error> {
        Ok(UnregisterControllerRequest::new(batch.keys[0].0))
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: UnregisterControllerResponse,
        answers: &mut Answers<NodeId, ()>,
    ) {
        let UnregisterControllerResponse(response) = response;
        answers.throttled(response.throttle_time_ms);
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(batch.keys[0], code, message, || ());
    }
}

struct AddVoter(AddRaftVoterRequest);

impl Call for AddVoter {
    const NOUN: &'static str = "controller";
    const FOR_CONTROLLERS: bool = true;
    type Key = NodeId;
    type Value = ();
    type Request = AddRaftVoterRequest;

    fn target(&self, _: &NodeId) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<NodeId>) -> Result<AddRaftVoterRequest, Error> {
        Ok(self.0.clone().with_timeout_ms(batch.timeout_ms))
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: AddRaftVoterResponse,
        answers: &mut Answers<NodeId, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(batch.keys[0], code, message, || ());
    }
}

struct RemoveVoter(RemoveRaftVoterRequest);

impl Call for RemoveVoter {
    const NOUN: &'static str = "controller";
    const FOR_CONTROLLERS: bool = true;
    type Key = NodeId;
    type Value = ();
    type Request = RemoveRaftVoterRequest;

    fn target(&self, _: &NodeId) -> Target {
        Target::Any
    }

    fn request(&self, _: &Batch<NodeId>) -> Result<RemoveRaftVoterRequest, Error> {
        Ok(self.0.clone())
    }

    fn read(
        &self,
        batch: &Batch<NodeId>,
        response: RemoveRaftVoterResponse,
        answers: &mut Answers<NodeId, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let (code, message) = (response.error_code, response.error_message);
        answers.answer(batch.keys[0], code, message, || ());
    }
}
