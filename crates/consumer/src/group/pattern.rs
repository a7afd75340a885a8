//! A subscription by pattern that the client evaluates: which topics match, and when to look again.

use std::sync::Arc;

use regex_lite::Regex;
use tokio::time::Instant;

use crate::error::Error;

/// See the module.
pub(super) struct Pattern {
    regex: Option<Regex>,
    /// What matched last; none before the first list.
    matching: Option<Vec<Arc<str>>>,
    /// When to list the topics; none while that is under way.
    next_at: Option<Instant>,
}

impl Pattern {
    /// Of a pattern that [`check`] found to be good.
    pub(super) fn new(pattern: &str) -> Self {
        Self {
            regex: compile(pattern).ok(),
            matching: None,
            next_at: Some(Instant::now()),
        }
    }

    pub(super) const fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Whether the topics have to be listed now; that then counts as under way.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.next_at.take_if(|at| *at <= now).is_some()
    }

    /// The topics could not be listed.
    pub(super) fn look_again_at(&mut self, at: Instant) {
        self.next_at = Some(at);
    }

    /// Takes the topics that there are. Gives those that match, if they are others than before.
    pub(super) fn handle_listed(
        &mut self,
        topics: Vec<Arc<str>>,
        next_at: Instant,
    ) -> Option<Vec<Arc<str>>> {
        self.look_again_at(next_at);
        let regex = self.regex.as_ref()?;
        let mut matching: Vec<_> = topics
            .into_iter()
            .filter(|name| regex.is_match(name))
            .collect();
        matching.sort_unstable();
        if self.matching.as_ref() == Some(&matching) {
            return None;
        }
        self.matching = Some(matching.clone());
        Some(matching)
    }
}

/// Whether `pattern` is one.
pub(crate) fn check(pattern: &str) -> Result<(), Error> {
    compile(pattern)
        .map(|_| ())
        .map_err(|error| Error::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })
}

/// As in Java, the whole name has to match.
fn compile(pattern: &str) -> Result<Regex, regex_lite::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn whole_names_match_and_only_news_are_told() {
        let now = Instant::now();
        let mut pattern = Pattern::new("orders-.*|bills");
        assert!(pattern.take_due(Instant::now()));
        assert!(!pattern.take_due(now + Duration::from_secs(9)));
        let all = names(&["orders-eu", "my-orders-eu", "bills", "bills2"]);
        let found = pattern.handle_listed(all.clone(), now + Duration::from_secs(5));
        assert_eq!(found, Some(names(&["bills", "orders-eu"])));
        assert!(!pattern.take_due(now));
        assert!(pattern.take_due(now + Duration::from_secs(5)));
        assert_eq!(pattern.handle_listed(all, now), None);
        let found = pattern.handle_listed(names(&["bills"]), now);
        assert_eq!(found, Some(names(&["bills"])));
    }

    #[test]
    fn a_pattern_that_is_none_says_why() {
        assert!(
            check("orders-(.*")
                .unwrap_err()
                .to_string()
                .contains("orders-(.*")
        );
        assert!(check("[a-z]+").is_ok());
    }
}
