//! What a response says about the keys of its request.

use std::collections::HashMap;
use std::time::Duration;

use klamm_codec::ErrorCode;
use klamm_codec::messages::StrBytes;

use super::{Batch, Key};

/// What a broker says about one key.
pub(crate) enum Answer<V> {
    Value(V),
    /// The error code, and the broker's own words.
    Refused(ErrorCode, Option<String>),
}

/// What a broker says about the keys of a request.
pub(crate) struct Answers<K, V> {
    throttle_time_ms: i32,
    by_key: HashMap<K, Answer<V>>,
}

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            by_key: HashMap::new(),
        }
    }
}

impl<K: Key, V> Answers<K, V> {
    /// How long the broker asks to wait.
    pub(crate) fn throttled(&mut self, throttle_time_ms: i32) {
        self.throttle_time_ms = throttle_time_ms;
    }

    /// A value for `key`.
    pub(crate) fn value(&mut self, key: K, value: V) {
        self.by_key.insert(key, Answer::Value(value));
    }

    /// An error code for `key`.
    pub(crate) fn refused(&mut self, key: K, code: i16, message: Option<StrBytes>) {
        let message = message.filter(|message| !message.is_empty());
        let message = message.map(|message| message.to_string());
        let refused = Answer::Refused(ErrorCode(code), message);
        self.by_key.insert(key, refused);
    }

    /// `value` if `code` is none, the refusal otherwise.
    pub(crate) fn answer(
        &mut self,
        key: K,
        code: i16,
        message: Option<StrBytes>,
        value: impl FnOnce() -> V,
    ) {
        if ErrorCode(code).is_none() {
            self.value(key, value());
        } else {
            self.refused(key, code, message);
        }
    }

    /// The same refusal for all keys of `batch`, if `code` is one; whether it is none.
    pub(crate) fn all_accepted(
        &mut self,
        batch: &Batch<K>,
        code: i16,
        message: Option<&StrBytes>,
    ) -> bool {
        let accepted = ErrorCode(code).is_none();
        if !accepted {
            for key in &batch.keys {
                self.refused(key.clone(), code, message.cloned());
            }
        }
        accepted
    }

    pub(super) fn take(&mut self, key: &K) -> Option<Answer<V>> {
        self.by_key.remove(key)
    }

    pub(super) fn throttle_time(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.throttle_time_ms).unwrap_or(0))
    }
}
