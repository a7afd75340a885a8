//! The hashes by which clients other than Java's spread keys over partitions.
//!
//! A service that moves to klamm and must keep the order of its keyed records needs the hash of the
//! client that it comes from.

/// CRC-32 (IEEE) of `key`: librdkafka's `consistent` and `consistent_random`, its default.
#[must_use]
pub fn crc32(key: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(key);
    crc.sum()
}

/// FNV-1a of `key` in 32 bits, without its sign: librdkafka's `fnv1a` and the default of Sarama.
#[must_use]
pub fn fnv1a(key: &[u8]) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(PRIME);
    key.iter().fold(OFFSET, step).cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_one_of_zlib() {
        for (key, crc) in [
            (&b""[..], 0),
            (b"123456789", 0xcbf4_3926),
            (b"a", 0xe8b7_be43),
            (b"abc", 0x3524_41c2),
        ] {
            assert_eq!(crc32(key), crc, "{key:?}");
        }
    }

    #[test]
    fn fnv1a_is_saramas() {
        // Made with Go's hash/fnv and the sign taken off as Sarama does; librdkafka tests with them too.
        for (key, hash) in [
            ("kafka", 0x0d33_c4e1),
            ("giberish123456789", 0x77a5_8295),
            ("1234", 0x023b_dd03),
            ("234", 0x2dea_3cd2),
            ("34", 0x740f_a83e),
            ("4", 0x310c_a263),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65cb_d69c),
            ("reAmbleWillBeRemoved,ThePrePartThatIs", 0x6e49_c79a),
            ("", 0x7ee3_623b),
        ] {
            assert_eq!(fnv1a(key.as_bytes()), hash, "{key}");
        }
    }
}
