//! Making batches ready to be sent: compression and CRC.
//!
//! Shared by the sender, which seals what is quick itself, and the tasks that seal what is heavy. See
//! docs/design/producer.md.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};
use klamm_codec::compress::{CompressError, Compression, Compressor};

use crate::config::Settings;
use crate::memory::Reservation;

/// From so many bytes on compression is worth a task of its own.
const HEAVY_BYTES: usize = 16 << 10;

/// Seals the batches of a producer.
#[derive(Debug)]
pub(super) struct Sealer {
    compression: Compression,
    level: Option<i32>,
    transactional: bool,
    pub(super) heavy_bytes: usize,
    /// Compressors that nobody uses at the moment.
    spare: Mutex<Vec<Compressor>>,
}

impl Sealer {
    pub(super) fn new(settings: &Settings) -> Self {
        let config = &settings.config;
        Self {
            compression: config.compression,
            level: config.compression_level,
            transactional: config.transactional_id.is_some(),
            heavy_bytes: HEAVY_BYTES,
            spare: Mutex::default(),
        }
    }

    pub(super) fn compresses(&self) -> bool {
        self.compression != Compression::None
    }

    /// Whether sealing a batch of `bytes` would hold up the sender.
    pub(super) fn is_heavy(&self, bytes: usize) -> bool {
        self.compresses() && bytes >= self.heavy_bytes
    }

    /// The sealed batch, and what is left of its reservation.
    ///
    /// # Errors
    /// The compressor failed.
    pub(super) fn seal(
        &self,
        builder: BatchBuilder,
        mut reservation: Reservation,
        identity: ProducerIdentity,
    ) -> Result<(Bytes, Reservation), CompressError> {
        let mut compressor = self.compressor()?;
        let sealed = builder.seal(identity, self.transactional, compressor.as_mut());
        if let Some(compressor) = compressor {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.push(compressor);
        }
        let sealed = sealed?;
        if let Some(buffer) = sealed.used_buffer {
            reservation.shrink_to(sealed.bytes.len(), Some(buffer));
        }
        Ok((sealed.bytes, reservation))
    }

    fn compressor(&self) -> Result<Option<Compressor>, CompressError> {
        if !self.compresses() {
            return Ok(None);
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spare) = spare.pop() {
            return Ok(Some(spare));
        }
        drop(spare);
        Compressor::new(self.compression, self.level).map(Some)
    }
}

/// A batch to be sealed next to the sender.
#[derive(Debug)]
pub(super) struct SealJob {
    pub(super) slot: usize,
    /// Its number in the line of the partition.
    pub(super) number: u64,
    pub(super) builder: BatchBuilder,
    pub(super) reservation: Reservation,
    pub(super) sealer: Arc<Sealer>,
}

/// What came of a [`SealJob`].
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) slot: usize,
    pub(super) number: u64,
    /// Size of the batch before it was compressed.
    pub(super) written: usize,
    pub(super) result: Result<(Bytes, Reservation), CompressError>,
}

impl SealJob {
    pub(super) fn run(self) -> Sealed {
        let written = self.builder.batch_bytes();
        let identity = ProducerIdentity::NONE;
        Sealed {
            slot: self.slot,
            number: self.number,
            written,
            result: self.sealer.seal(self.builder, self.reservation, identity),
        }
    }
}
