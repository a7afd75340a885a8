//! A mechanism's messages in Kafka's frames: `SaslHandshake`, then `SaslAuthenticate` until both sides are content.
//!
//! The frames are written by hand, so that what holds credentials is overwritten afterwards, and what the peer answers
//! is read by hand, as nobody knows yet who it is.

use std::time::Duration;

use bytes::Bytes;
use klamm_codec::primitive::{DecodeError, Reader};
use klamm_codec::{ApiKey, ErrorCode, VersionRange};
use zeroize::Zeroizing;

use super::Sasl;
use super::mechanism::{
    AuthenticationFailure, SaslError, SaslMessage, SaslPeer, SaslSession, SaslStep,
};
use crate::error::Error;
use crate::secret::peer_text;

/// Most messages of one authentication; Kerberos needs four.
pub(crate) const ROUNDS_MAX: usize = 16;

/// Version 1 names the mechanism in Kafka's frame, and lets `SaslAuthenticate` follow.
const HANDSHAKE_VERSION: i16 = 1;

/// Where the frames go: a connection that is being set up, or one that authenticates again.
pub(crate) trait SaslChannel: Send {
    /// The peer's address.
    fn broker(&self) -> &str;

    /// The versions of an API that the peer speaks.
    fn versions(&self, api: ApiKey) -> Option<VersionRange>;

    /// Sends a request with this body (of a version that is not flexible) and returns the body of the response.
    fn call(
        &mut self,
        api: ApiKey,
        version: i16,
        body: Zeroizing<Vec<u8>>,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send;
}

/// An authentication that is ready to be shown to the broker.
pub(crate) struct Prepared {
    session: Box<dyn SaslSession>,
    first: SaslMessage,
}

/// Does what needs no broker: fetches tokens, makes the first message.
pub(crate) async fn prepare(sasl: &Sasl, peer: &SaslPeer, broker: &str) -> Result<Prepared, Error> {
    let prepared = async {
        let mut session = sasl.as_dyn().start(peer).await?;
        match session.step(&[]).await? {
            SaslStep::Send(first) => Ok(Prepared { session, first }),
            SaslStep::Done => Err(SaslError::new(
                AuthenticationFailure::Mechanism,
                "the mechanism has nothing to say",
            )),
        }
    };
    prepared
        .await
        .map_err(|error| failed(broker, sasl, error.failure, error.reason))
}

/// Shows the broker who the client is; returns how long that holds, if it ends (KIP-368).
pub(crate) async fn authenticate(
    channel: &mut impl SaslChannel,
    sasl: &Sasl,
    prepared: Prepared,
) -> Result<Option<Duration>, Error> {
    handshake(channel, sasl).await?;
    let api = ApiKey::SASL_AUTHENTICATE;
    // Version 1 tells the lifetime; version 2 only writes the same differently.
    let ours = VersionRange { min: 0, max: 1 };
    let theirs = channel.versions(api);
    let version = theirs
        .and_then(|theirs| ours.highest_common(theirs))
        .ok_or_else(|| Error::UnsupportedVersion {
            api,
            broker: channel.broker().to_owned(),
            ours,
            theirs,
        })?;
    let Prepared { mut session, first } = prepared;
    let mut message = first;
    for _ in 0..ROUNDS_MAX {
        let response = channel
            .call(api, version, authenticate_body(&message))
            .await?;
        let answer = Answer::read(&response, version)
            .map_err(|error| unreadable(api, channel.broker(), &error))?;
        if !answer.code.is_none() {
            return Err(refused(channel.broker(), sasl, &answer));
        }
        let step = session.step(&answer.challenge).await;
        match step.map_err(|error| failed(channel.broker(), sasl, error.failure, error.reason))? {
            SaslStep::Send(next) => message = next,
            SaslStep::Done => {
                let lifetime = u64::try_from(answer.lifetime_ms).unwrap_or(0);
                return Ok((lifetime > 0).then(|| Duration::from_millis(lifetime)));
            }
        }
    }
    let reason = format!("it did not end after {ROUNDS_MAX} messages");
    Err(failed(
        channel.broker(),
        sasl,
        AuthenticationFailure::BadChallenge,
        reason,
    ))
}

async fn handshake(channel: &mut impl SaslChannel, sasl: &Sasl) -> Result<(), Error> {
    let api = ApiKey::SASL_HANDSHAKE;
    let name = sasl.mechanism_name();
    let mut body = Zeroizing::new(Vec::with_capacity(2 + name.len()));
    body.extend_from_slice(&(name.len() as i16).to_be_bytes());
    body.extend_from_slice(name.as_bytes());
    let response = channel.call(api, HANDSHAKE_VERSION, body).await?;
    let broker = channel.broker();
    let (code, offered) =
        read_handshake(&response).map_err(|error| unreadable(api, broker, &error))?;
    match code {
        ErrorCode::NONE => Ok(()),
        ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
            // Only told: the choice is the user's.
            let reason = format!(
                "the broker does not have this mechanism on this listener, it offers: {}",
                peer_text(&offered.join(", "), &[])
            );
            Err(failed(
                broker,
                sasl,
                AuthenticationFailure::MechanismNotEnabled,
                reason,
            ))
        }
        ErrorCode::ILLEGAL_SASL_STATE => Err(failed(
            broker,
            sasl,
            AuthenticationFailure::NotExpected,
            "this listener of the broker does no SASL; use security.protocol=PLAINTEXT or SSL, or another port",
        )),
        code => Err(Error::broker(api, code, broker)),
    }
}

