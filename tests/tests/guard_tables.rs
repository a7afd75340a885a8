//! The tables of the codec's guard are what Kafka's schemas say.

use std::process::Command;

#[test]
fn the_tables_in_the_repository_are_current() {
    let generator = Command::new(env!("CARGO_BIN_EXE_guard_tables"))
        .arg("--check")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&generator.stderr);
    assert!(generator.status.success(), "{said}");
}
