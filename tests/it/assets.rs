//! Assets end to end: training starts deployment, and `kill -9` neither loses an event nor counts
//! one twice.

use serde_json::{Value, json};

use crate::harness::{Metadata, Millrace, root, wait_for};

const CT: &str = "
dag_id: ct
is_paused_upon_creation: false
tasks:
  train:
    operator: bash
    bash_command: |
      echo '{\"model\": {\"version\": {{ params.version }}}}' > $MILLRACE_ASSETS
    outlets: [{asset: model, uri: 'model://credit'}]
params: {version: 1}
";

const CD: &str = "
dag_id: cd
schedule: {assets: [model, approval]}
is_paused_upon_creation: false
tasks:
  deploy:
    operator: bash
    bash_command: |
      echo '{{ triggering_asset_events[\"model\"] | map(attribute=\"extra.version\") | join(\"+\") }}'
";

const NOTE: &str = "
dag_id: note
schedule: ['model://credit']
is_paused_upon_creation: false
tasks: {say: {operator: bash, bash_command: echo it came}}
";

fn prepared(metadata: Metadata) -> Millrace {
    let millrace = Millrace::start(metadata);
    for (dag_id, text) in [("ct", CT), ("cd", CD), ("note", NOTE)] {
        millrace.add_dag(dag_id, text);
    }
    millrace
}

fn runs(millrace: &Millrace, dag_id: &str) -> Vec<Value> {
    let (_, page) = millrace.get(&format!("/api/v2/dags/{dag_id}/dagRuns?order_by=run_after"));
    page["dag_runs"].as_array().cloned().unwrap_or_default()
}

/// Waits until a DAG has so many runs, all of them ended well, and gives the last one's name.
fn wait_for_runs(millrace: &Millrace, dag_id: &str, count: usize) -> String {
    wait_for(&format!("{count} runs of {dag_id}"), 60, || {
        let found = runs(millrace, dag_id);
        let ended = found.iter().filter(|run| run["state"] == "success").count();
        match found.last() {
            Some(last) if found.len() == count && ended == count => {
                Ok(last["dag_run_id"].as_str().expect("a name").to_owned())
            }
            _ => Err(format!("{found:?}")),
        }
    })
}

