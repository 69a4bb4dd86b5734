//! Mapped tasks in a real Millrace: extract, expand, reduce, with a retry of one item and a
//! `kill -9` in the middle.

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, root, wait_for};

const DAG: &str = r#"
dag_id: mapped
tasks:
  extract: {operator: bash, bash_command: "echo '[1, 2, 3]'"}
  sweep:
    operator: bash
    partial: {bash_command: "echo $RATE.$DEPTH"}
    expand: {env: [{RATE: "1", DEPTH: "{{ 2 + 2 }}"}, {RATE: "2", DEPTH: "5"}]}
    map_index_template: "rate {{ item.env.RATE }}"
  reduce:
    operator: bash
    needs: [square, sweep]
    bash_command: echo {{ xcom('square.plus_one') | tojson }}
task_groups:
  square:
    expand: {n: {xcom: extract}}
    default_args: {operator: bash, retries: 1, retry_delay: 1s}
    tasks:
      power:
        bash_command: |
          n={{ n }}
          if [ $n = 2 ] && [ {{ ti.try_number }} = 1 ]; then exit 1; fi
          if [ $n = 3 ]; then touch HOME/waits; while [ ! -e HOME/go ]; do sleep 0.1; done; fi
          echo $((n * n))
      plus_one:
        needs: [power]
        bash_command: |
          x={{ xcom('square.power') }}
          echo $((x + 1))
"#;

/// `task[index] state #try` of every mapped instance.
fn items(millrace: &Millrace, run: &str, task: &str) -> Vec<String> {
    let path = format!("/api/v2/dags/mapped/dagRuns/{run}/taskInstances/{task}/listMapped");
    let (status, page) = millrace.get(&path);
    assert_eq!(status, 200, "{page}");
    let tis = page["task_instances"].as_array().expect("a list");
    let line = |ti: &Value| {
        let state = ti["state"].as_str().unwrap_or("none");
        format!("{} {state} #{}", ti["map_index"], ti["try_number"])
    };
    tis.iter().map(line).collect()
}

fn extract_expand_reduce(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    let home = millrace.home.path().to_owned();
    millrace.add_dag("mapped", &DAG.replace("HOME", &home.display().to_string()));
    let run = millrace.trigger("mapped", json!({}));
    wait_for("the first two items", 60, || {
        let found = items(&millrace, &run, "square.plus_one");
        let done = found.iter().filter(|item| item.contains("success")).count();
        if done == 2 && home.join("waits").exists() { Ok(()) } else { Err(format!("{found:?}")) }
    });
    millrace.kill();
    std::fs::write(home.join("go"), "").expect("written");
    millrace.start_again();
    assert_eq!(millrace.wait_for_run("mapped", &run, 60), "success", "{metadata:?}");
    let power = items(&millrace, &run, "square.power");
    assert_eq!(power, ["0 success #1", "1 success #2", "2 success #1"]);
    assert_eq!(millrace.xcom("mapped", &run, "reduce"), json!([2, 5, 10]));
    let ti = format!("/api/v2/dags/mapped/dagRuns/{run}/taskInstances/sweep/0");
    assert_eq!(millrace.get(&ti).1["rendered_map_index"], "rate 1");
    let entry = format!(
        "/api/v2/dags/mapped/dagRuns/{run}/taskInstances/sweep/xcomEntries/return_value?map_index=1"
    );
    assert_eq!(millrace.get(&entry).1["value"], json!(2.5));
    let (code, log, error) =
        millrace.cli(&["logs", "mapped", &run, "square.power", "--map-index", "1"]);
    assert_eq!(code, 0, "{error}");
    assert!(log.contains("out 4"), "the log of its last try: {log}");
    one_item_again(&millrace, &run);
}

/// One item is cleared, with what is below it: the other items stay.
fn one_item_again(millrace: &Millrace, run: &str) {
    let body = json!({
        "dry_run": false, "dag_run_id": run, "only_failed": false,
        "task_ids": [["square.plus_one", 2], "reduce"],
    });
    let (status, answer) = millrace.post("/api/v2/dags/mapped/clearTaskInstances", body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["total_entries"], 2, "{answer}");
    assert_eq!(millrace.wait_for_run("mapped", run, 60), "success");
    let again = items(millrace, run, "square.plus_one");
    assert_eq!(again, ["0 success #1", "1 success #1", "2 success #2"]);
}

/// The example of a sweep: every pair of what a task gave and of literals.
#[test]
fn the_example_trains_every_pair() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = std::fs::read_to_string(root().join("dags/hyperparameter_sweep.yaml"));
    millrace.add_dag("hyperparameter_sweep", &text.expect("the example"));
    let run = millrace.trigger("hyperparameter_sweep", json!({}));
    assert_eq!(millrace.wait_for_run("hyperparameter_sweep", &run, 60), "success");
    assert_eq!(millrace.xcom("hyperparameter_sweep", &run, "best"), json!(1.8));
    let tis = millrace.task_instances("hyperparameter_sweep", &run);
    let score = |index: i64| {
        tis.iter().find(|ti| ti["task_id"] == "train.score" && ti["map_index"] == index)
    };
    assert_eq!(score(3).expect("it is there")["rendered_map_index"], "rate 0.2, depth 6");
    assert_eq!(tis.len(), 2 + 2 * 6);
}

#[test]
fn a_list_is_expanded_and_reduced_on_sqlite() {
    extract_expand_reduce(Metadata::Sqlite);
}

#[test]
fn a_list_is_expanded_and_reduced_on_mariadb() {
    extract_expand_reduce(Metadata::MariaDb);
}
