//! Cutting a batch that is too large for the broker.

use bytes::Bytes;
use klamm_codec::batch::{BatchBuilder, Batches, Header, Record};
use klamm_codec::compress::Decompressor;

/// The records of a sealed batch in two new ones, each of about half its bytes and at least one
/// record: however often it is cut, that ends.
///
/// # Errors
/// The bytes are no batch, which the producer that wrote them rules out.
pub(super) fn in_two(batch: &Bytes) -> Result<Vec<BatchBuilder>, Box<dyn std::error::Error>> {
    let Some(batch) = Batches::new(batch.clone()).next() else {
        return Ok(Vec::new());
    };
    let batch = batch?.into_records(&mut Decompressor::default(), usize::MAX)?;
    let records = batch.records().collect::<Result<Vec<_>, _>>()?;
    let sizes = records.iter().map(body_bytes);
    let half = sizes.clone().sum::<usize>() / 2;
    let mut before = 0;
    let up_to_half = sizes.take_while(|bytes| {
        before += bytes;
        before <= half
    });
    let middle = up_to_half.count().max(1).min(records.len() - 1);
    let (first, second) = records.split_at(middle);
    Ok(vec![rebuild(first), rebuild(second)])
}

fn body_bytes(record: &Record<'_>) -> usize {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record.headers.iter();
    let headers: usize = headers
        .map(|header| header.key.len() + bytes(header.value))
        .sum();
    1 + bytes(record.key) + bytes(record.value) + headers
}

fn rebuild(records: &[Record<'_>]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Vec::new());
    for record in records {
        let headers: Vec<Header<'_>> = record.headers.iter().collect();
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    builder
}

#[cfg(test)]
mod tests {
    use klamm_codec::batch::ProducerIdentity;
    use klamm_codec::compress::{Compression, Compressor};

    use super::*;

    fn batch(values: &[usize], codec: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(Vec::new());
        for (index, bytes) in values.iter().enumerate() {
            let headers = [Header::new("h", "v"), Header::null("n")];
            let value = vec![index as u8; *bytes];
            builder.append(
                1000 + index as i64,
                None,
                Some(&value),
                &headers[..index % 3],
            );
        }
        let mut compressor = match codec {
            Compression::None => None,
            codec => Some(Compressor::new(codec, None).unwrap()),
        };
        let sealed = builder.seal(ProducerIdentity::NONE, false, compressor.as_mut());
        sealed.unwrap().bytes
    }

    fn values(batch: Bytes) -> Vec<(i64, usize, usize)> {
        let batch = Batches::new(batch).next().unwrap().unwrap();
        let batch = batch
            .into_records(&mut Decompressor::default(), usize::MAX)
            .unwrap();
        let records = batch.records().map(Result::unwrap);
        let value = |record: Record<'_>| {
            let bytes = record.value.unwrap();
            assert!(
                bytes
                    .iter()
                    .all(|byte| i64::from(*byte) == record.timestamp - 1000)
            );
            (record.timestamp, bytes.len(), record.headers.iter().count())
        };
        records.map(value).collect()
    }

    #[test]
    fn the_parts_hold_the_records_in_order_and_neither_is_empty() {
        for codec in [Compression::None, Compression::Lz4] {
            for sizes in [
                vec![10, 10],
                vec![5000, 1],
                vec![1, 5000],
                vec![0, 0, 0],
                vec![1, 5000, 1, 1],
                (0..100).collect(),
            ] {
                let whole = batch(&sizes, codec);
                let parts = in_two(&whole).unwrap().into_iter().map(|part| {
                    let sealed = part.seal(ProducerIdentity::NONE, false, None).unwrap();
                    values(sealed.bytes)
                });
                let parts: Vec<_> = parts.collect();
                assert!(parts.iter().all(|part| !part.is_empty()), "{sizes:?}");
                assert_eq!(parts.concat(), values(whole), "{sizes:?}");
            }
        }
    }

    #[test]
    fn halves_are_about_equal() {
        let parts = in_two(&batch(&[100; 50], Compression::None)).unwrap();
        let counts: Vec<_> = parts.iter().map(BatchBuilder::record_count).collect();
        assert_eq!(counts, [25, 25]);
    }
}
