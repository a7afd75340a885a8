//! Rows as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::Row;

/// Blanks between columns.
const GAP: &str = "  ";

/// What colours say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colour {
    Bold,
    Good,
    Bad,
    Doubtful,
}

impl Colour {
    pub(crate) fn paint(self, text: &str, colour: bool) -> String {
        if !colour {
            return text.to_owned();
        }
        let code = match self {
            Self::Bold => 1,
            Self::Good => 32,
            Self::Bad => 31,
            Self::Doubtful => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Rows with headings, their columns aligned; numbers to the right.
pub(super) fn aligned(rows: &[Row], colour: bool) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let headings: Vec<_> = first
        .iter()
        .map(|(name, _)| name.replace('_', " ").to_uppercase())
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|(_, value)| cell(value)).collect())
        .collect();
    let column = |index: usize| cells.iter().filter_map(move |row| row.get(index));
    let widths: Vec<usize> = (0..headings.len())
        .map(|index| {
            let widest = column(index).map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(headings[index].chars().count())
        })
        .collect();
    let to_the_right: Vec<bool> = (0..headings.len())
        .map(|index| {
            let values = || rows.iter().filter_map(|row| row.get(index));
            values().any(|(_, value)| value.is_number())
                && values().all(|(_, value)| value.is_number() || value.is_null())
        })
        .collect();
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let width = widths.get(index).copied().unwrap_or(0);
            if index > 0 {
                line.push_str(GAP);
            }
            let _ = if to_the_right.get(index) == Some(&true) {
                write!(line, "{cell:>width$}")
            } else {
                write!(line, "{cell:<width$}")
            };
        }
        line.trim_end().to_owned()
    };
    let mut text = Colour::Bold.paint(&line(&headings), colour);
    text.push('\n');
    for row in &cells {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// Rows with their fields separated by tabs.
pub(super) fn fields(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().map(|(_, value)| cell(value)).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    text
}

/// A value for people; in one line, whatever is in it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().any(char::is_control) => {
            text.escape_debug().to_string()
        }
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(cell).collect();
            values.join(",")
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", cell(value)));
            fields.collect::<Vec<_>>().join(",")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::output::row;

    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            row!(topic: "orders", lag: 12_345, nodes: vec![1, 2], member_id: None::<&str>),
            row!(topic: "a", lag: None::<i64>, nodes: vec![3], member_id: "m\t1"),
        ]
    }

    #[test]
    fn people_see_columns_under_headings_with_numbers_to_the_right() {
        let text = aligned(&rows(), false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "TOPIC     LAG  NODES  MEMBER ID",
                "orders  12345  1,2    -",
                "a           -  3      m\\t1",
            ]
        );
    }

    #[test]
    fn pipes_see_one_line_a_row_whatever_is_in_it() {
        assert_eq!(fields(&rows()), "orders\t12345\t1,2\t-\na\t-\t3\tm\\t1\n");
    }
}
