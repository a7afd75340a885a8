//! The sender's thinking about a single partition, for tests.

use std::sync::Arc;
use std::time::Duration;

use klamm_net::{Backoff, ClusterSnapshot, NodeId, TopicId, TopicPartition};
use tokio::time::Instant;

use super::state::SenderState;
use crate::accumulator::{Append, AppendContext, Fill, PartitionQueue};
use crate::clock::Clock;
use crate::config::ProducerConfig;
use crate::delivery::{Delivery, Single};
use crate::memory::Memory;
use crate::record::Record;
use crate::unfinished::Unfinished;

/// Its leader.
pub(super) const NODE: NodeId = NodeId(1);

pub(super) struct OnePartition {
    pub(super) state: SenderState,
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) memory: Arc<Memory>,
    unfinished: Arc<Unfinished>,
    batch_bytes: usize,
}

impl OnePartition {
    pub(super) fn new(config: ProducerConfig) -> Self {
        let batch_bytes = config.batch_size;
        let settings = config.check(Duration::from_secs(30)).unwrap();
        let memory = Memory::new(1 << 20, batch_bytes);
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        let (counters, transaction) = (Arc::default(), None);
        let mut state = SenderState::new(
            settings,
            backoff,
            Arc::clone(&memory),
            counters,
            transaction,
        );
        let fill = Arc::new(Fill::new(batch_bytes, batch_bytes));
        let partition = TopicPartition::new("orders", 0);
        let queue = Arc::new(PartitionQueue::new(partition, TopicId::default(), 0, fill));
        state.register(Arc::clone(&queue), &ClusterSnapshot::default());
        state.slots[0].leader = Some((NODE, 0));
        Self {
            state,
            queue,
            memory,
            unfinished: Arc::default(),
            batch_bytes,
        }
    }

    pub(super) fn append(&mut self, value: &[u8]) -> Delivery {
        let record = Record::to("orders").value(value);
        let context = AppendContext {
            memory: &self.memory,
            clock: &Clock::default(),
            unfinished: &self.unfinished,
            hooks: &Arc::default(),
            batch_bytes_max: self.batch_bytes,
            record_bytes_max: record.bytes_max(),
            sticky: false,
        };
        let appended = self.queue.append(&record, &mut None, &context, &mut Single);
        self.state.visit(0, Instant::now());
        match appended {
            Append::Appended { held, .. } => held,
            other => panic!("{other:?}"),
        }
    }
}
