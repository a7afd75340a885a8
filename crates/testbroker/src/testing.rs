//! Record batches for unit tests.

use bytes::Bytes;
use klamm_codec::batch::{BatchBuilder, ProducerIdentity};

/// A batch with one small record per timestamp.
pub(crate) fn batch(timestamps: &[i64], identity: ProducerIdentity) -> Bytes {
    let mut builder = BatchBuilder::new(Vec::new());
    for timestamp in timestamps {
        builder.append(*timestamp, None, Some(b"v"), &[]);
    }
    builder
        .seal(identity, false, None)
        .expect("not compressed")
        .bytes
}
