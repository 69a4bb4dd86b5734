//! Every broken file of `tests/fixtures/broken` is answered as its `.expected` says.
//!
//! `MILLRACE_UPDATE_EXPECTED=1 cargo test -p millrace-core broken` writes the transcripts anew;
//! read the difference before you keep it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::fixture;
use super::*;
use crate::diagnostic::Paint;

fn words(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn read_text(name: &str, text: &str) -> Vec<Document> {
    let zones = Zones::bundled();
    let pools = words(&["training", "gpu"]);
    let connections = words(&["feature_store"]);
    let known =
        Known { pools: Some(&pools), connections: Some(&connections), ..Known::new(&zones) };
    let file = SourceFile { name: name.to_owned(), text: text.to_owned(), files: BTreeMap::new() };
    let wanted: Vec<String> =
        read(&file, &known).into_iter().flat_map(|document| document.unread).collect();
    let no_file = |name: String| (name, Err("no such file".to_owned()));
    let files = wanted.into_iter().map(no_file).collect();
    read(&SourceFile { files, ..file }, &known)
}

/// What a person would read about a file.
fn transcript(documents: &[Document]) -> String {
    let mut out = String::new();
    for document in documents {
        let name = document.dag_id.as_ref().map_or("?", DagId::as_str);
        let verdict = if document.dag.is_some() { "loads" } else { "is refused" };
        writeln!(out, "== {name} {verdict}").expect("a string");
        for found in &document.diagnostics {
            writeln!(out, "{}", found.render(Paint::Plain).trim_end()).expect("a string");
        }
    }
    out
}

#[test]
fn every_broken_file_is_answered_as_expected() {
    let paths = fixture::yaml_files("tests/fixtures/broken");
    assert!(paths.len() >= 25, "only {} fixtures", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let got = transcript(&read_text(&name, &fixture::text(&path).expect("a fixture")));
        let expected = path.with_extension("expected");
        if fixture::updates() {
            fixture::write(&expected, &got);
        } else if fixture::text(&expected).unwrap_or_default() != got {
            wrong.push(format!("--- {name}\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
