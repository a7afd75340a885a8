//! Bars for work that takes long: on standard error, and only if that is a terminal.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(200);

/// A bar for `wanted` things, such as `records`; without a number of them, how many there were so far.
pub(crate) fn bar(wanted: Option<u64>, things: &'static str) -> ProgressBar {
    let (bar, template) = match wanted {
        Some(wanted) => {
            let template = "{bar:30} {pos}/{len} {msg}, {per_sec}, {eta} to go";
            (ProgressBar::new(wanted), template)
        }
        None => {
            let template = "{spinner} {pos} {msg}, {per_sec}, {elapsed}";
            (ProgressBar::no_length(), template)
        }
    };
    styled(bar, template).with_message(things)
}

/// For one thing that takes its time; moves until it is dropped.
pub(crate) fn spinner(what: impl Into<Cow<'static, str>>) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}");
    bar.enable_steady_tick(TICK);
    bar.with_message(what)
        .with_finish(indicatif::ProgressFinish::AndClear)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
