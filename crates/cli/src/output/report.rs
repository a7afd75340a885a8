//! What became of each of several things.

use std::fmt::Display;
use std::hash::Hash;

use klamm::{NodeId, Results};
use serde_json::Value;

use super::{Output, Row, object};
use crate::failure::{Failure, explain, note};

/// Tells of successes as they are known, and fails at the end if one failed.
pub(crate) struct Report<'a> {
    out: &'a Output,
    rows: Vec<Value>,
    failures: Vec<String>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(out: &'a Output) -> Self {
        Self {
            out,
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Something is done: `line` for people, `row` for programs.
    pub(crate) fn done(&mut self, mut row: Row, line: &str) -> Result<(), Failure> {
        row.push(("error", Value::Null));
        self.rows.push(object(row));
        self.out.line(line)
    }

    /// Something failed.
    pub(crate) fn failed(&mut self, mut row: Row, error: &klamm::admin::Error) {
        let text = explain(error);
        row.push(("error", text.as_str().into()));
        self.rows.push(object(row));
        self.failures.push(text);
    }

    /// What became of something: `line` if it is done.
    pub(crate) fn result(
        &mut self,
        row: Row,
        result: Result<(), klamm::admin::Error>,
        line: &str,
    ) -> Result<(), Failure> {
        match result {
            Ok(()) => self.done(row, line),
            Err(error) => {
                self.failed(row, &error);
                Ok(())
            }
        }
    }

    /// What became of each; `noun` is the field of its name, `done` says what was done.
    pub(crate) fn results<K: Display + Eq + Hash, T>(
        &mut self,
        noun: &'static str,
        results: Results<K, T>,
        mut done: impl FnMut(&K, T) -> String,
    ) -> Result<(), Failure> {
        for (key, result) in results {
            let row = vec![(noun, key.to_string().into())];
            match result {
                Ok(value) => {
                    let line = done(&key, value);
                    self.done(row, &line)?;
                }
                Err(error) => self.failed(row, &error),
            }
        }
        Ok(())
    }

    /// # Errors
    /// If one failed; the others' failures are said before.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.out.is_json() {
            self.out.document(&Value::Array(self.rows))?;
        }
        failures(self.failures)
    }
}

/// What brokers that did not answer have kept from a list.
pub(crate) fn missing(failed: &[(NodeId, klamm::admin::Error)]) -> impl Iterator<Item = String> {
    let failed = failed.iter();
    failed.map(|(_, error)| format!("the list is partial: {}", explain(error)))
}

/// # Errors
/// The last of them, after the others were said.
pub(crate) fn failures(mut failures: Vec<String>) -> Result<(), Failure> {
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    failures.iter().for_each(note);
    Err(Failure::Failed(last))
}