fn training_starts_deployment(metadata: Metadata) {
    let mut millrace = prepared(metadata);
    for version in [7, 8] {
        let run = millrace.trigger("ct", json!({"conf": {"version": version}}));
        assert_eq!(millrace.wait_for_run("ct", &run, 60), "success");
    }
    wait_for("runs of note", 60, || {
        let found = runs(&millrace, "note");
        let (_, waiting) = millrace.get("/api/v2/dags/note/assets/queuedEvents");
        let ended = found.iter().all(|run| run["state"] == "success");
        let is_done = !found.is_empty() && ended && waiting["total_entries"].is_null();
        if is_done { Ok(()) } else { Err(format!("{found:?} {waiting}")) }
    });
    // The model has come, the approval has not; a crash changes nothing of it.
    for _ in 0..2 {
        let model = millrace.cli_json(&["assets", "show", "model"]);
        assert_eq!(model["waits_for_a_run_of"], json!(["cd"]), "{model}");
        assert_eq!(model["starts"], json!(["cd", "note"]));
        let next = millrace.cli_json(&["explain", "cd", "next"]);
        let codes: Vec<&Value> =
            next["reasons"].as_array().expect("a list").iter().map(|one| &one["code"]).collect();
        assert_eq!(codes, ["asset_arrived", "asset_missing"], "{next}");
        assert_eq!(runs(&millrace, "cd").len(), 0);
        millrace.kill();
        millrace.start_again();
    }
    let (code, out, err) = millrace.cli(&["assets", "emit", "approval", "--extra", "{\"by\": 1}"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("asset approval has changed"), "{out}");
    millrace.kill();
    millrace.start_again();
    let run = wait_for_runs(&millrace, "cd", 1);
    assert_eq!(millrace.xcom("cd", &run, "deploy"), json!("7+8"), "both events, in order");
    let path = format!("/api/v2/dags/cd/dagRuns/{run}/upstreamAssetEvents");
    let (_, consumed) = millrace.get(&path);
    assert_eq!(consumed["total_entries"], 3, "{consumed}");
    let events = millrace.cli_json(&["assets", "events"]);
    assert_eq!(events[0]["asset"], "approval");
    assert_eq!(events[0]["consumed_by"], json!([format!("cd {run}")]));
    let (code, _, err) = millrace.cli(&["assets", "show", "modle"]);
    assert!(code != 0 && err.contains("there is no asset \"modle\""), "{err}");
}

/// Each training that succeeds is one event, and each event is consumed by one run of `note`.
fn no_event_is_lost(metadata: Metadata) {
    let mut millrace = prepared(metadata);
    for _ in 0..3 {
        let run = millrace.trigger("ct", json!({}));
        millrace.kill();
        millrace.start_again();
        assert_eq!(millrace.wait_for_run("ct", &run, 60), "success");
        millrace.kill();
        millrace.start_again();
    }
    let (_, events) = millrace.get("/api/v2/assets/events?source_dag_id=ct");
    assert_eq!(events["total_entries"], 3, "{events}");
    let consumed = wait_for("every event to be consumed", 60, || {
        let of = |run: &Value| {
            let id = run["dag_run_id"].as_str().expect("a name");
            let path = format!("/api/v2/dags/note/dagRuns/{id}/upstreamAssetEvents");
            millrace.get(&path).1["asset_events"].as_array().cloned().unwrap_or_default()
        };
        let found = runs(&millrace, "note");
        let consumed: Vec<i64> =
            found.iter().flat_map(of).filter_map(|event| event["id"].as_i64()).collect();
        let is_over = found.iter().all(|run| run["state"] == "success") && consumed.len() >= 3;
        if is_over { Ok(consumed) } else { Err(format!("{consumed:?} {found:?}")) }
    });
    let mut distinct = consumed.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((consumed.len(), distinct.len()), (3, 3), "{consumed:?}");
}

#[test]
fn the_example_deploys_what_was_trained() {
    let millrace = Millrace::start(Metadata::Sqlite);
    let text = std::fs::read_to_string(root().join("dags/model_asset.yaml")).expect("the example");
    millrace.add_dag("train_model", &text);
    millrace.wait_for_dag("deploy_model");
    let run = millrace.trigger("train_model", json!({}));
    assert_eq!(millrace.wait_for_run("train_model", &run, 60), "success");
    let (code, _, err) = millrace.cli(&["assets", "emit", "approval"]);
    assert_eq!(code, 0, "{err}");
    let run = wait_for_runs(&millrace, "deploy_model", 1);
    let said = millrace.xcom("deploy_model", &run, "deploy");
    assert!(said.as_str().is_some_and(|text| text.starts_with("deployed version 1")), "{said}");
}

mod training_starts_deployment_once_all_has_come {
    use super::Metadata;

    #[test]
    fn on_sqlite() {
        super::training_starts_deployment(Metadata::Sqlite);
    }

    #[test]
    fn on_mariadb() {
        super::training_starts_deployment(Metadata::MariaDb);
    }
}

mod no_event_is_lost_or_counted_twice {
    use super::Metadata;

    #[test]
    fn on_sqlite() {
        super::no_event_is_lost(Metadata::Sqlite);
    }

    #[test]
    fn on_mariadb() {
        super::no_event_is_lost(Metadata::MariaDb);
    }
}

/// A sensor waits for the asset of another DAG, also over a crash, and knows what came meanwhile.
fn a_sensor_waits_for_an_asset(metadata: Metadata) {
    let mut millrace = Millrace::start(metadata);
    millrace.add_dag("ct", CT);
    let text = "dag_id: waits\nschedule: null\ntasks:\n  model: {operator: sensor, asset: \
                'model://credit', timeout: 1h}\n  next: {operator: bash, needs: [model], \
                bash_command: echo it came}\n";
    millrace.add_dag("waits", text);
    let run = millrace.trigger("waits", json!({}));
    wait_for("the sensor waits", 60, || {
        let states = millrace.states("waits", &run);
        if states["model"] == "deferred" { Ok(()) } else { Err(format!("{states:?}")) }
    });
    let (_, out, err) = millrace.cli(&["explain", "waits", &run, "model"]);
    assert!(out.contains("it waits for an event of asset \"model://credit\" since"), "{out}{err}");
    millrace.kill();
    millrace.start_again();
    assert_eq!(millrace.states("waits", &run)["model"], "deferred", "{metadata:?}");
    let trained = millrace.trigger("ct", json!({}));
    assert_eq!(millrace.wait_for_run("ct", &trained, 60), "success");
    assert_eq!(millrace.wait_for_run("waits", &run, 60), "success", "{metadata:?}");
    // A run that is due later does not count what came before it.
    let later = millrace.trigger("waits", json!({}));
    wait_for("the sensor waits again", 60, || {
        let states = millrace.states("waits", &later);
        if states["model"] == "deferred" { Ok(()) } else { Err(format!("{states:?}")) }
    });
}

#[test]
fn a_sensor_on_sqlite() {
    a_sensor_waits_for_an_asset(Metadata::Sqlite);
}

#[test]
fn a_sensor_on_mariadb() {
    a_sensor_waits_for_an_asset(Metadata::MariaDb);
}
