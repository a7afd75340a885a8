//! Kafka's version numbers, and what differs between them for one who starts brokers.

use std::env;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The version that tests run against when neither they nor `KLAMM_TEST_KAFKA_VERSION` name one.
pub const DEFAULT_VERSION: &str = "4.3.1";

/// A version of Apache Kafka, as `4.3.1`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// The version from `KLAMM_TEST_KAFKA_VERSION`, or [`DEFAULT_VERSION`].
    ///
    /// # Errors
    /// The variable holds something that is no version.
    pub fn from_env() -> Result<Self> {
        match env::var("KLAMM_TEST_KAFKA_VERSION") {
            Ok(text) if !text.is_empty() => text.parse(),
            _ => DEFAULT_VERSION.parse(),
        }
    }

    /// Whether brokers of this version run without `ZooKeeper` (KIP-500, ready for production in 3.3).
    pub fn has_kraft(self) -> bool {
        (self.major, self.minor) >= (3, 3)
    }

    /// The Scala that its brokers are built with, as in the name of their jar.
    pub(crate) fn scala(self) -> &'static str {
        if (self.major, self.minor) >= (2, 4) {
            "2.13"
        } else {
            "2.12"
        }
    }

    /// Whether its brokers need log4j itself, whatever slf4j is bound to.
    pub(crate) fn needs_log4j(self) -> bool {
        self.major < 2
    }

    /// The `ZooKeeper` that its brokers need instead of their own: the clients of 3.4 can't resolve addresses on a Java of
    /// today.
    pub(crate) fn zookeeper(self) -> Option<&'static str> {
        ((2, 1)..(2, 4))
            .contains(&(self.major, self.minor))
            .then_some("3.5.9")
    }

    /// Whether Maven Central has the tools of this version. 4.4.0 was published without `kafka-tools`.
    pub fn has_tools(self) -> bool {
        (self.major, self.minor, self.patch) != (4, 4, 0)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<u16>> = text.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self {
                major,
                minor,
                patch,
            }),
            _ => Err(Error::new(format!(
                "{text:?} is not a version of Kafka: three numbers as in {DEFAULT_VERSION}"
            ))),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_is_three_numbers_and_prints_as_it_was_written() {
        assert_eq!(version("4.3.1").to_string(), "4.3.1");
        for text in ["", "4", "4.3", "4.3.1.0", "4.x.1", "../4.3.1"] {
            assert!(
                text.parse::<Version>().is_err(),
                "{text:?} was taken for a version"
            );
        }
    }

    #[test]
    fn zookeeper_is_for_versions_before_3_3() {
        assert!(!version("2.8.2").has_kraft());
        assert!(!version("3.2.3").has_kraft());
        assert!(version("3.3.0").has_kraft());
        assert!(version("4.0.0").has_kraft());
    }
}
