//! Assets over HTTP: who uses them, what happened, what waits, what a run consumed.

use millrace_core::wire::Outcome;
use serde_json::{Value, json};

use super::harness::{ASSETS, Server};

/// Two assets start `both`; `any` waits for one of them at the same place by its URI.
const WAITING: &str = "
dag_id: both
schedule: {assets: [{asset: model, uri: 's3://bucket/model', group: models}, rows]}
is_paused_upon_creation: false
tasks: {a: {operator: bash, bash_command: 'echo a'}}
---
dag_id: late
schedule: {assets: {any: [model, rows]}, cron: '0 3 * * *'}
start_date: 2999-01-01
is_paused_upon_creation: true
tasks: {a: {operator: bash, bash_command: 'echo a', outlets: [rows]}}
";

async fn prepared() -> Server {
    let server = Server::start().await;
    {
        let mut leader = server.leader.lock().await;
        leader.load(ASSETS).await;
        leader.load(WAITING).await;
    }
    let body = json!({"logical_date": null, "dag_run_id": "first"});
    server.post("/api/v2/dags/spec_asset_producer/dagRuns", &body).await.expect(200);
    server.leader.lock().await.work(|_| Outcome::Success).await;
    server
}

async fn asset(server: &Server, name: &str) -> Value {
    let path = format!("/api/v2/assets?name_pattern={name}");
    let page = server.get(&path).await.expect(200);
    page["assets"][0].clone()
}

