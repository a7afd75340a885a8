//! What the harness says when it fails.

use std::fmt;
use std::io;
use std::path::Path;

/// What a harness call returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the harness, as text for the person who reads the test's output.
///
/// There are no kinds: a test can do nothing about a broker that does not start but fail. `Debug` prints the same text
/// as `Display`, because tests fail through `unwrap` and `Result`, which print `Debug`, and a log tail full of `\n` is
/// unreadable.
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn io(attempt: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("could not {attempt} {}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
