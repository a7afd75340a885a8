//! Everything that is logged in this process, at all levels.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The log from some point on.
pub(crate) struct Log {
    from: usize,
}

impl Log {
    /// From now on; the first call begins to listen.
    pub(crate) fn of_this_process() -> Self {
        static LISTENING: OnceLock<()> = OnceLock::new();
        LISTENING.get_or_init(|| {
            tracing::subscriber::set_global_default(Everything).expect("nobody else listens");
        });
        Self {
            from: lines(Vec::len),
        }
    }

    /// How many lines hold this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        lines(|lines| {
            lines[self.from..]
                .iter()
                .filter(|line| line.contains(text))
                .count()
        })
    }

    /// Fails if a line holds one of these, as it is, in hex, as a list of bytes or in base64.
    pub(crate) fn assert_without(&self, secrets: &[&str]) {
        lines(|lines| {
            for secret in secrets {
                for form in forms(secret) {
                    let line = lines[self.from..].iter().find(|line| line.contains(&form));
                    assert!(line.is_none(), "{secret} is in the log: {line:?}");
                }
            }
        });
    }
}

/// How a secret may look in a line.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    });
    // Bytes as Rust prints a slice of them.
    let listed = format!("{:?}", secret.as_bytes());
    let listed = listed.trim_matches(['[', ']']).to_owned();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, listed];
    // Within a longer text it begins at one of three places of a group.
    for skipped in 0..3 {
        let whole = secret.len().saturating_sub(skipped) / 3 * 3;
        forms.push(base64(&secret.as_bytes()[skipped..skipped + whole]));
    }
    forms
}

fn lines<T>(read: impl FnOnce(&Vec<String>) -> T) -> T {
    read(&LINES.lock().unwrap_or_else(PoisonError::into_inner))
}

fn add(line: String) {
    LINES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(line);
}

struct Everything;

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        add(line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        add(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        add(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a String takes everything");
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0, |group, byte| (group << 8) | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for sign in 0..4 {
            let index = (group >> (18 - 6 * sign)) & 63;
            text.push(if sign <= chunk.len() {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    text
}
