//! The known name that a misspelled one most likely meant.

use super::{alias, table};

/// Longer names are noise, and the comparison is quadratic.
const NAME_BYTES_MAX: usize = 100;

/// The nearest property, in Java's spelling, if any is near enough to be worth naming.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let wanted = normalized(name);
    let limit = (wanted.len() / 4).clamp(1, 4);
    let own = table::all().map(|row| (row.name, row.name));
    own.chain(alias::all().map(|(alias, property)| (alias, property.unwrap_or(alias))))
        .map(|(candidate, property)| (distance(&wanted, &normalized(candidate)), property))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, property)| property)
}

/// Names differ most often by case and by separator (`LINGER_MS`, as in environment variables).
fn normalized(name: &str) -> Vec<char> {
    let dotted = |c: char| {
        if matches!(c, '_' | '-' | ' ') {
            '.'
        } else {
            c.to_ascii_lowercase()
        }
    };
    name.chars().map(dotted).collect()
}

/// Edits between two names: insertions, deletions, replacements, and neighbours swapped.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, r) in right.iter().enumerate() {
            let mut best = (last[j] + usize::from(l != r))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(left: &str, right: &str) -> usize {
        distance(&normalized(left), &normalized(right))
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        assert_eq!(edits("acks", "acks"), 0);
        assert_eq!(edits("", "acks"), 4);
        assert_eq!(edits("ack", "acks"), 1);
        assert_eq!(edits("akcs", "acks"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("LINGER_MS", "linger.ms"), 0);
    }

    #[test]
    fn nearest_names_the_property_that_was_meant() {
        assert_eq!(nearest("lingre.ms"), Some("linger.ms"));
        assert_eq!(nearest("LINGER_MS"), Some("linger.ms"));
        assert_eq!(nearest("bootstrap.server"), Some("bootstrap.servers"));
        assert_eq!(nearest("Acks"), Some("acks"));
    }

    #[test]
    fn nearest_of_a_misspelled_alias_is_the_java_name() {
        assert_eq!(nearest("metadata.brokers.list"), Some("bootstrap.servers"));
    }

    #[test]
    fn nothing_is_suggested_for_noise() {
        assert_eq!(nearest("zzzzzzzz"), None);
        assert_eq!(nearest(""), None);
        assert_eq!(nearest(&"linger.ms".repeat(1000)), None);
    }
}
