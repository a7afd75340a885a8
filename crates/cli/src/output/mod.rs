//! What is printed: the same rows as a table for people, as lines of fields for pipes, or as JSON.
//!
//! Owns: standard output of all commands but `produce`, `consume` and `perf`, whose output has its
//! own format. Does not: know what the rows mean.
//!
//! Invariant: a row's fields have the same names everywhere; JSON has them all, whatever is shown to
//! people.

mod json;
mod report;
mod table;

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Map, Value};

pub(crate) use self::json::bytes_field;
pub(crate) use self::report::{Report, failures, missing};
pub(crate) use self::table::Colour;
use crate::failure::{Failure, note};

/// Fields with their names, in the order of columns.
pub(crate) type Row = Vec<(&'static str, Value)>;

/// A [`Row`]: `row!(topic: "orders", partitions: 3)`.
macro_rules! row {
    ($($name:tt: $value:expr),* $(,)?) => {
        vec![$((stringify!($name), serde_json::Value::from($value))),*]
    };
}

pub(crate) use row;

/// How results are printed.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    style: Style,
    /// Whether colours may be used.
    colour: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// For people: aligned, with headings.
    Table,
    /// For pipes: fields separated by tabs.
    Fields,
    Json,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let style = match (json, terminal) {
            (true, _) => Style::Json,
            (false, true) => Style::Table,
            (false, false) => Style::Fields,
        };
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            style,
            colour: style == Style::Table && !no_colour,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.style == Style::Json
    }

    /// Whether a person looks on.
    pub(crate) fn is_table(&self) -> bool {
        self.style == Style::Table
    }

    /// Prints rows; where there are none, says `nothing` to people.
    pub(crate) fn rows(&self, rows: Vec<Row>, nothing: &str) -> Result<(), Failure> {
        match self.style {
            Style::Json => self.document(&objects(rows)),
            Style::Fields => print(&table::fields(&rows)),
            Style::Table if rows.is_empty() => {
                note(nothing);
                Ok(())
            }
            Style::Table => print(&table::aligned(&rows, self.colour)),
        }
    }

    /// Prints a JSON document; nothing for people.
    pub(crate) fn document(&self, document: &Value) -> Result<(), Failure> {
        if !self.is_json() {
            return Ok(());
        }
        print(&format!("{document:#}\n"))
    }

    /// Prints rows as they come: a line of JSON each, or fields.
    pub(crate) fn stream(&self, row: Row) -> Result<(), Failure> {
        match self.style {
            Style::Json => print(&format!("{}\n", object(row))),
            Style::Table | Style::Fields => print(&table::fields(&[row])),
        }
    }

    /// A line for people; not in JSON.
    pub(crate) fn line(&self, line: &str) -> Result<(), Failure> {
        if self.is_json() {
            return Ok(());
        }
        print(&format!("{line}\n"))
    }

    /// A line over a table; through a pipe there is none.
    pub(crate) fn heading(&self, heading: &str) -> Result<(), Failure> {
        if !self.is_table() {
            return Ok(());
        }
        print(&format!("{}\n", self.paint(Colour::Bold, heading)))
    }

    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        colour.paint(text, self.colour)
    }

    /// Empties the screen, if there is one.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        if self.is_table() {
            print("\x1b[2J\x1b[H")
        } else {
            Ok(())
        }
    }
}

/// `1 broker`, `2 brokers`: a number of things, in words for people.
pub(crate) fn counted(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// As [`counted`], of properties.
pub(crate) fn properties(number: usize) -> String {
    match number {
        1 => "1 property".to_owned(),
        number => format!("{number} properties"),
    }
}

/// A row as JSON.
pub(crate) fn object(row: Row) -> Value {
    let fields = row
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Rows as JSON.
pub(crate) fn objects(rows: Vec<Row>) -> Value {
    Value::Array(rows.into_iter().map(object).collect())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::output(&error))
}
