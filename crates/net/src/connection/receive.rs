//! Frames from the bytes of a socket.
//!
//! Small frames are cut out of a shared read buffer. A frame larger than that buffer gets one of
//! its own size, read straight from the socket; such buffers are used again as soon as nobody holds
//! them, since freshly mapped memory costs more than everything else on the way in (150 ns a record
//! in page faults against 12). Some small frames in a row mean that there is no more to catch up with:
//! what lies idle is freed.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use klamm_codec::BufferSupplier;
use klamm_codec::frame::SIZE_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Size of the shared read buffer.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// Most memory of large frames that is kept for the next ones: half of what a consumer reads ahead comes back at once.
const IDLE_BYTES_MAX: usize = 32 << 20;
/// From so many small frames in a row on it is freed.
const SMALL_FRAMES_IN_A_ROW: u32 = 8;

/// Cuts frames out of a byte stream.
pub(super) struct Receiver {
    /// Bytes read and not cut yet; at most a size and the start of a large frame besides whole
    /// small frames.
    buffer: BytesMut,
    /// The large frame that is being read, and its size.
    large: Option<(Vec<u8>, usize)>,
    large_buffers: BufferSupplier,
    /// Small frames since the last large one.
    small_frames: u32,
    frame_bytes_max: usize,
}

impl Receiver {
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            large: None,
            large_buffers: BufferSupplier::new(IDLE_BYTES_MAX),
            small_frames: 0,
            frame_bytes_max,
        }
    }

    /// Reads until there is a frame (without its size).
    pub(super) fn poll_frame(
        &mut self,
        mut stream: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        loop {
            if let Some(frame) = self.cut()? {
                return Poll::Ready(Ok(frame));
            }
            let read = match &mut self.large {
                Some((frame, size)) => {
                    let mut rest = frame.limit(*size - frame.len());
                    ready!(pin!(stream.read_buf(&mut rest)).poll(context))?
                }
                None => {
                    self.buffer.reserve(READ_BUFFER_BYTES);
                    ready!(pin!(stream.read_buf(&mut self.buffer)).poll(context))?
                }
            };
            if read == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// A whole frame, if there is one.
    fn cut(&mut self) -> io::Result<Option<Bytes>> {
        if let Some((frame, size)) = &self.large {
            if frame.len() < *size {
                return Ok(None);
            }
            let frame = self.large.take().map(|(frame, _)| frame);
            return Ok(frame.map(|frame| {
                let length = frame.len();
                self.large_buffers.freeze(frame, length)
            }));
        }
        let Some(prefix) = self.buffer.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let size = self.check_size(i32::from_be_bytes(*prefix))?;
        if self.buffer.len() >= SIZE_BYTES + size {
            self.buffer.advance(SIZE_BYTES);
            self.count_small_frame();
            return Ok(Some(self.buffer.split_to(size).freeze()));
        }
        if size > READ_BUFFER_BYTES {
            self.small_frames = 0;
            let mut frame = self.large_buffers.get(size);
            frame.clear();
            frame.put_slice(&self.buffer[SIZE_BYTES..]);
            self.buffer.clear();
            self.large = Some((frame, size));
        }
        Ok(None)
    }

    fn check_size(&self, size: i32) -> io::Result<usize> {
        usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.frame_bytes_max)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "a frame of {size} bytes was announced, at most {} are accepted",
                        self.frame_bytes_max
                    ),
                )
            })
    }

    fn count_small_frame(&mut self) {
        self.small_frames = self.small_frames.saturating_add(1);
        if self.small_frames >= SMALL_FRAMES_IN_A_ROW {
            self.large_buffers.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn idle_memory_of_large_frames_is_freed_once_only_small_ones_come() {
        const LARGE: usize = 1 << 20;
        let mut receiver = Receiver::new(LARGE);
        let (mut broker, mut stream) = tokio::io::duplex(2 * LARGE);
        let mut sizes = vec![LARGE];
        sizes.extend([100; SMALL_FRAMES_IN_A_ROW as usize]);
        let mut idle = Vec::new();
        for size in sizes {
            broker.write_i32(size as i32).await.unwrap();
            broker.write_all(&vec![7; size]).await.unwrap();
            let frame = poll_fn(|context| receiver.poll_frame(Pin::new(&mut stream), context));
            assert_eq!(frame.await.unwrap().len(), size);
            idle.push(receiver.large_buffers.idle_bytes());
        }
        let freed = idle.iter().position(|&bytes| bytes == 0);
        assert_eq!(freed, Some(SMALL_FRAMES_IN_A_ROW as usize), "{idle:?}");
    }
}
