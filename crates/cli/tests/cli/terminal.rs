//! The command as a person sees it: on a terminal, which is tmux's.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Broker, until};

/// Without tmux there is no terminal: says so, and gives `None`.
fn terminal(broker: &Broker, command: &str) -> Option<Terminal> {
    let found = Command::new("tmux")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        eprintln!("!!! SKIPPED: no tmux here, so nothing was seen of {command} on a terminal");
        return None;
    }
    Some(Terminal::open(broker, command))
}

/// A terminal in which one command runs.
struct Terminal {
    /// The name of tmux's socket: each has a server of its own.
    socket: String,
}

impl Terminal {
    /// Runs what a shell understands; `klamm` in it is the program.
    fn open(broker: &Broker, command: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: format!("klamm-{}-{number}", std::process::id()),
        };
        let klamm = env!("CARGO_BIN_EXE_klamm");
        let bootstrap = broker.broker.bootstrap();
        // The shell outlives Ctrl-C, and what is on the screen outlives the command.
        let script = format!(
            "trap : INT; klamm() {{ {klamm} \"$@\"; }}; unset KLAMM_CONFIG NO_COLOR; \
             export KLAMM_BOOTSTRAP={bootstrap}; {command}; echo \"[exit code $?]\"; read _"
        );
        let size = ["-x", "120", "-y", "40"];
        let session = [&["-f", "/dev/null", "new-session", "-d"][..], &size].concat();
        terminal.tmux(&[&session[..], &["sh", "-c", &script]].concat());
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen, without colours.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"])
    }

    /// The same with the sequences that make colours.
    fn coloured_screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-J"])
    }

    /// Waits until the screen shows it.
    fn shows(&self, text: &str) -> String {
        until(&format!("{text:?} on the terminal"), || {
            let screen = self.screen();
            screen.contains(text).then_some(screen)
        })
    }

    /// Presses keys, by tmux's names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let kill = ["-L", &self.socket, "kill-server"];
        let _ = Command::new("tmux").args(kill).status();
    }
}

#[test]
fn a_dangerous_verb_asks_and_does_as_it_is_told() {
    let broker = Broker::start();
    for no in ["n", "", "nonsense"] {
        let Some(terminal) = terminal(&broker, "klamm topics delete orders") else {
            return;
        };
        terminal.shows("klamm: delete orders with all records? [y/N]");
        terminal.press(&[no, "Enter"]);
        let screen = terminal.shows("[exit code 1]");
        assert!(screen.contains("nothing was done"), "{screen}");
        assert_eq!(broker.topics(), ["orders"]);
    }
    let terminal = Terminal::open(&broker, "klamm topics delete orders");
    terminal.shows("[y/N]");
    terminal.press(&["yes", "Enter"]);
    let screen = terminal.shows("[exit code 0]");
    assert!(screen.contains("deleted orders"), "{screen}");
    assert_eq!(broker.topics(), [""; 0]);
}

#[test]
fn ctrl_c_at_a_question_does_nothing() {
    let broker = Broker::start();
    let Some(terminal) = terminal(&broker, "klamm topics delete orders") else {
        return;
    };
    terminal.shows("[y/N]");
    terminal.press(&["C-c"]);
    terminal.shows("[exit code 130]");
    assert_eq!(broker.topics(), ["orders"]);
}

#[test]
fn colours_and_headings_are_for_terminals_alone() {
    let broker = Broker::start();
    let Some(on_terminal) = terminal(&broker, "klamm topics") else {
        return;
    };
    let screen = on_terminal.shows("[exit code 0]");
    assert!(
        screen.contains("TOPIC   PARTITIONS  INTERNAL  ID"),
        "{screen}"
    );
    assert!(
        on_terminal.coloured_screen().contains("\u{1b}[1m"),
        "{screen}"
    );
    let through_pipe = Terminal::open(&broker, "klamm topics | cat");
    let screen = through_pipe.shows("[exit code 0]");
    assert!(
        screen.contains("orders\t") || screen.contains("orders  "),
        "{screen}"
    );
    assert!(!screen.contains("PARTITIONS"), "{screen}");
    assert!(
        !through_pipe.coloured_screen().contains('\u{1b}'),
        "{screen}"
    );
    let without = Terminal::open(&broker, "export NO_COLOR=1; klamm topics");
    let screen = without.shows("[exit code 0]");
    assert!(screen.contains("PARTITIONS"), "{screen}");
    assert!(!without.coloured_screen().contains('\u{1b}'), "{screen}");
}

