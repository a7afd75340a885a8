//! What a transactional producer needs to commit for this consumer (KIP-447).

use klamm_net::{GroupMetadata, OffsetAndMetadata, TopicPartition};

use super::Consumer;
use crate::error::Error;

impl Consumer {
    /// Which member of its group this consumer is now, for the `send_offsets` of a transactional
    /// producer. Take it after the poll whose records the transaction processes: if the group has moved
    /// on by the commit, that fails, and no two members process the same records.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a group.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        let Some(group_id) = &self.config.group_id else {
            return Err(Error::Misuse {
                what: super::commit::NO_GROUP,
            });
        };
        let metadata = GroupMetadata::of_group(group_id);
        let instance_id = self.config.group_instance_id.clone();
        Ok(match &self.shared.lock().group.generation {
            Some(generation) => metadata
                .member(&*generation.member_id, generation.id)
                .instance(instance_id),
            None => metadata,
        })
    }

    /// The offsets behind everything that was handed out: what [`commit`](Self::commit) would commit,
    /// to be sent in a transaction instead.
    pub fn consumed(&mut self) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        self.flush();
        let offsets = crate::group::task::consumed(&self.shared.lock().fetch);
        offsets.into_iter().collect()
    }
}
