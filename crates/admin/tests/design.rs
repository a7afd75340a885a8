//! The table of `docs/design/admin.md` against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// APIs that calls are made of (`type Request = ...Request;`), and whether they are for controllers, too.
fn apis_used(folder: &Path, found: &mut BTreeSet<(String, bool)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            apis_used(&path, found);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let mut for_controllers = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("impl") {
                for_controllers = false;
            }
            for_controllers |= line == "const FOR_CONTROLLERS: bool = true;";
            let request = line.strip_prefix("type Request = ");
            if let Some(api) = request.and_then(|request| request.strip_suffix("Request;")) {
                found.insert((api.to_owned(), for_controllers));
            }
        }
    }
}

#[test]
fn the_table_of_methods_names_every_api_that_calls_are_made_of_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    apis_used(&root.join("src"), &mut used);
    let page = fs::read_to_string(root.join("../../docs/design/admin.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let columns = rows.map(|row| row.split('|').collect::<Vec<_>>());
    let mut named = BTreeSet::new();
    for columns in columns {
        let words = columns[2].split([' ', ',']).filter(|word| {
            // APIs are words within which a capital follows a small letter, but for one.
            let mut letters = word.chars().zip(word.chars().skip(1));
            *word == "Metadata"
                || letters.any(|(one, next)| one.is_lowercase() && next.is_uppercase())
        });
        let for_controllers = columns[3].contains("**K**");
        named.extend(words.map(|word| (word.to_owned(), for_controllers)));
    }
    // Signs of life are asked for of each broker.
    used.remove(&("ApiVersions".to_owned(), false));
    assert_eq!(named, used);
}
