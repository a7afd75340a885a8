//! The table of `docs/design/admin.md` against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// APIs that calls are made of: `type Request = ...Request;`.
fn apis_used(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            apis_used(&path, found);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let requests = source.lines().filter_map(|line| {
            let request = line.trim().strip_prefix("type Request = ")?;
            request.strip_suffix("Request;")
        });
        found.extend(requests.map(str::to_owned));
    }
}

#[test]
fn the_table_of_methods_names_every_api_that_calls_are_made_of_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    apis_used(&root.join("src"), &mut used);
    let page = fs::read_to_string(root.join("../../docs/design/admin.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let columns = rows.map(|row| row.split('|').nth(2).unwrap());
    let words = columns
        .flat_map(|api| api.split([' ', ',']))
        .filter(|word| {
            // APIs are words within which a capital follows a small letter, but for one.
            let mut letters = word.chars().zip(word.chars().skip(1));
            *word == "Metadata"
                || letters.any(|(one, next)| one.is_lowercase() && next.is_uppercase())
        });
    let named: BTreeSet<String> = words.map(str::to_owned).collect();
    assert_eq!(named, used);
}
