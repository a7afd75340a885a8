//! What is on its way to one broker, and what it waits for.

use std::collections::VecDeque;
use std::time::Duration;

use klamm_net::{Backoff, Silence};
use tokio::time::Instant;

/// Small requests that are on their way at once. A broker handles those of a connection one after the other: more of
/// them would only queue there, and each take as long as all before it, where what waits here takes up what is sent
/// meanwhile. The second is on its way while the first is handled.
const SMALL_IN_FLIGHT_MAX: usize = 2;

#[derive(Debug, Default)]
pub(super) struct BrokerState {
    pub(super) ready: VecDeque<usize>,
    /// The slots of each request in flight, oldest first.
    pub(super) in_flight: VecDeque<Vec<usize>>,
    /// None of them is answered yet.
    silence: Option<Silence>,
    /// Why the last connection attempt failed.
    pub(super) failure: Option<klamm_net::Error>,
    /// The broker asked to send nothing until then (KIP-219).
    pub(super) throttled_until: Option<Instant>,
    /// Since when nothing could be sent although something is ready.
    pub(super) waits_since: Option<Instant>,
    /// For longer than `partitioner.availability.timeout.ms`.
    pub(super) is_stuck: bool,
}

impl BrokerState {
    /// Whether a request may be sent now; `is_large` tells whether that is one with a batch's worth of records.
    pub(super) fn takes_more(
        &self,
        in_flight_max: usize,
        now: Instant,
        is_large: impl FnOnce(&VecDeque<usize>) -> bool,
    ) -> bool {
        let in_flight = self.in_flight.len();
        in_flight < in_flight_max
            && self.throttled_until.is_none_or(|until| until <= now)
            && (in_flight < SMALL_IN_FLIGHT_MAX || is_large(&self.ready))
    }

    /// A request is on its way.
    pub(super) fn sent(&mut self, slots: Vec<usize>, now: Instant) {
        self.in_flight.push_back(slots);
        self.silence
            .get_or_insert(Silence::start(now, Duration::ZERO));
    }

    /// The oldest request in flight is answered, or will not be; gives its slots.
    pub(super) fn settled(&mut self, now: Instant) -> Vec<usize> {
        let slots = self.in_flight.pop_front();
        self.silence = (!self.in_flight.is_empty()).then_some(Silence::start(now, Duration::ZERO));
        slots.unwrap_or_default()
    }

    /// The newest request could not be written; gives its slots.
    pub(super) fn unsent(&mut self) -> Vec<usize> {
        let slots = self.in_flight.pop_back();
        self.silence = self.silence.filter(|_| !self.in_flight.is_empty());
        slots.unwrap_or_default()
    }

    /// When [`BrokerState::tick`], or a look at its availability, has something to do.
    pub(super) fn next_timer(&self, stuck_after: Duration) -> Option<Instant> {
        let look_at = self.silence.map(|silence| silence.look_at());
        if self.ready.is_empty() {
            return look_at;
        }
        let waits_since = self.waits_since.filter(|_| !self.is_stuck);
        let stuck_at = waits_since.map(|since| since + stuck_after);
        [self.throttled_until, stuck_at, look_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed; says whether newer metadata is wanted, because the broker is silent.
    pub(super) fn tick(&mut self, now: Instant, backoff: Backoff) -> bool {
        self.throttled_until = self.throttled_until.filter(|until| *until > now);
        let looks = |silence: &mut Silence| silence.looks(now, backoff);
        // Asked first: a look that is due and was not taken would stay a timer in the past. What has another leader by now
        // does not wait for this one any more.
        self.silence.as_mut().is_some_and(looks)
            && self.in_flight.iter().any(|slots| !slots.is_empty())
    }
}
