//! The dashboard's own routes and files.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use futures_util::StreamExt as _;
use millrace_core::wire::Outcome;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::harness::{Server, eventually};

#[tokio::test]
async fn the_list_of_dags_is_one_answer() {
    let server = Server::start().await;
    server.finished_run("my_run-1").await;
    let list = server.get("/api/v1/dags").await.expect(200);
    assert_eq!(list["total_entries"], 1);
    assert_eq!(list["tags"], json!(["demo", "mlops"]));
    let dag = &list["dags"][0];
    assert_eq!(dag["dag_id"], "spec_demo");
    assert_eq!(dag["schedule"], "0 3 * * *");
    assert_eq!(dag["schedule_words"], "At 03:00");
    assert_eq!(dag["owner"], "ml");
    assert_eq!(dag["active_runs"], 0);
    let last = dag["last_runs"].as_array().expect("runs").last().expect("a run");
    assert_eq!(last["run_id"], "my_run-1");
    assert_eq!(last["state"], "failed");
    let check = async |query: &str, expected: usize| {
        let list = server.get(&format!("/api/v1/dags?{query}")).await.expect(200);
        assert_eq!(list["dags"].as_array().map(Vec::len), Some(expected), "{query}");
    };
    check("q=SPEC", 1).await;
    check("q=nothing", 0).await;
    check("tag=demo", 1).await;
    check("tag=other", 0).await;
    check("q=%25", 1).await;
}

#[tokio::test]
async fn the_grid_has_a_byte_a_cell() {
    let server = Server::start().await;
    server.finished_run("my_run-1").await;
    let grid = server.get("/api/v1/dags/spec_demo/grid?runs=30").await.expect(200);
    let tasks = grid["tasks"].as_array().expect("tasks");
    let runs = grid["runs"].as_array().expect("runs");
    let names: Vec<&str> = tasks.iter().filter_map(|task| task["task_id"].as_str()).collect();
    assert_eq!(names, ["start", "branch", "train", "skip_me", "join", "flaky"]);
    let cells = grid["cells"].as_str().expect("a text");
    let cells = base64::engine::general_purpose::STANDARD.decode(cells).expect("base64");
    assert_eq!(cells.len(), tasks.len() * runs.len());
    let column = runs.iter().position(|run| run["run_id"] == "my_run-1").expect("the run");
    let states: Vec<&str> = (0..tasks.len())
        .map(|row| usize::from(cells[column * tasks.len() + row]))
        .map(|index| grid["states"][index].as_str().unwrap_or("none"))
        .collect();
    assert_eq!(states, ["success", "success", "success", "skipped", "success", "failed"]);
}

#[tokio::test]
async fn the_graph_comes_with_places() {
    let server = Server::start().await;
    let graph = server.get("/api/v1/dags/spec_demo/graph").await.expect(200);
    assert_eq!(graph["version_number"], 1);
    assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(6));
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(6));
    assert_eq!(graph, server.get("/api/v1/dags/spec_demo/graph?version=1").await.expect(200));
    server.get("/api/v1/dags/spec_demo/graph?version=9").await.expect(404);
    let params = server.get("/api/v1/dags/spec_demo/params").await.expect(200);
    assert_eq!(params["defaults"], json!({"x": 1, "grid": {"depth": [4, 6]}}));
    assert_eq!(params["schema"]["properties"]["grid"]["type"], "object");
}

#[tokio::test]
async fn reasons_come_from_the_engine() {
    let server = Server::start().await;
    let body = json!({"logical_date": null, "dag_run_id": "r"});
    server.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200);
    let why = |task: &str| format!("/api/v1/dags/spec_demo/runs/r/explain/{task}?map_index=-1");
    let branch = server.get(&why("train")).await.expect(200);
    assert_eq!(branch["state"], Value::Null);
    let text = branch["reasons"][0]["text"].as_str().expect("a text");
    assert!(text.contains("branch"), "{text}");
    server.leader.lock().await.work(|_| Outcome::Success).await;
    let done = server.get(&why("train")).await.expect(200);
    assert_eq!(done["state"], "success");
    server.get(&why("nothing")).await.expect(404);
}

