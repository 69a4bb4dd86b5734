//! Backfills over HTTP: Airflow's shapes and codes, the plan, and the progress.

use axum::http::Method;
use millrace_core::wire::Outcome;
use serde_json::{Value, json};

use super::harness::{Answer, Server};

const BACKFILLS: &str = "/api/v2/backfills";

async fn put(server: &Server, path: &str) -> Answer {
    server.call_as(&server.admin, Method::PUT, path, &Value::Null).await
}

fn three_days() -> Value {
    json!({"dag_id": "spec_demo", "from_date": "2025-01-01T00:00:00Z",
        "to_date": "2025-01-03T23:00:00Z", "max_active_runs": 2})
}

fn with(mut body: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().expect("a map") {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_backfill_lives_as_in_airflow() {
    let server = Server::start().await;
    let body = with(three_days(), &json!({"dag_run_conf": {"x": 7}}));
    let got = server.post(BACKFILLS, &body).await.expect(200);
    for (key, expected) in [
        ("id", json!(1)),
        ("dag_id", json!("spec_demo")),
        ("dag_display_name", json!("spec_demo")),
        ("from_date", json!("2025-01-01T00:00:00Z")),
        ("dag_run_conf", json!({"x": 7})),
        ("reprocess_behavior", json!("none")),
        ("max_active_runs", json!(2)),
        ("is_paused", json!(false)),
        ("completed_at", Value::Null),
    ] {
        assert_eq!(got[key], expected, "{key}");
    }
    assert_eq!(got.as_object().map(serde_json::Map::len), Some(12));
    let again = server.post(BACKFILLS, &three_days()).await.expect(409);
    assert_eq!(again["detail"], "There is already a running backfill for dag spec_demo");
    let path = format!("{BACKFILLS}/1");
    let paused = put(&server, &format!("{path}/pause")).await.expect(200);
    assert_eq!(paused["is_paused"], true);
    let on = put(&server, &format!("{path}/unpause")).await.expect(200);
    assert_eq!(on["is_paused"], false);
    let progress = server.get("/api/v1/backfills/1").await.expect(200);
    assert_eq!((&progress["state"], &progress["runs_active"]), (&json!("running"), &json!(2)));
    assert_eq!(progress["hold"]["text"], "backfill 1 runs 2 of 2 at once");
    let cancelled = put(&server, &format!("{path}/cancel")).await.expect(200);
    assert!(cancelled["completed_at"].is_string() && cancelled["is_paused"] == true);
    for action in ["pause", "unpause", "cancel"] {
        let late = put(&server, &format!("{path}/{action}")).await.expect(409);
        assert_eq!(late["detail"], "Backfill is already completed.");
        let none = put(&server, &format!("{BACKFILLS}/9/{action}")).await.expect(404);
        assert_eq!(none["detail"], "Could not find backfill with id 9");
    }
    put(&server, &format!("{path}/cancel?stop_running=true")).await.expect(200);
    let dates = server.get("/api/v1/backfills/1/dates").await.expect(200);
    let told = |key: &str| -> Vec<Value> {
        let dates = dates["dates"].as_array().expect("dates");
        dates.iter().map(|date| date[key].clone()).collect()
    };
    assert_eq!(told("state"), ["failed", "failed", "waiting"]);
    assert_eq!(told("dag_run_state"), [json!("failed"), json!("failed"), Value::Null]);
    let list = server.get(&format!("{BACKFILLS}?dag_id=spec_demo")).await.expect(200);
    assert_eq!((&list["total_entries"], &list["backfills"][0]["id"]), (&json!(1), &json!(1)));
    assert_eq!(server.get(&path).await.expect(200)["id"], 1);
    server.get(BACKFILLS).await.expect(422);
    server.get(&format!("{BACKFILLS}/9")).await.expect(404);
}

#[tokio::test]
async fn wrong_requests_are_told_by_their_field() {
    let server = Server::start().await;
    let check = async |more: Value, status: u16, expected: &str| {
        for path in [BACKFILLS, "/api/v2/backfills/dry_run", "/api/v1/backfills/plan"] {
            let got = server.post(path, &with(three_days(), &more)).await.expect(status);
            assert!(got.to_string().contains(expected), "{more}: {got}");
        }
    };
    check(json!({"dag_id": "nothing"}), 404, "Could not find dag nothing").await;
    check(json!({"to_date": "2024-01-01T00:00:00Z"}), 422, "from_date").await;
    check(
        json!({"from_date": "2030-01-01T00:00:00Z", "to_date": "2031-01-01T00:00:00Z"}),
        422,
        "future dates",
    )
    .await;
    check(json!({"reprocess_behavior": "all"}), 422, "'failed', 'completed' or 'none'").await;
    check(json!({"max_active_runs": 0}), 422, "max_active_runs must be from 1 to 1000").await;
    check(json!({"dag_run_conf": {"grid": {"depth": ["x"]}}}), 422, "dag_run_conf").await;
    check(json!({"from_date": "soon"}), 422, "valid datetime").await;
    check(json!({"max_runs": 3}), 422, "Extra inputs are not permitted").await;
    let once =
        super::harness::DEMO.replace("spec_demo", "spec_once").replace("'0 3 * * *'", "null");
    server.leader.lock().await.load(&once).await;
    check(json!({"dag_id": "spec_once"}), 422, "non-periodic schedule").await;
    let closed = super::harness::DEMO
        .replace("spec_demo", "spec_closed")
        .replace("params:", "allowed_run_types: [scheduled]\nparams:");
    server.leader.lock().await.load(&closed).await;
    check(json!({"dag_id": "spec_closed"}), 400, "does not allow backfill runs").await;
    let body = json!({"logical_date": null});
    let got = server.post("/api/v2/dags/spec_closed/dagRuns", &body).await.expect(400);
    assert_eq!(got["detail"], "Dag with dag_id: 'spec_closed' does not allow manual runs");
    let dag = server.get("/api/v2/dags/spec_closed/details").await.expect(200);
    assert_eq!(dag["allowed_run_types"], json!(["scheduled"]));
    assert_eq!(dag["is_backfillable"], false);
    let list = server.get("/api/v2/dags?dag_id_pattern=spec_closed").await.expect(200);
    assert_eq!(list["dags"][0]["allowed_run_types"], json!(["scheduled"]));
    assert_eq!(list["dags"][0]["is_backfillable"], false);
    assert_eq!(
        server.get(&format!("{BACKFILLS}?dag_id=spec_demo")).await.expect(200)["total_entries"],
        0
    );
    let viewer = server.token("viewer").await;
    let refused = server.call_as(&viewer, Method::POST, BACKFILLS, &three_days()).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn the_plan_is_what_then_happens() {
    let server = Server::start().await;
    // Runs at 03:00 of the second day, failed, and of a day outside.
    server.finished_run("r").await;
    let body = json!({"logical_date": "2025-01-02T03:00:00Z", "dag_run_id": "old"});
    server.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200);
    let body = json!({"state": "failed"});
    server.patch("/api/v2/dags/spec_demo/dagRuns/old", &body).await.expect(200);
    let plan = async |reprocess: &str| {
        let body = with(three_days(), &json!({"reprocess_behavior": reprocess}));
        server.post("/api/v1/backfills/plan", &body).await.expect(200)
    };
    let missing = plan("none").await;
    assert_eq!(missing["counts"]["create"], 2);
    assert_eq!(missing["dates"][1]["action"], "skip");
    assert_eq!(missing["dates"][1]["reason"], "already exists");
    let failed = plan("failed").await;
    let counts = json!({"total": 3, "missing": 2, "failed": 1, "succeeded": 0, "in_flight": 0,
        "create": 2, "rerun": 1, "skip": 0});
    assert_eq!(failed["counts"], counts);
    assert_eq!(failed["dates"][1]["run_id"], "old");
    assert_eq!(failed["expected_secs"], Value::Null, "no run has succeeded yet");
    let body = with(three_days(), &json!({"reprocess_behavior": "none"}));
    let dry = server.post("/api/v2/backfills/dry_run", &body).await.expect(200);
    assert_eq!(dry["total_entries"], 2);
    assert_eq!(dry["backfills"][1]["logical_date"], "2025-01-03T03:00:00Z");
    let body = with(three_days(), &json!({"reprocess_behavior": "failed"}));
    server.post(BACKFILLS, &body).await.expect(200);
    server.leader.lock().await.work(|_| Outcome::Success).await;
    let done = server.get("/api/v1/dags/spec_demo/backfills").await.expect(200);
    let done = &done["backfills"][0];
    assert_eq!((&done["state"], &done["runs_succeeded"]), (&json!("completed"), &json!(3)));
    let old = server.get("/api/v2/dags/spec_demo/dagRuns/old").await.expect(200);
    assert_eq!((&old["run_type"], &old["state"]), (&json!("backfill"), &json!("success")));
    let name = "/api/v2/dags/spec_demo/dagRuns/backfill__2025-01-01T03:00:00+00:00";
    let made = server.get(name).await.expect(200);
    assert_eq!(made["triggered_by"], "backfill");
    let again = plan("none").await;
    assert_eq!((&again["counts"]["skip"], &again["expected_secs"]), (&json!(3), &json!(0.0)));
}
