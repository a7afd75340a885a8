//! The page `docs/cli.md`, as it is walked.

use std::path::Path;
use std::process::{Command, Stdio};

use klamm_tests::Kafka;

use super::AUTHORIZER;

/// Every command of the page, in its order, by a shell; where the page shows an exit code, that is the one. With
/// `KLAMM_WRITE_CLI_PAGE` each runs on a terminal, and the page is written anew with what it shows.
#[test]
fn the_walk_in_the_docs_is_as_it_is_told() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let kafka = Kafka::builder()
        .property("authorizer.class.name", AUTHORIZER)
        .property("super.users", "User:ANONYMOUS")
        .start()
        .expect("a broker for the page");
    let writes = std::env::var_os("KLAMM_WRITE_CLI_PAGE").is_some();
    let (mut written, mut commands) = (String::new(), 0);
    for (at, block) in page.split("```text\n").enumerate() {
        if at == 0 {
            written.push_str(block);
            continue;
        }
        let (block, after) = block.split_once("```").unwrap();
        let runs: Vec<&str> = block.split_inclusive('\n').collect();
        let runs = runs.chunk_by(|_, next| !next.starts_with("$ "));
        let mut shown = Vec::new();
        for run in runs {
            let command = run[0].strip_prefix("$ ").unwrap().trim_end();
            let told = walked(&kafka, command, writes);
            for code in run.iter().filter(|line| line.starts_with("exit code ")) {
                assert!(told.ends_with(code), "{command}: {told}");
            }
            shown.push(format!("$ {command}\n{told}"));
            commands += 1;
        }
        let shown = shown.join("\n");
        written.extend(["```text\n", &shown, "```", after]);
    }
    assert!(commands >= 20, "{commands} commands on the page");
    if writes {
        std::fs::write(path, written).unwrap();
    }
}

/// What a command of the page prints; it has to succeed.
fn walked(kafka: &Kafka, command: &str, on_terminal: bool) -> String {
    let klamm = env!("CARGO_BIN_EXE_klamm");
    let script = format!("klamm() {{ {klamm} \"$@\"; }}; {command}");
    let mut shell = if on_terminal {
        // Without a kernel's echo of the end of its input.
        let script = format!("stty -echo cols 500; {script}");
        let mut shell = Command::new("script");
        shell.args(["--quiet", "--return", "--command", &script, "/dev/null"]);
        shell
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        shell
    };
    let output = shell
        .env("KLAMM_BOOTSTRAP", kafka.bootstrap())
        .env("CONTROLLERS", kafka.controllers())
        .env("NO_COLOR", "1")
        .env_remove("KLAMM_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    // What was on a line before it was written over, such as a bar, is not there any more.
    let lines = told.lines().map(|line| {
        let line = line.trim_end_matches('\r');
        let line = line.rsplit(['\r', '\u{8}']).next().unwrap_or_default();
        let line = line.rsplit("\u{1b}[2K").next().unwrap_or_default();
        let line = line.rsplit("\u{1b}[H").next().unwrap_or_default();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
