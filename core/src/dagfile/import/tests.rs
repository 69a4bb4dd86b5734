//! Every file of `tests/fixtures/import` becomes what its `.expected` says.
//!
//! `MILLRACE_UPDATE_EXPECTED=1 cargo test -p millrace-core import` writes the transcripts anew;
//! read the difference before you keep it.

use std::fmt::Write;

use super::super::fixture;
use super::*;
use crate::diagnostic::Paint;
use crate::timetable::Zones;

fn source(name: &str) -> SourceFile {
    let path = fixture::repository(&format!("tests/fixtures/import/{name}"));
    let text = fixture::text(&path).expect("a fixture");
    SourceFile { name: name.to_owned(), text, ..SourceFile::default() }
}

#[test]
fn every_file_is_carried_over_as_expected() {
    let zones = Zones::bundled();
    let known = Known::new(&zones);
    let defaults = source("default.yml");
    for name in ["dag_factory", "airflow", "schedules", "functions"] {
        let defaults = (name == "dag_factory").then_some(&defaults);
        let imported = import(&source(&format!("{name}.yaml")), defaults, &known);
        let mut got = String::new();
        for dag in &imported.dags {
            writeln!(got, "---\n{}", dag.yaml.trim_end()).expect("a string");
        }
        for found in &imported.diagnostics {
            writeln!(got, "{}", found.render(Paint::Plain).trim_end()).expect("a string");
        }
        let path = fixture::repository(&format!("tests/fixtures/import/{name}.expected"));
        if fixture::updates() {
            fixture::write(&path, &got);
        }
        assert_eq!(fixture::text(&path).unwrap_or_default(), got, "{name}");
    }
}

#[test]
fn our_own_files_stay_what_they_mean() {
    let zones = Zones::bundled();
    let known = Known::new(&zones);
    for path in fixture::yaml_files("dags") {
        let text = fixture::text(&path).expect("an example");
        let file = SourceFile { name: "x.yaml".to_owned(), text, ..SourceFile::default() };
        let imported = import(&file, None, &known);
        assert!(imported.diagnostics.is_empty(), "{}: {:?}", path.display(), imported.diagnostics);
        assert!(!imported.dags.is_empty(), "{}", path.display());
        let again = SourceFile { text: imported.dags[0].yaml.clone(), ..file.clone() };
        let shape = |file: &SourceFile| {
            let read = super::super::read(file, &known);
            let unread: Vec<_> = read.iter().flat_map(|d| d.unread.clone()).collect();
            let files = unread.into_iter().map(|name| (name, Ok(String::new()))).collect();
            let whole = SourceFile { files, ..file.clone() };
            let dag = super::super::read(&whole, &known).remove(0).dag.expect("it loads");
            dag.tasks.iter().map(|t| serde_json::to_value(t).expect("JSON")).collect::<Vec<_>>()
        };
        assert_eq!(shape(&file), shape(&again), "{}", path.display());
    }
}

#[test]
fn what_cannot_be_a_dag_is_said() {
    let zones = Zones::bundled();
    let check = |text: &str, expected: &str| {
        let file = SourceFile { name: "x".into(), text: text.into(), ..SourceFile::default() };
        let imported = import(&file, None, &Known::new(&zones));
        let said: Vec<String> = imported.diagnostics.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|said| said.contains(expected)), "{text}: {said:?}");
        assert!(imported.dags.is_empty());
    };
    check("a: 1\n", "the file holds no DAG");
    check(
        "a b:\n  tasks: [{task_id: x, operator: bash, bash_command: y}]\n",
        "x:1:1: error: dag_id",
    );
    check("d:\n  schedule: null\n  tasks: []\n", "dag \"d\" cannot be carried over");
    check("d: [\n", "error");
}
