//! What the members of a group were given and handed out, and whether it was right.
//!
//! A session is one stay of a member at a partition, from the assignment to the end: clean if the
//! member could commit what it had handed out, unclean if it was killed, lost the partition or could not commit.
//!
//! The judgement is complete: in the order of the assignments, each session of a partition begins where the
//! one before it ended if that was clean, not later in any case, and offsets within a session
//! follow each other; the first begins at 0 and the farthest ends at the end of the log.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Clean,
    Unclean,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) member: usize,
    pub(crate) end: End,
    /// First offset and that behind the last; none before the first record.
    pub(crate) offsets: Option<(i64, i64)>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    /// By partition, in the order of the assignments.
    sessions: BTreeMap<i32, Vec<Session>>,
    pub(crate) faults: Vec<String>,
}

/// How a run went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) sessions: usize,
    pub(crate) unclean: usize,
    pub(crate) records: i64,
    /// Handed out more than once, after unclean ends.
    pub(crate) repeated: i64,
}

impl History {
    pub(crate) fn assigned(&mut self, member: usize, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            let sessions = self.sessions.entry(partition).or_default();
            // A paused member's session may still be open: it learns of its end later.
            sessions.push(Session {
                member,
                end: End::Open,
                offsets: None,
            });
        }
    }

    pub(crate) fn ended(
        &mut self,
        member: usize,
        partitions: impl IntoIterator<Item = i32>,
        end: End,
    ) {
        for partition in partitions {
            match self.open(member, partition) {
                Some(session) => session.end = end,
                None => self.faults.push(format!(
                    "member {member} lost {partition}, which it did not have"
                )),
            }
        }
    }

    /// The member is gone without a word.
    pub(crate) fn killed(&mut self, member: usize) {
        let sessions = self.sessions.values_mut().flatten();
        for session in sessions.filter(|it| it.member == member && it.end == End::Open) {
            session.end = End::Unclean;
        }
    }

    pub(crate) fn handed_out(&mut self, member: usize, partition: i32, offset: i64) {
        let fault = match self.open(member, partition) {
            None => Some("after it had gone".to_owned()),
            Some(session) => match &mut session.offsets {
                None => {
                    session.offsets = Some((offset, offset + 1));
                    None
                }
                Some((_, next)) if *next == offset => {
                    *next += 1;
                    None
                }
                Some((_, next)) => Some(format!("instead of {next}")),
            },
        };
        if let Some(fault) = fault {
            self.faults.push(format!(
                "member {member} handed out {partition}@{offset} {fault}"
            ));
        }
    }

    /// How often a partition was assigned.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.values().map(Vec::len).sum()
    }

    /// How far each partition was read.
    pub(crate) fn reached(&self) -> BTreeMap<i32, i64> {
        let end = |sessions: &Vec<Session>| {
            let ends = sessions.iter().filter_map(|session| session.offsets);
            ends.map(|(_, end)| end).max().unwrap_or(0)
        };
        self.sessions
            .iter()
            .map(|(at, sessions)| (*at, end(sessions)))
            .collect()
    }

    /// Judges everything; `ends` are those of the logs.
    pub(crate) fn judge(&self, ends: &BTreeMap<i32, i64>) -> Result<Summary, Vec<String>> {
        let mut faults = self.faults.clone();
        let mut summary = Summary::default();
        for (partition, end) in ends {
            let none = Vec::new();
            let sessions = self.sessions.get(partition).unwrap_or(&none);
            let mut reached = 0;
            let mut may_repeat = true;
            for session in sessions {
                summary.sessions += 1;
                summary.unclean += usize::from(session.end == End::Unclean);
                if let Some((first, behind)) = session.offsets {
                    summary.records += behind - first;
                    if first > reached {
                        faults.push(format!(
                            "{partition}: {reached}..{first} was skipped by {session:?}"
                        ));
                    }
                    if first < reached {
                        summary.repeated += reached.min(behind) - first;
                        if !may_repeat {
                            faults.push(format!(
                                "{partition}: {first}..{reached} came twice to {session:?}"
                            ));
                        }
                    }
                    reached = reached.max(behind);
                }
                // An empty session says nothing about where the next one begins.
                if session.end == End::Unclean {
                    may_repeat = true;
                } else if session.offsets.is_some() {
                    may_repeat = false;
                }
            }
            if reached != *end {
                faults.push(format!("{partition}: read up to {reached} of {end}"));
            }
        }
        if faults.is_empty() {
            Ok(summary)
        } else {
            Err(faults)
        }
    }

    fn open(&mut self, member: usize, partition: i32) -> Option<&mut Session> {
        let sessions = self.sessions.get_mut(&partition)?;
        sessions
            .iter_mut()
            .rev()
            .find(|session| session.member == member && session.end == End::Open)
    }
}

/// The judge itself has to be able to find fault.
pub(crate) fn the_judge_finds_faults() {
    let ends = BTreeMap::from([(0, 10)]);
    let mut history = History::default();
    let hand_out = |history: &mut History, member, offsets: std::ops::Range<i64>, end| {
        history.assigned(member, [0]);
        for offset in offsets {
            history.handed_out(member, 0, offset);
        }
        history.ended(member, [0], end);
    };
    hand_out(&mut history, 1, 0..6, End::Unclean);
    hand_out(&mut history, 2, 4..8, End::Clean);
    hand_out(&mut history, 3, 8..10, End::Clean);
    let summary = history.judge(&ends).unwrap();
    assert_eq!(
        (summary.records, summary.repeated, summary.unclean),
        (12, 2, 1)
    );
    assert!(
        history.judge(&BTreeMap::from([(0, 11)])).is_err(),
        "not read to the end"
    );
    hand_out(&mut history, 4, 9..10, End::Clean);
    assert!(history.judge(&ends).is_err(), "twice after a clean end");
    let mut history = History::default();
    hand_out(&mut history, 1, 0..4, End::Unclean);
    hand_out(&mut history, 2, 5..10, End::Clean);
    assert!(history.judge(&ends).is_err(), "skipped");
    let mut history = History::default();
    hand_out(&mut history, 1, 0..10, End::Clean);
    history.handed_out(1, 0, 10);
    assert!(
        history.judge(&ends).is_err(),
        "handed out after it had gone"
    );
}
