//! Bars for work that takes long: on standard error, and only if that is a terminal.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(200);
/// How often a bar is drawn in a second, at most.
const DRAWN_PER_SECOND: u8 = 20;

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
    bar.set_draw_target(target());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Standard error, if somebody looks at it.
fn target() -> ProgressDrawTarget {
    let terminal = Term::buffered_stderr();
    let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
    if dumb || !terminal.is_term() {
        return ProgressDrawTarget::hidden();
    }
    ProgressDrawTarget::term_like_with_hz(Box::new(Line(terminal)), DRAWN_PER_SECOND)
}

/// A terminal whose cursor waits where the bar begins.
///
/// Bars are as wide as the terminal: behind them, the `^C` that the terminal itself shows would begin a line of its own,
/// which nobody clears.
#[derive(Debug)]
struct Line(Term);

impl TermLike for Line {
    fn width(&self) -> u16 {
        TermLike::width(&self.0)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.write_str("\r")?;
        self.0.flush()
    }
}