#[tokio::test]
async fn logs_of_one_try_are_one_text() {
    let server = Server::start().await;
    let body = json!({"logical_date": null, "dag_run_id": "r"});
    server.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200);
    let path = "/api/v1/dags/spec_demo/runs/r/tasks/branch/log?try_number=1";
    {
        let mut leader = server.leader.lock().await;
        let (run, key) = leader.start_branch("r").await;
        leader.write_log(run, key, "first", true);
        leader.lose(key).await;
        server.clock.forward(600);
        leader.tick().await;
        let (run, key) = leader.start_branch("r").await;
        leader.write_log(run, key, "second", false);
    }
    let first = server.get(path).await.expect(200);
    let text = first["text"].as_str().expect("a text");
    let expected = ["first", "---- hand-out 2 of this try ----", "second"];
    assert!(expected.iter().all(|part| text.contains(part)), "{first}");
    assert_eq!(first["complete"], false);
    assert_eq!(first["next_offset"], text.len());
    for from in [1, 30, 40, 60, 80, text.len()] {
        let rest = server.get(&format!("{path}&from={from}")).await.expect(200);
        assert_eq!(rest["text"].as_str(), text.get(from..), "from {from}");
        assert_eq!(rest["next_offset"], text.len());
    }
    let rendered = "/api/v1/dags/spec_demo/runs/r/tasks/branch/rendered?try_number=1";
    assert_eq!(server.get(rendered).await.expect(200), json!({"fields": {}}));
}

#[tokio::test]
async fn rendered_fields_are_texts() {
    let server = Server::start().await;
    server.finished_run("r").await;
    let path = "/api/v1/dags/spec_demo/runs/r/tasks/train/rendered?try_number=1&map_index=-1";
    let rendered = server.get(path).await.expect(200);
    assert_eq!(rendered["fields"]["bash_command"], "echo train");
}

/// Reads frames until one fits.
async fn frames_until(server: &Server, path: &str, part: &str) -> String {
    let request = Request::builder()
        .uri(path)
        .header("authorization", format!("Bearer {}", server.admin))
        .body(Body::empty())
        .expect("a request");
    let response = server.router.clone().oneshot(request).await.expect("answers");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(part) {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), body.next());
        let piece = next.await.expect("a frame in time").expect("a frame").expect("readable");
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    text
}

#[tokio::test]
async fn live_events_resume_at_a_cursor() {
    let server = Server::start().await;
    let (streamed, _) =
        tokio::join!(frames_until(&server, "/api/v1/events", "\"task_id\":\"branch\""), async {
            let body = json!({"logical_date": null, "dag_run_id": "r"});
            server.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200)
        });
    assert!(streamed.contains("\"kind\":\"hello\""), "{streamed}");
    assert!(streamed.contains("\"run_id\":\"r\""), "{streamed}");
    let again = frames_until(&server, "/api/v1/events?since=0", "\"task_id\":\"branch\"").await;
    let ids: Vec<i64> = again
        .lines()
        .filter_map(|line| line.strip_prefix("id: ").or_else(|| line.strip_prefix("id:")))
        .filter_map(|id| id.trim().parse().ok())
        .collect();
    assert!(ids.is_sorted() && ids.len() > 2, "{ids:?}");
    let frame = again.lines().find(|line| line.contains("\"kind\":\"ti\"")).expect("a ti event");
    let event: Value = serde_json::from_str(frame.trim_start_matches("data:")).expect("JSON");
    assert!(event["id"].is_i64() && event["state"].is_string(), "{event}");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let server = Server::start().await;
    let request = Request::builder()
        .uri("/api/v1/events")
        .header("authorization", format!("Bearer {}", server.admin))
        .body(Body::empty())
        .expect("a request");
    let response = server.router.clone().oneshot(request).await.expect("answers");
    server.stop.cancel();
    let read = axum::body::to_bytes(response.into_body(), 1 << 20);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
    assert!(ended.is_ok(), "the stream goes on");
}

#[tokio::test]
async fn pages_and_files() {
    let server = Server::leaderless().await;
    let check = async |method: Method, path: &str, status: u16, kind: &str| {
        let got = server.call_as("", method, path, &Value::Null).await;
        assert_eq!(got.status.as_u16(), status, "{path}");
        let found = got.headers["content-type"].to_str().expect("text");
        assert!(found.starts_with(kind), "{path}: {found}");
    };
    for path in ["/", "/dags", "/login", "/dags/a.b/runs/manual__2025-01-01T00:00:00.5+00:00"] {
        check(Method::GET, path, 200, "text/html").await;
    }
    check(Method::GET, "/assets/nothing.js", 404, "application/json").await;
    check(Method::GET, "/robots.txt", 404, "application/json").await;
    check(Method::POST, "/dags", 405, "application/json").await;
    check(Method::GET, "/api/v2/nothing", 401, "application/json").await;
    server.get("/api/v2/nothing").await.expect(404);
    server.get("/api/v1").await.expect(404);
}

#[tokio::test]
async fn pausing_is_seen_in_the_list() {
    let server = Server::start().await;
    let path = "/api/v2/dags/spec_demo?update_mask=is_paused";
    let dag = server.patch(path, &json!({"is_paused": true})).await.expect(200);
    assert_eq!(dag["is_paused"], true);
    eventually(|| async {
        let list = server.get("/api/v1/dags").await.expect(200);
        (list["dags"][0]["is_paused"] == true).then_some(())
    })
    .await;
}
