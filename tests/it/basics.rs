//! The first things that a newcomer does, on both databases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, copy_folder, root, wait_for};

const BOTH: [Metadata; 2] = [Metadata::Sqlite, Metadata::MariaDb];

/// The example DAGs, in a folder of the test's own.
fn with_examples(metadata: Metadata) -> Millrace {
    let home = tempfile::Builder::new().prefix("millrace-home-").tempdir().expect("a folder");
    let dags = home.path().join("dags");
    copy_folder(&root().join("dags"), &dags);
    Millrace::start_in(metadata, home, dags, BTreeMap::new())
}

#[test]
fn the_demo_runs_to_success() {
    for metadata in BOTH {
        let millrace = with_examples(metadata);
        millrace.wait_for_dag("hello_millrace");
        let run = millrace.trigger("hello_millrace", json!({}));
        let state = millrace.wait_for_run("hello_millrace", &run, 60);
        let states = millrace.states("hello_millrace", &run);
        assert_eq!(state, "success", "{metadata:?}: {states:?}");
    }
}

#[test]
fn every_example_is_read_without_error() {
    let millrace = with_examples(Metadata::Sqlite);
    for dag in [
        "hello_millrace",
        "simple_dag",
        "credit_score_classification_ct",
        "credit_score_classification_cd",
        "credit_score_classification_ct_local",
        "credit_score_classification_cd_local",
    ] {
        millrace.wait_for_dag(dag);
    }
    let (_, errors) = millrace.get("/api/v2/importErrors");
    assert_eq!(errors["total_entries"], 0, "{errors}");
}

#[test]
fn a_chain_passes_values_and_keeps_its_order() {
    for metadata in BOTH {
        let millrace = Millrace::start(metadata);
        millrace.add_dag(
            "chain",
            r#"
dag_id: chain
params: {who: world}
tasks:
  a: {operator: bash, bash_command: "echo '{\"n\": 20}'"}
  b:
    operator: bash
    needs: [a]
    bash_command: "echo hello {{ params.who }} $(( {{ xcom('a').n }} + 1 ))"
  c:
    operator: branch
    needs: [b]
    choose:
      - when: "{{ xcom('a').n > 10 }}"
        then: big
      - else: small
  big: {operator: empty, needs: [c]}
  small: {operator: empty, needs: [c]}
"#,
        );
        let run = millrace.trigger("chain", json!({ "conf": { "who": "a; b $(id)" } }));
        assert_eq!(millrace.wait_for_run("chain", &run, 30), "success");
        assert_eq!(millrace.xcom("chain", &run, "a"), json!({ "n": 20 }));
        assert_eq!(millrace.xcom("chain", &run, "b"), json!("hello a; b $(id) 21"));
        let states = millrace.states("chain", &run);
        assert_eq!((states["big"].as_str(), states["small"].as_str()), ("success", "skipped"));
        let log = millrace.task_log("chain", &run, "b", 1);
        assert!(log.contains("hello a; b $(id) 21"), "{log}");
    }
}

#[test]
fn a_broken_file_is_answered_at_its_line_and_hurts_nobody() {
    let millrace = Millrace::start(Metadata::Sqlite);
    millrace.add_dag("good", "dag_id: good\ntasks:\n  a: {operator: empty}\n");
    std::fs::write(
        millrace.dags.join("bad.yaml"),
        "dag_id: bad\ntasks:\n  a:\n    operator: bahs\n",
    )
    .expect("written");
    let error = wait_for("the import error", 10, || {
        let (_, body) = millrace.get("/api/v2/importErrors");
        match body["import_errors"].as_array().and_then(|errors| errors.first()) {
            Some(error) => Ok(error.clone()),
            None => Err(body.to_string()),
        }
    });
    assert_eq!(error["filename"], "bad.yaml", "{error}");
    let text = error["stack_trace"].as_str().unwrap_or_default();
    assert!(text.contains("bad.yaml:4:15") && text.contains("bash"), "{text}");
    let run = millrace.trigger("good", json!({}));
    assert_eq!(millrace.wait_for_run("good", &run, 30), "success");
    std::fs::remove_file(millrace.dags.join("bad.yaml")).expect("removed");
    wait_for("no import error", 10, || {
        let (_, body) = millrace.get("/api/v2/importErrors");
        if body["total_entries"] == 0 { Ok(()) } else { Err(body.to_string()) }
    });
}

#[test]
fn a_restart_keeps_everything() {
    for metadata in BOTH {
        let mut millrace = Millrace::start(metadata);
        millrace
            .add_dag("keep", "dag_id: keep\ntasks:\n  a: {operator: bash, bash_command: echo 1}\n");
        let run = millrace.trigger("keep", json!({}));
        assert_eq!(millrace.wait_for_run("keep", &run, 30), "success");
        millrace.stop();
        millrace.start_again();
        let (_, body) = millrace.get("/api/v2/dags/keep/dagRuns");
        assert_eq!(body["dag_runs"][0]["state"], Value::from("success"), "{body}");
        assert_eq!(millrace.xcom("keep", &run, "a"), json!(1));
        assert!(millrace.task_log("keep", &run, "a", 1).contains('1'));
    }
}
