//! What the command line answers without a server: tests of files, graphs, schemas, imports.

use serde_json::{Value, json};

use crate::cli::offline;
use crate::harness::root;

#[test]
fn the_cases_of_the_examples_pass_and_every_task_of_theirs_can_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.xml");
    let junit = report.display().to_string();
    let arguments = ["test", "dags", "--exhaustive", "--junit", &junit, "-o", "json"];
    let (code, out, err) = offline(&root(), &arguments, &[]);
    assert_eq!(code, 0, "{out}{err}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["ok"], true, "{out}");
    let cases = answer["cases"].as_array().expect("a list");
    assert!(cases.len() >= 2 && cases.iter().all(|case| case["ok"] == true), "{out}");
    let walks = answer["walks"].as_array().expect("a list");
    assert!(walks.len() >= 6, "{out}");
    for walk in walks {
        let findings = walk["findings"].as_array().expect("a list");
        assert!(findings.iter().all(|found| found["severity"] == "note"), "{walk}");
        assert_eq!(walk["complete"], true, "{walk}");
    }
    let xml = std::fs::read_to_string(&report).expect("a report");
    assert!(
        xml.contains("name=\"a good model is deployed\"") && xml.contains("failures=\"0\""),
        "{xml}"
    );
}

#[test]
fn planted_mistakes_are_found_at_their_lines() {
    let folder = root().join("tests/fixtures/walk");
    let (code, out, _) = offline(&folder, &["validate", "never_runs.yaml"], &[]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = offline(&folder, &["test", "never_runs.yaml", "--exhaustive"], &[]);
    assert_eq!(code, 1, "{out}");
    for said in [
        "error[unexpected-state]: \"report\" is skipped, not success",
        "--> never_runs.yaml:28:25",
        "error[never-runs]: \"notify\" can never run: no line of `choose` of branch \"good_enough\" leads to it",
        "--> never_runs.yaml:16:3",
        "error[never-runs]: \"report\" can never run: its rule all_success wants every upstream to succeed, but branch \"good_enough\" never lets that happen",
        "--> never_runs.yaml:21:19",
        "write `trigger_rule: none_failed_min_one_success`, with which it runs",
    ] {
        assert!(out.contains(said), "lacks {said:?}:\n{out}");
    }
    assert!(!out.contains("archive"), "what only follows is not told: {out}");
    let (code, out, _) = offline(&folder, &["test", "never_runs.yaml", "-o", "json"], &[]);
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["ok"]), (1, &json!(false)), "{answer}");
    assert_eq!(answer["cases"][0]["tasks"]["report"], "skipped");
    let (code, _, err) = offline(&folder, &["test", "never_runs.yaml", "-k", "nothing"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("no case has \"nothing\" in its name"), "{err}");
}
