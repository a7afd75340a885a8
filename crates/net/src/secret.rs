//! Text that must not get out.

use zeroize::Zeroizing;

/// A password, token or key: without `Debug` and `Display`, and overwritten with zeros when dropped.
///
/// What types that hold one print of themselves leaves it out.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; of a `String` nothing is copied.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text. Whoever asks for it keeps it out of logs and errors.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Text of a peer, fit for an error: on one line, of bounded length, without the secrets that it may have sent back.
pub(crate) fn peer_text(text: &str, secrets: &[&Secret]) -> String {
    const CHARS_MAX: usize = 300;
    let mut text = text.to_owned();
    for secret in secrets {
        if !secret.expose().is_empty() {
            text = text.replace(secret.expose(), "[hidden]");
        }
    }
    let mut shown: String = text
        .chars()
        .take(CHARS_MAX)
        .flat_map(|c| {
            // Quotes stay readable; control characters do not reach a terminal.
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sends_back_is_shown_without_the_secret() {
        let secret = Secret::from("hunter2");
        let text = peer_text("bad password \"hunter2\"\u{1b}[31m\n", &[&secret]);
        assert_eq!(text, "bad password \"[hidden]\"\\u{1b}[31m\\n");
        assert!(peer_text(&"x".repeat(100_000), &[]).len() < 400);
        assert_eq!(peer_text("as it is", &[&Secret::from("")]), "as it is");
    }
}
