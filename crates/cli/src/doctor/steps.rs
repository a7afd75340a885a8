//! The steps that were gone, as they are told.

use crate::failure::Failure;
use crate::output::{Colour, Output, object, row};
use serde_json::Value;

/// Tells of steps and remembers them.
pub(super) struct Steps<'a> {
    out: &'a Output,
    rows: Vec<Value>,
    failures: usize,
    warnings: usize,
}

#[derive(Clone, Copy)]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Good,
            Self::Warning | Self::Skipped => Colour::Doubtful,
            Self::Failed => Colour::Bad,
        }
    }
}

impl<'a> Steps<'a> {
    pub(super) fn new(out: &'a Output) -> Self {
        Self {
            out,
            rows: Vec::new(),
            failures: 0,
            warnings: 0,
        }
    }

    pub(super) fn ok(&mut self, step: &str, target: &str, detail: &str) -> Result<(), Failure> {
        self.tell(Status::Ok, step, target, detail)
    }

    /// It works, but may not for everybody or not for long.
    pub(super) fn warning(
        &mut self,
        step: &str,
        target: &str,
        detail: &str,
    ) -> Result<(), Failure> {
        self.warnings += 1;
        self.tell(Status::Warning, step, target, detail)
    }

    /// It does not work; `detail` says why, and what can be done.
    pub(super) fn failed(&mut self, step: &str, target: &str, detail: &str) -> Result<(), Failure> {
        self.failures += 1;
        self.tell(Status::Failed, step, target, detail)
    }

    pub(super) fn skipped(
        &mut self,
        step: &str,
        target: &str,
        detail: &str,
    ) -> Result<(), Failure> {
        self.tell(Status::Skipped, step, target, detail)
    }

    fn tell(
        &mut self,
        status: Status,
        step: &str,
        target: &str,
        detail: &str,
    ) -> Result<(), Failure> {
        let detail = detail.replace('\n', " ");
        let row = row!(status: status.name(), step: step, target: target, detail: detail.as_str());
        if self.out.is_table() {
            // The colour must not count for the width.
            let name = format!("{:<7}", status.name());
            let name = self.out.paint(status.colour(), &name);
            return self
                .out
                .line(&format!("{name}  {step:<13}  {target:<22}  {detail}"));
        }
        if self.out.is_json() {
            self.rows.push(object(row));
            return Ok(());
        }
        self.out.stream(row)
    }

    /// # Errors
    /// If a step failed.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let healthy = self.failures == 0;
        if self.out.is_json() {
            let mut document = row!(
                healthy: healthy,
                failures: self.failures,
                warnings: self.warnings,
            );
            document.push(("steps", Value::Array(self.rows)));
            self.out.document(&object(document))?;
        }
        match self.failures {
            0 => Ok(()),
            1 => Err(Failure::Failed("1 step failed".to_owned())),
            count => Err(Failure::Failed(format!("{count} steps failed"))),
        }
    }
}
