//! The fuzz targets over their corpus: what once broke a promise, and what fuzzing found worth keeping.

use std::fs;
use std::path::Path;

#[test]
fn every_target_keeps_its_promise_for_the_whole_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, target) in klamm_fuzz::TARGETS {
        let mut folders = vec![root.join("fuzz/corpus").join(name)];
        if *name == "batches" {
            folders.push(root.join("protocol-fixtures/records"));
        }
        let mut count = 0;
        for folder in folders {
            let entries = fs::read_dir(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for entry in entries {
                let path = entry.unwrap().path();
                // A panic does not name the bytes.
                let bytes = fs::read(&path).unwrap();
                let kept = std::panic::catch_unwind(|| target(&bytes));
                assert!(kept.is_ok(), "{name} on {}", path.display());
                count += 1;
            }
        }
        println!("{name}: {count} inputs");
        assert!(count > 0, "{name} has no corpus");
    }
}
