//! Which frame is hit by what.

use std::time::Duration;

use super::frame::Frame;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// From the client to the broker.
    Request,
    /// From the broker to the client.
    Response,
}

/// What happens to a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is passed on later; those behind it wait too.
    Delay(Duration),
    /// The connection ends instead (FIN to both sides). At a response: the broker has done what it was asked, and the
    /// client does not learn of it.
    Cut,
    /// As `Cut`, as a reset (RST).
    Reset,
    /// So many bytes of it are passed on, then the connection ends.
    CutInside(usize),
    /// It is passed on whole, then the connection ends.
    CutBehind,
    /// So many bytes of it are passed on and then nothing in this direction, for ever; nobody is told.
    StallInside(usize),
    /// It and all after it, in both directions, disappear; the connection stays open.
    Swallow,
    /// It is passed on in pieces of so many bytes, with a pause after each.
    Trickle(usize, Duration),
    /// A byte of it (its size not counted) is changed: `xor` at `at`, counted from the end if negative.
    Corrupt {
        /// Where.
        at: isize,
        /// The bits to turn.
        xor: u8,
    },
    /// Its size field says so instead.
    Size(i32),
    /// Its correlation id is another one.
    WrongCorrelationId,
    /// It, and those behind it, wait until [`Proxy::release`](super::Proxy::release).
    Hold,
}

/// Hits frames of one direction and API.
#[derive(Clone, Debug)]
pub struct Rule {
    direction: Direction,
    api: Option<i16>,
    skip: u32,
    times: u32,
    action: Action,
}

impl Rule {
    /// Hits the next request of the API with this key.
    #[must_use]
    pub fn request(api: i16, action: Action) -> Self {
        Self::new(Direction::Request, Some(api), action)
    }

    /// Hits the next response to a request of the API with this key.
    #[must_use]
    pub fn response(api: i16, action: Action) -> Self {
        Self::new(Direction::Response, Some(api), action)
    }

    /// Hits the next frame of this direction, whatever its API.
    #[must_use]
    pub fn any(direction: Direction, action: Action) -> Self {
        Self::new(direction, None, action)
    }

    fn new(direction: Direction, api: Option<i16>, action: Action) -> Self {
        Self {
            direction,
            api,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn skip(mut self, frames: u32) -> Self {
        self.skip = frames;
        self
    }

    /// Hits so many, one after the other.
    #[must_use]
    pub fn times(mut self, frames: u32) -> Self {
        self.times = frames;
        self
    }

    /// Hits all until [`Proxy::clear`](super::Proxy::clear).
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

/// Faults drawn from a seed: the same seed, connection and frame give the same fault.
#[derive(Clone, Debug)]
pub struct RandomFaults {
    /// Where all randomness comes from.
    pub seed: u64,
    /// One frame of so many is hit.
    pub one_in: u64,
    /// What is drawn from, all alike.
    pub actions: Vec<Action>,
}

impl RandomFaults {
    fn draw(&self, connection: u64, direction: Direction, frame: u64) -> Option<&Action> {
        let place = (connection << 33) ^ (frame << 1) ^ u64::from(direction == Direction::Request);
        let random = mix(self.seed ^ mix(place));
        if self.actions.is_empty() || !random.is_multiple_of(self.one_in.max(1)) {
            return None;
        }
        self.actions
            .get((mix(random) % self.actions.len() as u64) as usize)
    }
}

/// The output function of `SplitMix64`.
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A fault that was done.
#[derive(Clone, Debug)]
pub struct AppliedFault {
    /// Since the start of the proxy.
    pub at: Duration,
    /// Number of the connection, from 1.
    pub connection: u64,
    /// Which way the frame went.
    pub direction: Direction,
    /// Key of its API, -1 if unknown.
    pub api: i16,
    /// What was done to it.
    pub action: Action,
}

/// Rules that are left, and what was done.
#[derive(Debug, Default)]
pub(super) struct Rules {
    left: Vec<Rule>,
    pub(super) random: Option<RandomFaults>,
    pub(super) applied: Vec<AppliedFault>,
}

impl Rules {
    pub(super) fn push(&mut self, rule: Rule) {
        self.left.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.left.clear();
        self.random = None;
    }

    /// What happens to a frame, the `number`th of its connection and direction.
    pub(super) fn apply(
        &mut self,
        at: Duration,
        connection: u64,
        direction: Direction,
        number: u64,
        frame: &Frame,
    ) -> Option<Action> {
        let fits = |rule: &Rule| {
            rule.direction == direction && rule.api.is_none_or(|api| api == frame.api)
        };
        let mut action = None;
        if let Some(place) = self.left.iter().position(fits) {
            let rule = &mut self.left[place];
            if rule.skip > 0 {
                rule.skip -= 1;
            } else {
                action = Some(rule.action.clone());
                if rule.times != u32::MAX {
                    rule.times -= 1;
                }
                if rule.times == 0 {
                    self.left.remove(place);
                }
            }
        } else if let Some(random) = &self.random {
            action = random.draw(connection, direction, number).cloned();
        }
        let action = action?;
        self.applied.push(AppliedFault {
            at,
            connection,
            direction,
            api: frame.api,
            action: action.clone(),
        });
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(api: i16) -> Frame {
        Frame {
            api,
            bytes: Vec::new(),
        }
    }

    #[test]
    fn a_rule_hits_what_it_names_after_what_it_skips() {
        let mut rules = Rules::default();
        rules.push(Rule::request(0, Action::Cut).skip(1).times(2));
        rules.push(Rule::any(Direction::Response, Action::Reset));
        let mut hit = |direction, api| rules.apply(Duration::ZERO, 1, direction, 0, &frame(api));
        assert_eq!(hit(Direction::Request, 3), None);
        assert_eq!(hit(Direction::Request, 0), None);
        assert_eq!(hit(Direction::Response, 0), Some(Action::Reset));
        assert_eq!(hit(Direction::Response, 0), None);
        assert_eq!(hit(Direction::Request, 0), Some(Action::Cut));
        assert_eq!(hit(Direction::Request, 0), Some(Action::Cut));
        assert_eq!(hit(Direction::Request, 0), None);
        assert_eq!(rules.applied.len(), 3);
    }

    #[test]
    fn random_faults_follow_from_the_seed_and_come_as_often_as_asked() {
        let faults = |seed| RandomFaults {
            seed,
            one_in: 10,
            actions: vec![Action::Cut, Action::Reset],
        };
        let drawn = |seed| -> Vec<_> {
            let draw = |frame| faults(seed).draw(7, Direction::Request, frame).cloned();
            (0..10_000).map(draw).collect()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let count = |action| drawn(1).iter().filter(|drawn| **drawn == action).count();
        for action in [Some(Action::Cut), Some(Action::Reset)] {
            let count = count(action);
            assert!((400..600).contains(&count), "{count}");
        }
    }
}