fn authenticate_body(message: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(4 + message.len()));
    body.extend_from_slice(&(message.len() as i32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

fn read_handshake(response: &[u8]) -> Result<(ErrorCode, Vec<String>), DecodeError> {
    let mut reader = Reader::new(response);
    let code = ErrorCode(reader.int16("error code")?);
    let count = reader.array_length(false, 2, "mechanisms")?;
    let offered = (0..count)
        .map(|_| {
            let name = reader.nullable_string(false, "mechanism")?;
            Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok((code, offered))
}

struct Answer {
    code: ErrorCode,
    text: String,
    challenge: Zeroizing<Vec<u8>>,
    lifetime_ms: i64,
}

impl Answer {
    fn read(response: &[u8], version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(response);
        let code = ErrorCode(reader.int16("error code")?);
        let text = reader.nullable_string(false, "error message")?;
        let size = reader.array_length(false, 1, "SASL bytes")?;
        let challenge = Zeroizing::new(reader.take(size, "SASL bytes")?.to_vec());
        let lifetime_ms = if version >= 1 {
            reader.int64("session lifetime")?
        } else {
            0
        };
        Ok(Self {
            code,
            text: String::from_utf8_lossy(text.unwrap_or_default()).into_owned(),
            challenge,
            lifetime_ms,
        })
    }
}

fn refused(broker: &str, sasl: &Sasl, answer: &Answer) -> Error {
    let said = peer_text(&answer.text, &sasl.as_dyn().secrets());
    let reason = match said.as_str() {
        "" => "the broker does not accept the credentials".to_owned(),
        said => format!("the broker does not accept the credentials: {said}"),
    };
    match answer.code {
        ErrorCode::SASL_AUTHENTICATION_FAILED => {
            failed(broker, sasl, AuthenticationFailure::Rejected, reason)
        }
        code => Error::broker(ApiKey::SASL_AUTHENTICATE, code, broker),
    }
}

fn failed(
    broker: &str,
    sasl: &Sasl,
    failure: AuthenticationFailure,
    reason: impl Into<String>,
) -> Error {
    Error::Authentication {
        broker: broker.to_owned(),
        mechanism: sasl.mechanism_name().to_owned(),
        failure,
        reason: reason.into(),
    }
}

fn unreadable(api: ApiKey, broker: &str, error: &DecodeError) -> Error {
    Error::Protocol {
        api,
        broker: broker.to_owned(),
        reason: error.to_string(),
    }
}
