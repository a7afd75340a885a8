//! What is wrong with a configuration, all of it at once.

use std::fmt;

use super::nearest::nearest;
use super::secret::{is_secret, shown};

/// A configuration that cannot be used, with every problem found in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// All problems found, never none.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        ConfigError {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(f, "invalid configuration: {only}"),
            problems => {
                write!(f, "invalid configuration, {} problems:", problems.len())?;
                problems
                    .iter()
                    .try_for_each(|problem| write!(f, "\n- {problem}"))
            }
        }
    }
}

/// One thing wrong with one property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    property: String,
    value: Option<String>,
    fault: Fault,
}

/// What is wrong with a property.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Neither Kafka nor klamm has a property of this name.
    Unknown {
        /// The property that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// It is required and was not set.
    Missing {
        /// What it has to be.
        allowed: String,
    },
    /// The value is not one the property can have.
    NotAllowed {
        /// What is allowed.
        allowed: String,
    },
    /// Kafka has it, klamm does not implement it yet.
    NotImplemented {
        /// What klamm accepts today, or does instead.
        accepted: String,
    },
    /// The value does not go together with another setting.
    Conflict {
        /// The rule that is broken, and what to change.
        rule: String,
    },
    /// The text of a properties file cannot be read.
    Malformed {
        /// What is wrong with the text.
        detail: String,
    },
}

impl Problem {
    pub(super) fn unknown(property: &str) -> Self {
        // Without the value: the name may be a misspelled secret's.
        Problem {
            property: shown(property),
            value: None,
            fault: Fault::Unknown {
                nearest: nearest(property),
            },
        }
    }

    /// A value that the property cannot have.
    pub fn not_allowed(property: &str, value: &str, allowed: impl Into<String>) -> Self {
        Problem::of_value(
            property,
            value,
            Fault::NotAllowed {
                allowed: allowed.into(),
            },
        )
    }

    /// A value that klamm does not implement yet.
    pub fn not_implemented(property: &str, value: &str, accepted: impl Into<String>) -> Self {
        Problem::of_value(
            property,
            value,
            Fault::NotImplemented {
                accepted: accepted.into(),
            },
        )
    }

    /// A value that breaks a rule about several settings.
    pub fn conflict(property: &str, value: &str, rule: impl Into<String>) -> Self {
        Problem::of_value(property, value, Fault::Conflict { rule: rule.into() })
    }

    /// A property that is required and was not set.
    pub fn missing(property: &str, allowed: impl Into<String>) -> Self {
        Problem {
            property: shown(property),
            value: None,
            fault: Fault::Missing {
                allowed: allowed.into(),
            },
        }
    }

    pub(super) fn malformed(line: usize, detail: impl Into<String>) -> Self {
        Problem {
            property: format!("line {line}"),
            value: None,
            fault: Fault::Malformed {
                detail: detail.into(),
            },
        }
    }

    fn of_value(property: &str, value: &str, fault: Fault) -> Self {
        let value = (!is_secret(property)).then(|| shown(value));
        Problem {
            property: shown(property),
            value,
            fault,
        }
    }

    /// The property as the user wrote it (`line 7` for text that is no property).
    pub fn property(&self) -> &str {
        &self.property
    }

    /// The value as the user wrote it, shortened. `None` for a secret, an unknown or a missing property.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.property)?;
        if let Some(value) = &self.value {
            write!(f, " = \"{value}\"")?;
        }
        match &self.fault {
            Fault::Unknown { nearest: None } => f.write_str(": no such property"),
            Fault::Unknown {
                nearest: Some(nearest),
            } => {
                write!(f, ": no such property, did you mean {nearest}?")
            }
            Fault::Missing { allowed } => write!(f, ": missing, must be {allowed}"),
            Fault::NotAllowed { allowed } => write!(f, ": must be {allowed}"),
            Fault::NotImplemented { accepted } => {
                write!(
                    f,
                    ": known to Kafka, not implemented by klamm yet; {accepted}"
                )
            }
            Fault::Conflict { rule } => write!(f, ": {rule}"),
            Fault::Malformed { detail } => write!(f, ": {detail}"),
        }
    }
}

/// Problems and warnings while a configuration is checked.
///
/// A role's `build()` passes one through all of [`checks`](super::checks), adds its own findings, and ends with
/// [`finish`](Findings::finish): so everything is reported together.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Findings {
    /// Nothing found yet.
    pub fn new() -> Self {
        Findings::default()
    }

    /// Adds a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a warning, which must not hold a secret.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The warnings, if there was no problem.
    ///
    /// # Errors
    /// All problems that were added.
    pub fn finish(self) -> Result<Vec<String>, ConfigError> {
        if self.problems.is_empty() {
            Ok(self.warnings)
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }
}
