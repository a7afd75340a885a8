//! Frames: an `int32` size, a header, a body.
//!
//! Request headers are version 1, or 2 (with tagged fields) for flexible versions; the client id is
//! an `int16`-length string even there. Response headers are version 0 or 1; those of `ApiVersions`
//! are always 0, so that a client can read the answer of a broker it knows nothing about (KIP-511).

use bytes::{Buf, Bytes};

use crate::api::ApiKey;
use crate::primitive::{DecodeError, Reader};

/// Bytes of the size field in front of every frame.
pub const SIZE_BYTES: usize = 4;

/// Appends the size field, as 0 until [`set_frame_size`], and the request header.
pub fn put_request_header(
    into: &mut Vec<u8>,
    api: ApiKey,
    version: i16,
    header_version: i16,
    correlation_id: i32,
    client_id: &str,
) {
    into.extend_from_slice(&[0; SIZE_BYTES]);
    into.extend_from_slice(&api.0.to_be_bytes());
    into.extend_from_slice(&version.to_be_bytes());
    into.extend_from_slice(&correlation_id.to_be_bytes());
    into.extend_from_slice(&(client_id.len() as i16).to_be_bytes());
    into.extend_from_slice(client_id.as_bytes());
    if header_version >= 2 {
        into.push(0);
    }
}

/// Writes the size of the whole `frame` into its first four bytes.
pub fn set_frame_size(frame: &mut [u8]) {
    let size = (frame.len() - SIZE_BYTES) as i32;
    frame[..SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
}

/// The correlation id at the start of a response frame (without its size).
///
/// # Errors
/// [`DecodeError::Truncated`] if the frame is shorter than that.
pub fn correlation_id(frame: &[u8]) -> Result<i32, DecodeError> {
    Reader::new(frame).int32("correlation id")
}

/// The body of a response frame (without its size): what follows the header.
///
/// # Errors
/// [`DecodeError`] if the header is cut short.
pub fn response_body(mut frame: Bytes, flexible_header: bool) -> Result<Bytes, DecodeError> {
    let mut reader = Reader::new(&frame);
    reader.int32("correlation id")?;
    if flexible_header {
        reader.skip_tagged_fields()?;
    }
    let header_bytes = reader.position();
    frame.advance(header_bytes);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flexible_header_ends_with_tagged_fields_and_keeps_the_old_client_id() {
        let mut frame = Vec::new();
        put_request_header(&mut frame, ApiKey::METADATA, 12, 2, 7, "me");
        set_frame_size(&mut frame);
        assert_eq!(
            frame,
            [0, 0, 0, 13, 0, 3, 0, 12, 0, 0, 0, 7, 0, 2, b'm', b'e', 0]
        );
    }

    #[test]
    fn the_body_begins_after_the_tagged_fields_of_a_flexible_header() {
        let frame = Bytes::from_static(&[0, 0, 0, 7, 1, 5, 2, 0xaa, 0xbb, 0x11]);
        assert_eq!(correlation_id(&frame), Ok(7));
        assert_eq!(response_body(frame.clone(), true).unwrap(), &[0x11][..]);
        assert_eq!(response_body(frame, false).unwrap().len(), 6);
    }

    #[test]
    fn a_frame_that_ends_in_its_header_is_an_error() {
        assert!(correlation_id(&[0, 0]).is_err());
        assert!(response_body(Bytes::from_static(&[0, 0, 0, 7, 1, 5, 9]), true).is_err());
    }
}
