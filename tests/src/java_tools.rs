//! Many of Kafka's command line tools in one JVM, which starts once for all of them.

use std::fs;

use crate::error::{Error, Result};
use crate::jars::Jars;
use crate::run_dir::RunDir;
use crate::tool::Tool;

const SOURCE: &str = include_str!("../java/Tools.java");

/// Tools to run one after the other.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `run`"]
pub struct JavaTools {
    jars: Jars,
    /// The option and its value.
    bootstrap: [String; 2],
    lines: Vec<String>,
}

/// What a tool printed, on either stream, and how it ended.
#[derive(Clone, Debug)]
pub struct Printed {
    /// What it printed.
    pub text: String,
    /// Its exit status.
    pub status: i32,
}

impl JavaTools {
    pub(crate) fn new(jars: &Jars, bootstrap: [&str; 2]) -> Self {
        Self {
            jars: jars.clone(),
            bootstrap: bootstrap.map(str::to_owned),
            lines: Vec::new(),
        }
    }

    /// Adds a tool by its class, with arguments separated by blanks; the address of the cluster comes by
    /// itself.
    pub fn tool(mut self, class: &str, arguments: &str) -> Self {
        let [option, address] = &self.bootstrap;
        let mut words = vec![class, option, address];
        words.extend(arguments.split_whitespace());
        self.lines.push(words.join("\t"));
        self
    }

    /// Runs them; what each printed, in order.
    ///
    /// # Errors
    /// Java did not run, or not to the end; with what it said.
    pub fn run(self) -> Result<Vec<Printed>> {
        let run_dir = RunDir::create("tools")?;
        let source = run_dir.path().join("Tools.java");
        fs::write(&source, SOURCE).map_err(|error| Error::io("write", &source, &error))?;
        let tool = Tool::new(&self.jars, &source).stdin(self.lines.join("\n"));
        let text = tool.run()?.text();
        let mut printed = Vec::new();
        let mut rest = text.as_str();
        while let Some((text, after)) = rest.split_once('\x0c') {
            let (status, after) = after.split_once('\n').unwrap_or((after, ""));
            let status = status.trim().parse().map_err(|error| {
                Error::new(format!(
                    "the status of a tool is no number: {status:?}: {error}"
                ))
            })?;
            let text = text.to_owned();
            printed.push(Printed { text, status });
            rest = after;
        }
        if printed.len() != self.lines.len() {
            let (count, all) = (printed.len(), self.lines.len());
            return Err(Error::new(format!(
                "{count} of {all} tools ended; the output:\n{text}"
            )));
        }
        Ok(printed)
    }
}
