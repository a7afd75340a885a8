//! `UnregisterController` (KIP-1312, Kafka 4.4), which the message crate does not have: field by field it is its
//! `UnregisterBroker`, under a key of its own.

use anyhow::Result;
use kafka_protocol::messages::{BrokerId, UnregisterBrokerRequest, UnregisterBrokerResponse};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};

/// Asks to forget a controller that has gone for good.
#[derive(Clone, Debug, PartialEq)]
pub struct UnregisterControllerRequest(UnregisterBrokerRequest);

/// What became of that: throttle time, error code and message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnregisterControllerResponse(pub UnregisterBrokerResponse);

impl UnregisterControllerRequest {
    /// About this controller.
    #[must_use]
    pub fn new(controller_id: i32) -> Self {
        Self(UnregisterBrokerRequest::default().with_broker_id(BrokerId(controller_id)))
    }
}

impl Encodable for UnregisterControllerRequest {
    fn encode<B: ByteBufMut>(&self, buffer: &mut B, version: i16) -> Result<()> {
        self.0.encode(buffer, version)
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        self.0.compute_size(version)
    }
}

impl Decodable for UnregisterControllerResponse {
    fn decode<B: ByteBuf>(buffer: &mut B, version: i16) -> Result<Self> {
        UnregisterBrokerResponse::decode(buffer, version).map(Self)
    }
}

#[cfg(test)]
impl UnregisterControllerResponse {
    pub(crate) fn with_throttle_time_ms(self, throttle_time_ms: i32) -> Self {
        Self(self.0.with_throttle_time_ms(throttle_time_ms))
    }
}

/// The guard is tested with what it guards.
#[cfg(test)]
impl Encodable for UnregisterControllerResponse {
    fn encode<B: ByteBufMut>(&self, buffer: &mut B, version: i16) -> Result<()> {
        self.0.encode(buffer, version)
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        self.0.compute_size(version)
    }
}

impl Message for UnregisterControllerRequest {
    const VERSIONS: VersionRange = UnregisterBrokerRequest::VERSIONS;
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl Message for UnregisterControllerResponse {
    const VERSIONS: VersionRange = UnregisterBrokerResponse::VERSIONS;
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for UnregisterControllerRequest {
    fn header_version(version: i16) -> i16 {
        UnregisterBrokerRequest::header_version(version)
    }
}

impl HeaderVersion for UnregisterControllerResponse {
    fn header_version(version: i16) -> i16 {
        UnregisterBrokerResponse::header_version(version)
    }
}
