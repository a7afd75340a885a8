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

/// What is in the column of a row, separated by commas; without what explains a method, as in `describe_topics before 3.8`.
fn named(column: &str) -> impl Iterator<Item = &str> {
    let names = column.split(',').map(str::trim).filter(|it| *it != "—");
    names.filter_map(|name| name.split(' ').next())
}

#[test]
fn every_method_is_called_where_the_table_says_that_it_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/design/admin.md")).unwrap();
    let mut methods = 0;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<_> = row.split('|').collect();
        let shown: Vec<_> = columns[4].split('·').collect();
        let [good, refused, _] = shown.as_slice() else {
            panic!("not good · refused · beside: {row}");
        };
        assert_ne!(good.trim(), "—", "{row}");
        let files = named(good).chain(named(refused)).map(|file| {
            let path = root.join(format!("../../tests/tests/admin/{file}.rs"));
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
        });
        let files: Vec<_> = files.collect();
        for method in named(columns[1]) {
            let call = format!("{}(", method.trim_matches('`'));
            assert!(
                files.iter().any(|file| file.contains(&call)),
                "{call} in {}",
                columns[4]
            );
            methods += 1;
        }
        // And each file has one of the row's.
        for (file, name) in files.iter().zip(named(good).chain(named(refused))) {
            let mut calls =
                named(columns[1]).map(|method| format!("{}(", method.trim_matches('`')));
            assert!(calls.any(|call| file.contains(&call)), "{name} in {row}");
        }
    }
    assert!(methods > 60, "{methods}");
}
