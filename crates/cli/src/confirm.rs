//! Asking before what can't be undone.

use std::io::{IsTerminal as _, Write as _};

use crate::args::Consent;
use crate::failure::Failure;

/// Asks whether to do `what`, unless consent was given with the command.
///
/// # Errors
/// [`Failure::Usage`] where there is no terminal to ask on, [`Failure::Failed`] if the answer is no.
///
/// # Cancel safety
/// Dropping the future, as Ctrl-C does, leaves nothing done.
pub(crate) async fn confirm(consent: Consent, what: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::Usage(format!(
            "would {what}: say --yes, as there is no terminal to ask on"
        )));
    }
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "klamm: {what}? [y/N] ").and_then(|()| stderr.flush());
    asked.map_err(|error| Failure::Failed(format!("cannot ask: {error}")))?;
    // On a thread of its own: whoever waits for an answer must be able to see Ctrl-C.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = match read.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Failure::Failed(format!("cannot read the answer: {error}"))),
        Err(error) => return Err(Failure::Failed(format!("cannot read the answer: {error}"))),
    };
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Failed("nothing was done".to_owned())),
    }
}

/// `a, b and 7 more`: names for a question.
pub(crate) fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN_MAX: usize = 5;
    let shown: Vec<_> = names.iter().take(SHOWN_MAX).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
