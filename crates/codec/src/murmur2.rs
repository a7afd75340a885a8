//! The hash by which Kafka's Java client spreads keys over partitions.

/// murmur2 of `key`, as `org.apache.kafka.common.utils.Utils.murmur2`.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut hash = SEED ^ key.len() as u32;
    let (blocks, tail) = key.as_chunks::<4>();
    for block in blocks {
        let mut k = u32::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

/// The partition of `partition_count` that Java's default partitioner picks for `key`.
///
/// The sign bit is masked off, not negated, as Java's `Utils.toPositive` does. The count is of all
/// partitions of the topic, also those without a leader at the moment. An empty key is hashed; it is
/// only the missing key that is not.
///
/// # Panics
/// If `partition_count` is 0: a topic has at least one partition.
#[must_use]
pub fn partition_for_key(key: &[u8], partition_count: u32) -> i32 {
    ((murmur2(key) as u32 & 0x7fff_ffff) % partition_count) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_javas() {
        // The six constants of Java's own unit test, then others of the specification.
        let vectors: [(&[u8], i32); 16] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
            (b"a", -1_563_381_124),
            (b"ab", 316_155_434),
            (b"abcd", -1_323_649_548),
            (b"1", -1_993_445_489),
            (b"user-123", -1_468_255_980),
            ("é".as_bytes(), 186_971_271),
            ("日本語".as_bytes(), 1_431_860_170),
            (b"\0", 375_494_588),
            (&[0xff; 4], 644_171_429),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key), hash, "{key:?}");
        }
    }

    #[test]
    fn partitions_equal_javas() {
        for (key, thirds, tenths, twelfths) in [
            ("a", 1, 4, 4),
            ("abc", 0, 7, 3),
            ("kafka", 1, 0, 4),
            ("user-123", 2, 8, 8),
            ("", 0, 1, 9),
        ] {
            assert_eq!(partition_for_key(key.as_bytes(), 3), thirds, "{key}");
            assert_eq!(partition_for_key(key.as_bytes(), 10), tenths, "{key}");
            assert_eq!(partition_for_key(key.as_bytes(), 12), twelfths, "{key}");
        }
    }
}
