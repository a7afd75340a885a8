//! One connection: frames in, answers out, one request at a time, as Kafka does it.
//!
//! Owns: framing. Does not: know requests (`api`), or whether the stream is TCP or memory.
//!
//! Invariants
//! - answers leave in the order of their requests, because the next request is not looked at before
//! - a frame is at most [`FRAME_BYTES_MAX`], and memory for it is taken as its bytes arrive
//! - whatever a client sends, the worst that happens is that its connection closes. One exception
//!   is a known limit of the message crate: a forged array length inside a request can make it
//!   reserve more memory than there is. A test broker lives with that

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::api::{self, Peer};
use crate::shared::Shared;

/// Kafka's default of `socket.request.max.bytes`.
const FRAME_BYTES_MAX: usize = 104_857_600;
/// What is reserved for a frame before any of it has arrived.
const FRAME_BYTES_RESERVED_MAX: usize = 64 * 1024;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Disconnect {
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("request frame of {0} bytes")]
    FrameSize(i32),
    #[error("request that cannot be read: {0}")]
    Malformed(String),
    #[error("api {api} version {version} is not served")]
    Unsupported { api: i16, version: i16 },
    #[error("response of api {api} version {version} cannot be written: {reason}")]
    Unwritable {
        api: i16,
        version: i16,
        reason: String,
    },
    #[error("failed request that awaits no answer")]
    FailedUnanswered,
    #[error("injected fault")]
    Injected,
}

/// Serves a client until it goes, errs, or a fault cuts it off.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: Arc<Shared>,
    peer: Peer,
) {
    match answer_all(stream, &shared, &peer).await {
        Ok(()) => tracing::debug!(client = peer.host, "client closed its connection"),
        Err(reason) => tracing::debug!(client = peer.host, %reason, "closing connection"),
    }
}

async fn answer_all<S>(mut stream: S, shared: &Arc<Shared>, peer: &Peer) -> Result<(), Disconnect>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(frame) = read_frame(&mut stream).await? {
        if let Some(answer) = api::answer(shared, peer, frame).await? {
            stream.write_all(&answer).await?;
            stream.flush().await?;
        }
    }
    Ok(())
}

/// The next frame without its length; none if the client is gone.
async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Bytes>, Disconnect> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = i32::from_be_bytes(length);
    let size = usize::try_from(length).map_err(|_| Disconnect::FrameSize(length))?;
    if size > FRAME_BYTES_MAX {
        return Err(Disconnect::FrameSize(length));
    }
    let mut frame = BytesMut::with_capacity(size.min(FRAME_BYTES_RESERVED_MAX));
    let mut rest = stream.take(size as u64);
    while frame.len() < size {
        if rest.read_buf(&mut frame).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(frame.freeze()))
}