fn names(value: &Value, field: &str) -> Vec<String> {
    let items = value.as_array().expect("a list");
    items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_asset_is_one_thing_by_name_and_by_uri() {
    let server = prepared().await;
    let page = server.get("/api/v2/assets?order_by=name").await.expect(200);
    assert_eq!(names(&page["assets"], "name"), ["model", "rows"]);
    let model = &page["assets"][0];
    assert_eq!(model["uri"], "s3://bucket/model");
    assert_eq!(model["group"], "models");
    assert_eq!(names(&model["scheduled_dags"], "dag_id"), ["both", "late", "spec_asset_consumer"]);
    assert_eq!(names(&model["producing_tasks"], "task_id"), ["produce"]);
    assert_eq!(names(&model["consuming_tasks"], "dag_id"), ["spec_asset_consumer"]);
    let one = server.get(&format!("/api/v2/assets/{}", model["id"])).await.expect(200);
    assert_eq!(one, *model);
    server.get("/api/v2/assets/999").await.expect(404);
    let check = async |query: &str, expected: &[&str]| {
        let page = server.get(&format!("/api/v2/assets?{query}")).await.expect(200);
        assert_eq!(names(&page["assets"], "name"), expected, "{query}");
    };
    check("uri_pattern=s3", &["model"]).await;
    check("dag_ids=late&order_by=-name", &["rows", "model"]).await;
    check("dag_ids=spec_asset_producer", &["model"]).await;
    check("limit=1&offset=1&order_by=name", &["rows"]).await;
    let details = server.get("/api/v2/dags/both/details").await.expect(200);
    assert_eq!(details["asset_expression"]["all"][0]["asset"]["uri"], "s3://bucket/model");
    assert_eq!(details["timetable_summary"], "Asset");
    let details = server.get("/api/v2/dags/late/details").await.expect(200);
    assert_eq!(details["asset_expression"]["any"][1]["asset"]["name"], "rows");
    assert_eq!(details["timetable_description"], "Triggered by assets or At 03:00");
}

#[tokio::test]
async fn events_tell_which_runs_they_started() {
    let server = prepared().await;
    let page = server.get("/api/v2/assets/events").await.expect(200);
    assert_eq!(page["total_entries"], 1);
    let event = &page["asset_events"][0];
    assert_eq!(event["source_run_id"], "first");
    assert_eq!(event["name"], "model");
    let run = &event["created_dagruns"][0];
    assert_eq!(
        (run["dag_id"].as_str(), run["triggering"].as_bool()),
        (Some("spec_asset_consumer"), Some(true))
    );
    let run_id = run["run_id"].as_str().expect("a name");
    assert!(run_id.starts_with("asset_triggered__"), "{run_id}");
    let path = format!("/api/v2/dags/spec_asset_consumer/dagRuns/{run_id}");
    let run = server.get(&path).await.expect(200);
    assert_eq!(
        (run["run_type"].as_str(), run["triggered_by"].as_str()),
        (Some("asset_triggered"), Some("asset"))
    );
    assert_eq!(run["logical_date"], Value::Null);
    let upstream = server.get(&format!("{path}/upstreamAssetEvents")).await.expect(200);
    assert_eq!(upstream["asset_events"][0]["id"], event["id"]);
    let by_hand = "/api/v2/dags/spec_asset_producer/dagRuns/first/upstreamAssetEvents";
    assert_eq!(server.get(by_hand).await.expect(200)["total_entries"], 0);
    let check = async |query: &str, expected: u64| {
        let page = server.get(&format!("/api/v2/assets/events?{query}")).await.expect(200);
        assert_eq!(page["total_entries"].as_u64(), Some(expected), "{query}");
    };
    check("source_dag_id=spec_asset_producer&source_task_id=produce", 1).await;
    check("source_run_id=other", 0).await;
    check("asset_id=999", 0).await;
    check("timestamp_gte=2999-01-01T00:00:00Z", 0).await;
    check("source_map_index=-1&order_by=-timestamp", 1).await;
}

#[tokio::test]
async fn a_reported_event_waits_until_all_have_come() {
    let server = prepared().await;
    let both = "/api/v2/dags/both/assets/queuedEvents";
    let waiting = server.get(both).await.expect(200);
    let model = asset(&server, "model").await["id"].clone();
    assert_eq!(waiting["queued_events"][0]["asset_id"], model);
    assert_eq!(waiting["queued_events"][0]["dag_display_name"], "both");
    let of_asset = format!("/api/v2/assets/{model}/queuedEvents");
    assert_eq!(server.get(&of_asset).await.expect(200)["total_entries"], 1);
    let next = server.get("/api/v1/dags/both/next_run_assets").await.expect(200);
    assert_eq!(next["assets"][0]["has_changed"], true);
    assert_eq!(next["assets"][1]["has_changed"], false);
    let codes = names(&next["reasons"], "code");
    assert_eq!(codes, ["asset_arrived", "asset_missing"]);
    let graph = server.get("/api/v1/assets/graph").await.expect(200);
    assert_eq!(graph["assets"][0]["starts"][0], json!({"dag_id": "both", "has_changed": true}));
    assert_eq!(graph["assets"][0]["last_event"]["source_task_id"], "produce");

    let rows = asset(&server, "rows").await["id"].clone();
    let body = json!({"asset_id": rows, "extra": {"count": 7}});
    let event = server.post("/api/v2/assets/events", &body).await.expect(200);
    assert_eq!(event["extra"], json!({"count": 7, "from_rest_api": true}));
    assert_eq!(event["source_dag_id"], Value::Null);
    assert_eq!(event["created_dagruns"][0]["dag_id"], "both");
    server.get(both).await.expect(404);
    let run_id = event["created_dagruns"][0]["run_id"].as_str().expect("a name");
    let path = format!("/api/v2/dags/both/dagRuns/{run_id}/upstreamAssetEvents");
    let upstream = server.get(&path).await.expect(200);
    assert_eq!(names(&upstream["asset_events"], "name"), ["model", "rows"]);
    let of_old = &upstream["asset_events"][0]["created_dagruns"];
    let not_its_own = of_old.as_array().unwrap().iter().find(|run| run["dag_id"] == "both");
    assert_eq!(not_its_own.expect("it was consumed")["triggering"], false);
    for (body, status) in [
        (json!({"asset_id": 999}), 404),
        (json!({}), 422),
        (json!({"asset_id": rows, "extra": 1}), 422),
        (json!({"asset_id": rows, "partition_key": "x"}), 422),
        (json!({"asset_id": rows, "extra": {"x": "y".repeat(70_000)}}), 422),
        (json!({"asset_id": rows, "more": 1}), 422),
    ] {
        server.post("/api/v2/assets/events", &body).await.expect(status);
    }
}

#[tokio::test]
async fn queued_events_can_be_deleted() {
    let server = prepared().await;
    let model = asset(&server, "model").await["id"].clone();
    let of_both = format!("/api/v2/dags/both/assets/{model}/queuedEvents");
    let delete = async |path: &str| server.delete(path).await;
    delete(&format!("{of_both}?before=2000-01-01T00:00:00Z")).await.expect(404);
    delete("/api/v2/dags/nothing/assets/queuedEvents").await.expect(404);
    delete(&of_both).await.expect(204);
    server.get(&of_both).await.expect(404);
    delete(&format!("/api/v2/assets/{model}/queuedEvents")).await.expect(404);
    let rows = asset(&server, "rows").await["id"].clone();
    server.post("/api/v2/assets/events", &json!({"asset_id": rows})).await.expect(200);
    delete("/api/v2/dags/both/assets/queuedEvents").await.expect(204);
    assert_eq!(server.get("/api/v2/dags/both/dagRuns").await.expect(200)["total_entries"], 0);
}

#[tokio::test]
async fn an_asset_is_made_by_the_dag_that_writes_it() {
    let server = prepared().await;
    let model = asset(&server, "model").await["id"].clone();
    let path = format!("/api/v2/assets/{model}/materialize");
    let run = server.post(&path, &json!({})).await.expect(200);
    assert_eq!(run["dag_id"], "spec_asset_producer");
    assert_eq!(run["run_type"], "asset_materialization");
    let run_id = run["dag_run_id"].as_str().expect("a name");
    assert!(run_id.starts_with("asset_materialization__"), "{run_id}");
    server.post("/api/v2/assets/999/materialize", &json!({})).await.expect(404);
    let second = "
dag_id: another
tasks: {a: {operator: bash, bash_command: 'echo a', outlets: [model]}}
";
    server.leader.lock().await.load(second).await;
    server.post(&path, &json!({})).await.expect(409);
    // Nobody writes it any more.
    let none = "
dag_id: late
tasks: {a: {operator: bash, bash_command: 'echo a', inlets: [rows]}}
";
    server.leader.lock().await.load(none).await;
    let rows = asset(&server, "rows").await["id"].clone();
    server.post(&format!("/api/v2/assets/{rows}/materialize"), &json!({})).await.expect(404);
}
