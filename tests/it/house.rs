//! The house's own rules about files: every module says what it is, and none is too long.

use std::path::{Path, PathBuf};

use crate::harness::root;

/// The longest file, in lines.
const LINES_MAX: usize = 700;

/// The median file, in lines.
const LINES_MEDIAN: usize = 200;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn modules_say_what_they_are_and_stay_small() {
    let mut files = Vec::new();
    for folder in
        ["src", "core/src", "store/src", "scheduler/src", "worker/src", "api/src", "tests"]
    {
        rust_files(&root().join(folder), &mut files);
    }
    let mut lengths = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.starts_with("//!"), "{} has no `//!` at its top", path.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines; split it", path.display());
        lengths.push(lines);
    }
    lengths.sort_unstable();
    assert!(lengths.len() > 100, "only {} files were looked at", lengths.len());
    assert!(lengths[lengths.len() / 2] <= LINES_MEDIAN, "the median file is too long");
}
