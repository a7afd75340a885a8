//! The message structs of the control plane, from the message crate, and their frames.
//!
//! One place, so that messages of newer versions can be added by hand and the crate be replaced.
//! None of these types is in the public API of the client crates.

use bytes::{Bytes, BytesMut};
pub use kafka_protocol::messages::*;
pub use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::{Decodable, HeaderVersion};
pub use uuid::Uuid;

pub use crate::unregister_controller::{UnregisterControllerRequest, UnregisterControllerResponse};

use crate::api::{self, Request};
use crate::{frame, guard};

/// A message that could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{api} version {version}: cannot {action} the message: {reason}")]
pub struct MessageError {
    /// API of the message.
    pub api: api::ApiKey,
    /// Version of the API.
    pub version: i16,
    /// "encode" or "decode".
    pub action: &'static str,
    /// What the guard or the message crate says.
    pub reason: String,
}

/// A whole request frame: size, header, body.
///
/// # Errors
/// [`MessageError`] if a field is set that `version` does not have.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, MessageError> {
    let mut buffer = Vec::with_capacity(128);
    frame::put_request_header(
        &mut buffer,
        R::API,
        version,
        R::header_version(version),
        correlation_id,
        client_id,
    );
    let mut buffer = BytesMut::from(Bytes::from(buffer));
    request
        .encode(&mut buffer, version)
        .map_err(|error| message_error::<R>(version, "encode", &error))?;
    frame::set_frame_size(&mut buffer);
    Ok(buffer.freeze())
}

/// Reads the body of a response; `frame` starts after the size, with the response header.
///
/// # Errors
/// [`MessageError`] if the bytes are not a response of this API and version.
pub fn decode_response<R: Request>(
    frame: Bytes,
    version: i16,
) -> Result<R::Response, MessageError> {
    let flexible = R::Response::header_version(version) >= 1;
    let mut body = frame::response_body(frame, flexible)
        .map_err(|error| message_error::<R>(version, "decode", &error))?;
    // The message crate trusts counts and lengths; nothing from the network may reach it unchecked.
    guard::check(R::API, version, &body)
        .map_err(|error| message_error::<R>(version, "decode", &error))?;
    R::Response::decode(&mut body, version)
        .map_err(|error| message_error::<R>(version, "decode", &error))
}

fn message_error<R: Request>(
    version: i16,
    action: &'static str,
    error: &impl std::fmt::Display,
) -> MessageError {
    MessageError {
        api: R::API,
        version,
        action,
        reason: error.to_string(),
    }
}
