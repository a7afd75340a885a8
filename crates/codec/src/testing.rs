//! What the property tests share.

use proptest::test_runner::Config;

/// As many cases as `PROPTEST_CASES` says, or `otherwise`: `Config::with_cases` alone does not look at it.
pub(crate) fn cases(otherwise: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let asked = asked.and_then(|cases| cases.parse().ok());
    Config::with_cases(asked.unwrap_or(otherwise))
}
