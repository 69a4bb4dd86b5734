//! What changes things: triggers, clears, marks, notes, pools, variables, connections.

use millrace_core::wire::Outcome;
use serde_json::{Value, json};

use super::harness::Server;

const RUNS: &str = "/api/v2/dags/spec_demo/dagRuns";

#[tokio::test]
async fn wrong_params_are_told_by_their_place() {
    let server = Server::start().await;
    let check = async |body: Value, loc: Value, input: Value| {
        let got = server.post(RUNS, &body).await.expect(422);
        assert_eq!(got["detail"][0]["loc"], loc, "{got}");
        assert_eq!(got["detail"][0]["input"], input, "{got}");
    };
    let conf = |conf: Value| json!({"logical_date": null, "conf": conf});
    let body = conf(json!({"grid": {"depth": "3"}}));
    check(body, json!(["body", "conf", "grid", "depth"]), json!("3")).await;
    let body = conf(json!({"grid": {"depth": [1, "a"]}}));
    check(body, json!(["body", "conf", "grid", "depth", 1]), json!("a")).await;
    let body = json!({"logical_date": "2025-03-01T00:00:00"});
    check(body, json!(["body", "logical_date"]), json!("2025-03-01T00:00:00")).await;
    let body = json!({"logical_date": null, "dag_run_id": "a/../b"});
    check(body, json!(["body", "dag_run_id"]), json!("a/../b")).await;
    let body = json!({"logical_date": null, "state": "success"});
    check(body, json!(["body", "state"]), json!("success")).await;
    let runs = server.get(RUNS).await.expect(200);
    let manual = |run: &&Value| run["run_type"] == "manual";
    let runs = runs["dag_runs"].as_array().expect("runs");
    assert_eq!(runs.iter().filter(manual).count(), 0, "nothing was created");
}