#[test]
fn ctrl_c_ends_reading_and_says_what_it_was_worth() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-p", "0"], "one\ntwo\nthree\n");
    let Some(limited) = terminal(&broker, "klamm consume orders -c 100") else {
        return;
    };
    limited.shows("three");
    limited.press(&["C-c"]);
    let screen = limited.shows("[exit code 130]");
    let told = "klamm: interrupted after 3 records, and not at the end";
    assert!(screen.contains(told), "{screen}");
    // Without an end of its own, that is how it ends.
    let endless = Terminal::open(&broker, "klamm consume orders");
    endless.shows("three");
    endless.press(&["C-c"]);
    let screen = endless.shows("[exit code 0]");
    assert!(screen.contains("klamm: 3 records"), "{screen}");
}

#[test]
fn what_was_typed_is_sent_also_after_ctrl_c() {
    let broker = Broker::start();
    let Some(terminal) = terminal(&broker, "klamm produce orders -p 0") else {
        return;
    };
    terminal.press(&["one", "Enter", "two", "Enter"]);
    until("both lines are sent", || {
        let read = broker.stdout(&["consume", "orders", "-e"], "");
        (read == "one\ntwo\n").then_some(())
    });
    terminal.press(&["C-c"]);
    let screen = terminal.shows("[exit code 130]");
    assert!(
        screen.contains("klamm: interrupted after 2 records"),
        "{screen}"
    );
}

#[test]
fn a_bar_shows_how_far_it_is_to_whoever_does_not_see_the_records() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-p", "0"], "one\ntwo\nthree\n");
    let Some(terminal) = terminal(&broker, "klamm consume orders -c 100 >/dev/null") else {
        return;
    };
    terminal.shows("3/100 records");
    terminal.press(&["C-c"]);
    let screen = terminal.shows("[exit code 130]");
    assert!(screen.contains("interrupted after 3 records"), "{screen}");
    // Neither the bar is left, nor what the terminal shows of the key.
    let left = screen.contains("^C") || screen.contains("3/100");
    assert!(!left, "{screen}");
}

#[test]
fn a_measurement_shows_how_far_it_is_and_then_only_its_result() {
    let broker = Broker::start();
    let measure = "klamm perf latency --topic orders --rate 100 --seconds 2";
    let Some(terminal) = terminal(&broker, measure) else {
        return;
    };
    terminal.shows("/200 records");
    let screen = terminal.shows("[exit code 0]");
    assert!(screen.contains("klamm latency records=200 "), "{screen}");
    assert!(!screen.contains("to go"), "{screen}");
}

#[test]
fn lag_is_watched_in_place_until_ctrl_c() {
    let broker = Broker::start();
    broker.stdout(&["produce", "orders", "-p", "0"], "one\ntwo\n");
    broker.stdout(&["consume", "orders", "-G", "billing", "-e"], "");
    let lag = |terminal: &Terminal, lag: u64| {
        until("the lag", || {
            let screen = terminal.screen();
            let row = screen.lines().find(|line| line.contains("billing"))?;
            let columns: Vec<_> = row.split_whitespace().collect();
            (columns[5] == lag.to_string()).then_some(screen)
        })
    };
    let Some(terminal) = terminal(&broker, "klamm lag --watch -n 50ms") else {
        return;
    };
    lag(&terminal, 0);
    broker.stdout(&["produce", "orders", "-p", "0"], "three\nfour\nfive\n");
    let screen = lag(&terminal, 3);
    assert_eq!(screen.matches("GROUP").count(), 1, "{screen}");
    terminal.press(&["C-c"]);
    terminal.shows("[exit code 0]");
}
