//! Values to produce: neither constant nor random, so that compression means something.

/// How many different values there are.
const VALUES: usize = 1024;

/// Half of it a fixed text, half of it hexadecimal digits: lz4 makes about half of it. The same in
/// every run.
pub(crate) fn payloads(size: usize) -> Vec<Vec<u8>> {
    const TEXT: &[u8] = br#"{"tenant":"acme","service":"checkout","event":"order-updated","v":"#;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = |index: usize| {
        if index % 16 < 8 {
            return TEXT[index % TEXT.len()];
        }
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"0123456789abcdef"[(state >> 40) as usize & 15]
    };
    (0..VALUES)
        .map(|_| (0..size).map(&mut byte).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_that_was_asked_for_and_differ() {
        for size in [0, 1, 100] {
            let values = payloads(size);
            assert!(values.iter().all(|value| value.len() == size));
        }
        let values = payloads(100);
        assert_ne!(values[0], values[1]);
        assert_eq!(values, payloads(100));
    }
}