#[tokio::test]
async fn hostile_texts_are_kept_as_texts_or_refused() {
    let server = Server::start().await;
    for text in ["\"; id #", "$(id)", "`id`", "a\nb", "a\0b", "{{7*7}}", "../../etc", "-rf"] {
        let body = json!({"logical_date": null, "dag_run_id": text});
        server.post(RUNS, &body).await.expect(422);
        let body = json!({"logical_date": null, "note": text, "conf": {"note": text}});
        let run = server.post(RUNS, &body).await.expect(200);
        assert_eq!((&run["note"], &run["conf"]["note"]), (&json!(text), &json!(text)));
        let escaped = text.bytes().fold(String::new(), |path, byte| format!("{path}%{byte:02X}"));
        for path in [format!("/api/v2/dags/{escaped}"), format!("{RUNS}/{escaped}")] {
            server.get(&path).await.expect(404);
        }
        for name in ["dag_id_pattern", "order_by", "tags", "owners"] {
            let got = server.get(&format!("/api/v2/dags?{name}={escaped}")).await;
            assert!([200, 400].contains(&got.status.as_u16()), "{name} {text:?}: {}", got.text);
        }
        server.clock.forward(1);
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let server = Server::start().await;
    let send = async |key: &str| {
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(RUNS)
            .header("authorization", format!("Bearer {}", server.admin))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(axum::body::Body::from(json!({"logical_date": null}).to_string()))
            .expect("a request");
        server.send(request).await.expect(200)["dag_run_id"].clone()
    };
    let first = send("a").await;
    assert_eq!(first, send("a").await);
    assert_ne!(first, send("b").await);
}

#[tokio::test]
async fn without_a_scheduler_an_order_is_safe_and_waits() {
    let server = Server::leaderless().await;
    server.leader.lock().await.load(super::harness::DEMO).await;
    let leader = server.store.leader().await.expect("asks").expect("a row");
    server.store.release(leader.epoch).await.expect("releases");
    let body = json!({"logical_date": "2025-03-01T00:00:00Z", "dag_run_id": "r", "note": "n"});
    let run = server.post(RUNS, &body).await.expect(200);
    assert_eq!(run["state"], "queued");
    assert_eq!(run["data_interval_end"], "2025-03-01T00:00:00Z");
    assert_eq!(server.get(&format!("{RUNS}/r")).await.expect(200), run);
    let pending = millrace_store::inbox::pending(&server.store).await.expect("reads");
    assert_eq!(pending.len(), 1);
    // The same again, while the first one waits, is the first one.
    assert_eq!(server.post(RUNS, &body).await.expect(200)["dag_run_id"], "r");
    assert_eq!(millrace_store::inbox::pending(&server.store).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_dry_run_shows_what_a_clear_then_does() {
    let server = Server::start().await;
    server.finished_run("r").await;
    let path = "/api/v2/dags/spec_demo/clearTaskInstances";
    let clear = |dry: bool, more: Value| {
        let mut body = json!({"dry_run": dry, "dag_run_id": "r", "only_failed": false});
        for (key, value) in more.as_object().expect("a map") {
            body[key] = value.clone();
        }
        body
    };
    let names = |got: &Value| -> Vec<String> {
        let tis = got["task_instances"].as_array().expect("a list");
        tis.iter().map(|ti| ti["task_id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let check = async |more: Value, expected: &[&str]| {
        let got = server.post(path, &clear(true, more.clone())).await.expect(200);
        assert_eq!(names(&got), expected, "{more}");
    };
    check(json!({"task_ids": ["join"], "include_downstream": true}), &["join", "flaky"]).await;
    check(json!({"task_ids": [["train", -1]]}), &["train"]).await;
    check(json!({"only_failed": true}), &["flaky"]).await;
    check(json!({"task_ids": ["train"], "include_upstream": true}), &["start", "branch", "train"])
        .await;
    let body = clear(false, json!({"task_ids": ["flaky"]}));
    let got = server.post(path, &body).await.expect(200);
    assert_eq!(names(&got), ["flaky"]);
    let run = server.get(&format!("{RUNS}/r")).await.expect(200);
    assert!(["queued", "running"].contains(&run["state"].as_str().expect("a state")), "{run}");
    server.leader.lock().await.work(|_| Outcome::Success).await;
    assert_eq!(server.get(&format!("{RUNS}/r")).await.expect(200)["state"], "success");
    let tries = server.get(&format!("{RUNS}/r/taskInstances/flaky/tries")).await.expect(200);
    assert_eq!(tries["total_entries"], 3);
    let body = clear(true, json!({"task_ids": ["flakey"]}));
    let text = server.post(path, &body).await.expect(404).to_string();
    assert!(text.contains("flaky"), "{text}");
}

#[tokio::test]
async fn several_runs_and_whole_groups() {
    let server = Server::start().await;
    for (run, date) in [("r1", "2025-03-01"), ("r2", "2025-03-02"), ("r3", "2025-03-03")] {
        server.finished_run_of(run, &format!("{date}T00:00:00Z")).await;
    }
    let places = |got: &Value| -> Vec<String> {
        let tis = got["task_instances"].as_array().expect("a list");
        tis.iter().map(|ti| format!("{}.{}", ti["dag_run_id"], ti["task_id"])).collect()
    };
    let path = "/api/v2/dags/spec_demo/clearTaskInstances";
    let check = async |more: Value, expected: &[&str]| {
        let mut body = json!({"dag_run_id": "r2", "task_ids": ["flaky"]});
        for (key, value) in more.as_object().expect("a map") {
            body[key] = value.clone();
        }
        let got = server.post(path, &body).await.expect(200);
        let got = places(&got).into_iter().map(|text| text.replace('"', ""));
        // The schedule's own run is later than all of them.
        let got: Vec<String> = got.filter(|text| text.starts_with('r')).collect();
        assert_eq!(got, expected, "{more}");
    };
    check(json!({}), &["r2.flaky"]).await;
    check(json!({"include_past": true}), &["r1.flaky", "r2.flaky"]).await;
    check(json!({"include_future": true}), &["r2.flaky", "r3.flaky"]).await;
    check(json!({"only_running": true, "only_failed": false}), &[]).await;
    let all = ["r1.flaky", "r2.flaky", "r3.flaky"];
    check(json!({"include_past": true, "include_future": true, "dry_run": false}), &all).await;
    for run in ["r1", "r2", "r3"] {
        let got = server.get(&format!("{RUNS}/{run}")).await.expect(200);
        assert_ne!(got["state"], "failed", "{got}");
    }
    let ti = format!("{RUNS}/r2/taskInstances/flaky");
    let body = json!({"new_state": "success", "include_past": true});
    let got = server.patch(&ti, &body).await.expect(200);
    assert_eq!(got["total_entries"], 2);
    assert_eq!(server.get(&format!("{RUNS}/r1")).await.expect(200)["state"], "success");

    let runs = "/api/v2/dags/spec_demo/clearDagRuns";
    let body = json!({"dag_runs": [{"dag_run_id": "r1"}, {"dag_run_id": "r2"}]});
    let got = server.post(runs, &body).await.expect(200);
    assert_eq!(got["total_entries"].as_u64().expect("a number") % 2, 0);
    assert_eq!(server.get(&format!("{RUNS}/r1")).await.expect(200)["state"], "success");
    let body = json!({"dag_runs": [{"dag_run_id": "r1"}, {"dag_run_id": "r2"}], "dry_run": false});
    let got = server.post(runs, &body).await.expect(200);
    assert_eq!(got["dag_runs"].as_array().map(Vec::len), Some(2));
    assert_ne!(got["dag_runs"][0]["state"], "success");
    server.post(runs, &json!({"dag_runs": [{"dag_run_id": "r9"}]})).await.expect(404);
}

#[tokio::test]
async fn a_whole_group_is_marked() {
    let server = Server::start().await;
    let text = "
dag_id: grouped
is_paused_upon_creation: false
tasks:
  last: {operator: bash, needs: [prep], bash_command: echo}
task_groups:
  prep:
    tasks:
      a: {operator: bash, bash_command: echo}
      b: {operator: bash, needs: [a], bash_command: echo}
";
    server.leader.lock().await.load(text).await;
    let runs = "/api/v2/dags/grouped/dagRuns";
    let body = json!({"logical_date": null, "dag_run_id": "r"});
    server.post(runs, &body).await.expect(200);
    let body = json!({"new_state": "success"});
    let group = format!("{runs}/r/taskGroupInstances/prep");
    let dry = server.patch(&format!("{group}/dry_run"), &body).await.expect(200);
    assert_eq!(dry["total_entries"], 2);
    assert_ne!(
        server.get(&format!("{runs}/r/taskInstances/prep.a")).await.expect(200)["state"],
        "success"
    );
    let got = server.patch(&group, &body).await.expect(200);
    for ti in got["task_instances"].as_array().expect("a list") {
        assert_eq!(ti["state"], "success", "{ti}");
    }
    server.leader.lock().await.work(|_| Outcome::Success).await;
    assert_eq!(server.get(&format!("{runs}/r")).await.expect(200)["state"], "success");
    let nope = format!("{runs}/r/taskGroupInstances/nope");
    server.patch(&nope, &body).await.expect(404);
    let clear = "/api/v2/dags/grouped/clearTaskInstances";
    let body = json!({"dag_run_id": "r", "task_ids": ["prep"], "only_failed": false});
    assert_eq!(server.post(clear, &body).await.expect(200)["total_entries"], 2);
}

#[tokio::test]
async fn marks_notes_and_deletes() {
    let server = Server::start().await;
    server.finished_run("r").await;
    let ti = format!("{RUNS}/r/taskInstances/flaky");
    let body = json!({"new_state": "success", "note": "by hand"});
    let dry = server.patch(&format!("{ti}/dry_run"), &json!({"new_state": "success"})).await;
    assert_eq!(dry.expect(200)["total_entries"], 1);
    assert_eq!(server.get(&ti).await.expect(200)["state"], "failed", "a dry run changes nothing");
    let got = server.patch(&ti, &body).await.expect(200);
    assert_eq!(got["task_instances"][0]["state"], "success");
    let got = server.get(&ti).await.expect(200);
    assert_eq!((&got["state"], &got["note"]), (&json!("success"), &json!("by hand")));
    let run = format!("{RUNS}/r");
    let got = server.patch(&run, &json!({"note": "x", "state": "success"})).await.expect(200);
    assert_eq!((&got["state"], &got["note"]), (&json!("success"), &json!("x")));
    let got = server.patch(&run, &json!({"note": null})).await.expect(200);
    assert_eq!(got["note"], Value::Null);
    server.patch(&run, &json!({"state": "running"})).await.expect(422);
    assert_eq!(server.delete(&run).await.status, 204);
    server.get(&run).await.expect(404);
    server.delete(&run).await.expect(404);
}

#[tokio::test]
async fn secrets_go_in_and_never_out() {
    let server = Server::start().await;
    let canary = "c4n4ry-s3cr3t";
    let body = json!({
        "connection_id": "c1", "conn_type": "mysql", "host": "h", "login": "u", "port": 3306,
        "password": canary, "extra": {"api_key": canary, "a": 1},
    });
    let mut seen = vec![server.post("/api/v2/connections", &body).await.expect(201)];
    let body = json!({"connection_id": "c1", "conn_type": "mysql", "host": "h2",
        "password": "***", "extra": "{\"api_key\": \"***\", \"a\": 2}"});
    seen.push(server.patch("/api/v2/connections/c1", &body).await.expect(200));
    let body = json!({"key": "db_password", "value": canary});
    seen.push(server.post("/api/v2/variables", &body).await.expect(201));
    let body = json!({"key": "settings", "value": {"token": canary, "b": 1}});
    seen.push(server.post("/api/v2/variables", &body).await.expect(201));
    for path in ["connections", "connections/c1", "variables", "variables/db_password", "eventLogs"]
    {
        seen.push(server.get(&format!("/api/v2/{path}")).await.expect(200));
    }
    let wrong = json!({"connection_id": "c2", "conn_type": "x", "extra": format!("{{{canary}")});
    seen.push(server.post("/api/v2/connections", &wrong).await.expect(422));
    for answer in seen {
        assert!(!answer.to_string().contains(canary), "{answer}");
    }
    let stored = millrace_store::connection::get(&server.store, "c1").await.expect("reads");
    let stored = stored.expect("it is there");
    assert_eq!(stored.password.as_deref(), Some(canary), "the mask changes nothing");
    assert_eq!(stored.extra["api_key"], canary);
    assert_eq!(stored.extra["a"], 2);
    assert_eq!(stored.host.as_deref(), Some("h2"));
}

#[tokio::test]
async fn pools_change_through_the_scheduler() {
    let server = Server::start().await;
    let body = json!({"name": "gpu", "slots": 4, "description": "g"});
    server.post("/api/v2/pools", &body).await.expect(201);
    server.post("/api/v2/pools", &body).await.expect(409);
    let body = json!({"slots": 2});
    let got = server.patch("/api/v2/pools/gpu?update_mask=slots", &body).await.expect(200);
    assert_eq!((&got["slots"], &got["description"]), (&json!(2), &json!("g")));
    assert_eq!(server.get("/api/v2/pools/gpu").await.expect(200)["slots"], 2);
    server.patch("/api/v2/pools/gpu", &json!({"slots": -2})).await.expect(422);
    assert_eq!(server.delete("/api/v2/pools/gpu").await.status, 204);
    server.get("/api/v2/pools/gpu").await.expect(404);
    server.delete("/api/v2/pools/default_pool").await.expect(400);
}

#[tokio::test]
async fn every_change_of_a_setting_says_who_made_it() {
    let server = Server::start().await;
    let body = json!({"key": "region", "value": "seoul"});
    server.post("/api/v2/variables", &body).await.expect(201);
    server.patch("/api/v2/variables/region", &body).await.expect(200);
    let actions = json!([
        {"action": "create", "entities": [{"key": "more", "value": "1"}]},
        {"action": "delete", "entities": ["more"]},
    ]);
    server.patch("/api/v2/variables", &json!({"actions": actions})).await.expect(200);
    let body = json!({"connection_id": "c1", "conn_type": "http", "host": "h"});
    server.post("/api/v2/connections", &body).await.expect(201);
    assert_eq!(server.delete("/api/v2/connections/c1").await.status, 204);
    assert_eq!(server.delete("/api/v2/connections/c1").await.status, 404);
    server.post("/api/v2/pools", &json!({"name": "gpu", "slots": 4})).await.expect(201);
    assert_eq!(server.delete("/api/v2/pools/gpu").await.status, 204);
    let expected = [
        ("variable_set", "region"),
        ("variable_set", "region"),
        ("variable_set", "more"),
        ("variable_deleted", "more"),
        ("connection_set", "c1"),
        ("connection_deleted", "c1"),
        ("pool_set", "gpu"),
        ("pool_deleted", "gpu"),
    ];
    let of_settings = |event: &&Value| {
        let kind = event["event"].as_str().unwrap_or_default();
        ["variable_", "connection_", "pool_"].iter().any(|part| kind.starts_with(part))
    };
    let found = super::harness::eventually(async || {
        let got = server.get("/api/v2/eventLogs?order_by=event_log_id").await.expect(200);
        let events = got["event_logs"].as_array().expect("a list").clone();
        let mut found: Vec<Value> = events.iter().filter(of_settings).cloned().collect();
        found.retain(|event| !event["extra"].to_string().contains("default_pool"));
        (found.len() >= expected.len()).then_some(found)
    })
    .await;
    for (event, (kind, name)) in found.iter().zip(expected) {
        assert_eq!(event["event"], kind, "{found:?}");
        assert_eq!(event["owner"], "admin", "{event}");
        assert!(event["extra"].to_string().contains(name), "{event}");
        assert!(!event.to_string().contains("seoul"), "{event}");
    }
}

#[tokio::test]
async fn bodies_have_limits() {
    let server = Server::start().await;
    let note = "x".repeat(2 << 20);
    let body = json!({"logical_date": null, "note": note});
    assert_eq!(server.post(RUNS, &body).await.status, 413);
    let request = axum::http::Request::builder()
        .method("POST")
        .uri(RUNS)
        .header("authorization", format!("Bearer {}", server.admin))
        .header("content-type", "text/plain")
        .body(axum::body::Body::from("{\"logical_date\": null}"))
        .expect("a request");
    assert_eq!(server.send(request).await.status, 415);
    for limit in ["1000000000", "100"] {
        server.get(&format!("{RUNS}?limit={limit}")).await.expect(200);
    }
    server.get(&format!("{RUNS}?limit=x")).await.expect(422);
    server.get(&format!("{RUNS}?order_by=state;--")).await.expect(400);
    server.get(&format!("{RUNS}?state=done")).await.expect(422);
}

#[tokio::test]
async fn waiting_ends_with_the_run_and_its_results() {
    let server = Server::start().await;
    server.finished_run("r").await;
    let got = server.get(&format!("{RUNS}/r/wait?interval=1&result=train&result=flaky")).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> =
        got.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = json!({"state": "failed", "results": {"train": {"rows": 7}, "flaky": null}});
    assert_eq!(lines.last(), Some(&expected));
}
