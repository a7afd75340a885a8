//! One byte budget for everything that was fetched and not yet handed out.
//!
//! Fetching stops when the budget is full and resumes at half. What is still in flight is reserved,
//! so that several brokers share the budget fairly; but reservations only shape, they never block:
//! a broker that hangs with a large reservation does not keep others from a minimal fetch. So the
//! bytes held are at most the budget plus one `max.partition.fetch.bytes` for each broker (and a
//! first batch larger than that always comes whole, KIP-74).

/// The budget; see the module.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    floor: usize,
    buffered: usize,
    reserved: usize,
    full: bool,
}

impl Budget {
    /// At most `limit` bytes, of which a fetch gets at least `floor`.
    pub(crate) fn new(limit: usize, floor: usize) -> Self {
        Self {
            limit,
            floor: floor.min(limit).max(1),
            buffered: 0,
            reserved: 0,
            full: false,
        }
    }

    /// Whether no fetch may be sent.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes that were fetched and not yet handed out.
    pub(crate) const fn buffered(&self) -> usize {
        self.buffered
    }

    /// Reserves the share of one of `idle` brokers, at most `most` bytes.
    pub(crate) fn reserve(&mut self, idle: usize, most: usize) -> usize {
        let free = self.limit.saturating_sub(self.buffered + self.reserved);
        let share = (free / idle.max(1)).max(self.floor).min(most).max(1);
        self.reserved += share;
        share
    }

    /// A fetch that had reserved `share` brought `bytes`.
    pub(crate) fn arrived(&mut self, share: usize, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(share);
        self.buffered += bytes;
        self.full |= self.buffered >= self.limit;
    }

    /// `bytes` that did not count, since their partition was paused, count again.
    pub(crate) const fn count_again(&mut self, bytes: usize) {
        self.buffered += bytes;
        self.full |= self.buffered >= self.limit;
    }

    /// The bound.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// `bytes` were handed out or thrown away. True if fetching may go on from now on.
    pub(crate) fn release(&mut self, bytes: usize) -> bool {
        self.buffered = self.buffered.saturating_sub(bytes);
        let resumes = self.full && self.buffered <= self.limit / 2;
        self.full &= !resumes;
        resumes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_brokers_share_the_budget_evenly() {
        let mut budget = Budget::new(90, 10);
        let shares: Vec<_> = (0..3).map(|sent| budget.reserve(3 - sent, 50)).collect();
        assert_eq!(shares, [30, 30, 30]);
    }

    #[test]
    fn fetching_stops_when_full_and_resumes_at_half() {
        let mut budget = Budget::new(100, 10);
        let share = budget.reserve(1, 1000);
        assert_eq!(share, 100);
        budget.arrived(share, 60);
        assert!(!budget.is_full());
        let share = budget.reserve(1, 1000);
        assert_eq!(share, 40);
        budget.arrived(share, 40);
        assert!(budget.is_full());
        assert!(!budget.release(49));
        assert!(budget.is_full());
        assert!(budget.release(1));
        assert!(!budget.is_full());
        assert_eq!(budget.buffered(), 50);
    }

    #[test]
    fn a_hanging_reservation_leaves_others_the_floor() {
        let mut budget = Budget::new(100, 10);
        assert_eq!(budget.reserve(1, 1000), 100);
        assert_eq!(budget.reserve(1, 1000), 10);
    }
}
