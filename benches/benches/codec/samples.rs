//! The records that are written and read.

/// Bytes of the values of one batch, about: the size that a producer fills under load.
pub(crate) const BATCH_BYTES: usize = 128 << 10;
/// 2023-11-14.
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

/// Values of one length, all different, that compress as events of a service do.
pub(crate) struct Samples {
    pub(crate) value_bytes: usize,
    values: Vec<Vec<u8>>,
}

impl Samples {
    pub(crate) fn new(value_bytes: usize) -> Self {
        let mut state = 1_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut value = || {
            let mut text = String::new();
            while text.len() < value_bytes {
                let (user, amount, token) = (random() % 5000, random() % 100_000, random());
                let event = format!(
                    r#"{{"u":{user},"amount":{amount},"state":"paid","token":"{token:x}"}}"#
                );
                text.push_str(&event);
            }
            text.truncate(value_bytes);
            text.into_bytes()
        };
        let values = (0..BATCH_BYTES / (value_bytes + 8)).map(|_| value());
        Self {
            value_bytes,
            values: values.collect(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// Timestamp and value, as many records share a millisecond.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> + Clone {
        let values = self.values.iter().enumerate();
        values.map(|(index, value)| (FIRST_TIMESTAMP + index as i64 / 16, value.as_slice()))
    }
}
