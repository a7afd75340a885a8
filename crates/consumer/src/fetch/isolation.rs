//! Which batches a reader of committed records does not see (`isolation.level=read_committed`).
//!
//! A broker sends the records of open transactions to nobody who asks for committed ones: it stops
//! at the last stable offset. Those of aborted transactions it sends, with a list of who aborted
//! what; leaving them out is up to the client.
//!
//! Owns: the list that came with one partition of one response, as far as it was used.
//!
//! Invariant: a producer is in `aborting` from the first offset of its aborted transaction to the
//! marker that ends it.

use std::collections::BTreeSet;

use klamm_codec::batch::BatchHeader;

/// The aborted transactions of one partition of one response; see the module.
#[derive(Clone, Debug)]
pub(crate) struct AbortedTransactions {
    /// First offset and producer id; the next to begin is the last.
    to_come: Vec<(i64, i64)>,
    aborting: BTreeSet<i64>,
}

/// Control records whose key has this type end a transaction by aborting it (KIP-98).
const ABORT: i16 = 0;

impl AbortedTransactions {
    /// From producer ids and first offsets, in any order.
    pub(crate) fn new(list: Vec<(i64, i64)>) -> Self {
        let mut to_come: Vec<_> = list
            .into_iter()
            .map(|(producer_id, first_offset)| (first_offset, producer_id))
            .collect();
        to_come.sort_unstable_by(|left, right| right.cmp(left));
        Self {
            to_come,
            aborting: BTreeSet::new(),
        }
    }

    /// Whether the batch is part of an aborted transaction. Ask of each batch once, in the order of
    /// offsets.
    pub(crate) fn contain(&mut self, batch: &BatchHeader) -> bool {
        if batch.producer_id < 0 {
            return false;
        }
        while let Some((_, producer_id)) = self
            .to_come
            .pop_if(|(first_offset, _)| *first_offset <= batch.last_offset())
        {
            self.aborting.insert(producer_id);
        }
        batch.attributes.is_transactional() && self.aborting.contains(&batch.producer_id)
    }

    /// Takes the marker that `batch` holds, whose one record has `key`.
    pub(crate) fn handle_marker(&mut self, batch: &BatchHeader, key: Option<&[u8]>) {
        let kind = key.and_then(|key| key.get(2..4)?.first_chunk());
        if kind.is_some_and(|kind| i16::from_be_bytes(*kind) == ABORT) {
            self.aborting.remove(&batch.producer_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::testing::{abort_marker, commit_marker, header_of, transactional};

    fn key(kind: u8) -> [u8; 4] {
        [0, 0, 0, kind]
    }

    #[test]
    fn a_producer_is_hidden_from_its_first_offset_to_its_marker() {
        let mut aborted = AbortedTransactions::new(vec![(7, 20), (7, 3), (8, 12)]);
        let contains = |aborted: &mut AbortedTransactions, producer_id, offset| {
            aborted.contain(&header_of(&transactional(producer_id, offset, 2)))
        };
        assert!(!contains(&mut aborted, 7, 0), "before the transaction");
        assert!(contains(&mut aborted, 7, 3));
        assert!(!contains(&mut aborted, 8, 5), "of another producer");
        assert!(contains(&mut aborted, 7, 8));
        let marker = header_of(&abort_marker(7, 10));
        aborted.contain(&marker);
        aborted.handle_marker(&marker, Some(&key(0)));
        assert!(!contains(&mut aborted, 7, 11), "a committed one");
        assert!(contains(&mut aborted, 8, 13));
        assert!(contains(&mut aborted, 7, 20), "the second aborted one");
    }

    #[test]
    fn only_an_abort_marker_ends_it() {
        let mut aborted = AbortedTransactions::new(vec![(7, 0)]);
        let batch = header_of(&transactional(7, 0, 2));
        assert!(aborted.contain(&batch));
        let marker = header_of(&commit_marker(7, 2));
        for key in [Some(&key(1)[..]), Some(&[0, 0][..]), Some(&[][..]), None] {
            aborted.handle_marker(&marker, key);
            assert!(aborted.contain(&batch), "{key:?}");
        }
        // Two markers of one producer do no harm.
        aborted.handle_marker(&marker, Some(&key(0)));
        aborted.handle_marker(&marker, Some(&key(0)));
        assert!(!aborted.contain(&batch));
    }

    #[test]
    fn batches_without_a_transaction_are_seen() {
        let mut aborted = AbortedTransactions::new(vec![(7, 0)]);
        assert!(!aborted.contain(&header_of(&crate::fetch::testing::batch(5, 1))));
    }
}
