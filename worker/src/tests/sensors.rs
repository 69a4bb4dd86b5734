//! One poke of each kind of sensor, on real files, servers and databases.

use millrace_core::connection::Connection;
use millrace_core::wire::{Assignment, Outcome};
use serde_json::{Value, json};

use crate::testing::server::Server;
use crate::testing::{TestWorker, assignment, key, mariadb, task, with_task};

fn sensor(ti: i64, config: &Value) -> Assignment {
    assignment(ti, task("sensor", config))
}

/// Pokes once; how it ended and what it said.
async fn poke(worker: &TestWorker, assignment: Assignment) -> (Outcome, String, Value) {
    let mut result = worker.run(assignment).await;
    let value = result.xcoms.remove("return_value").unwrap_or(Value::Null);
    (result.outcome, result.reason.unwrap_or_default(), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn files() {
    let worker = TestWorker::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = |ti, name: &str, more: Value| {
        let mut config = json!({ "file": path(name) });
        config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        sensor(ti, &config)
    };
    let (outcome, reason, _) = poke(&worker, file(1, "a.csv", json!({}))).await;
    assert_eq!(outcome, Outcome::NotYet);
    assert!(reason.ends_with("a.csv: nothing is there"), "{reason}");
    std::fs::write(path("a.csv"), "12345").expect("written");
    let (outcome, _, value) = poke(&worker, file(2, "a.csv", json!({}))).await;
    assert_eq!((outcome, value), (Outcome::Success, json!([path("a.csv")])));
    let (outcome, reason, _) = poke(&worker, file(3, "*.csv", json!({"min_size": 6}))).await;
    assert_eq!(outcome, Outcome::NotYet);
    assert!(reason.ends_with("a.csv has 5 of 6 bytes"), "{reason}");
    let (outcome, reason, _) = poke(&worker, file(4, "a.csv", json!({"min_age": 3600}))).await;
    assert_eq!(outcome, Outcome::NotYet);
    assert!(reason.contains("not yet 3600 s"), "{reason}");
    let (outcome, _, value) = poke(&worker, file(5, "?.csv", json!({"min_size": 5}))).await;
    assert_eq!((outcome, value), (Outcome::Success, json!([path("a.csv")])));
    std::fs::create_dir(path("in")).expect("a folder");
    let (outcome, reason, _) = poke(&worker, file(6, "in", json!({}))).await;
    assert_eq!(outcome, Outcome::NotYet);
    assert!(reason.ends_with("in is empty"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands() {
    let worker = TestWorker::start();
    let check = async |ti, config: Value, expected: Outcome| {
        let (outcome, reason, _) = poke(&worker, sensor(ti, &config)).await;
        assert_eq!(outcome, expected, "{config}: {reason}");
    };
    check(1, json!({"bash_command": "echo ready"}), Outcome::Success).await;
    check(2, json!({"bash_command": "exit 3"}), Outcome::NotYet).await;
    let only = json!({"bash_command": "exit 3", "retry_exit_code": 4});
    check(3, only, Outcome::Failed).await;
    let only = json!({"bash_command": "exit 4", "retry_exit_code": 4});
    check(4, only, Outcome::NotYet).await;
    check(5, json!({"bash_command": "kill -9 $$"}), Outcome::NotYet).await;
    check(6, json!({"code": "raise SystemExit(1)"}), Outcome::NotYet).await;
    check(7, json!({"code": "print('there')"}), Outcome::Success).await;
    assert!(!worker.link.lock().closed.contains(&key(2)), "a log that goes on has no end");
    assert!(worker.link.lock().closed.contains(&key(1)), "the last poke ends it");
    let slow = with_task(sensor(8, &json!({"bash_command": "sleep 60"})), |task| {
        task.execution_timeout_secs = Some(0.2);
    });
    let (outcome, reason, _) = poke(&worker, slow).await;
    assert_eq!(outcome, Outcome::Failed, "a poke has the task's execution_timeout: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers() {
    let worker = TestWorker::start();
    let server = Server::start(&[
        ("/ok", "200 OK", r#"{"state": "done"}"#),
        ("/busy", "200 OK", r#"{"state": "busy"}"#),
        ("/bad", "500 Internal Server Error", ""),
    ])
    .await;
    let ask = |ti, path: &str, more: Value| {
        let mut config = json!({ "url": format!("{}{path}", server.base) });
        config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        sensor(ti, &config)
    };
    let done = json!({
        "response_check": "response.json().state == 'done'", "poke_interval": 5, "timeout": 60,
    });
    let (outcome, _, value) = poke(&worker, ask(1, "/ok", done.clone())).await;
    assert_eq!((outcome, value), (Outcome::Success, json!({"state": "done"})));
    let (outcome, reason, _) = poke(&worker, ask(2, "/busy", done)).await;
    assert_eq!(outcome, Outcome::NotYet);
    assert!(reason.contains("`response_check` is false"), "{reason}");
    let (outcome, reason, _) = poke(&worker, ask(3, "/none", json!({}))).await;
    assert_eq!(outcome, Outcome::NotYet, "{reason}");
    let (outcome, reason, _) = poke(&worker, ask(4, "/bad", json!({}))).await;
    assert_eq!(outcome, Outcome::Failed, "{reason}");
    let patient = json!({"not_yet_status": ["404", "5xx"]});
    let (outcome, reason, _) = poke(&worker, ask(5, "/bad", patient)).await;
    assert_eq!(outcome, Outcome::NotYet, "{reason}");
    let nobody = sensor(6, &json!({"url": "http://127.0.0.1:9/x"}));
    let (outcome, reason, _) = poke(&worker, nobody).await;
    assert_eq!(outcome, Outcome::Failed, "{reason}");
    assert!(reason.contains("nobody listens"), "{reason}");
    // An `http` task with `poke_interval` is a sensor too.
    let url = format!("{}/none", server.base);
    let again = json!({"url": url, "method": "GET", "poke_interval": 5, "poke_timeout": 60});
    let (outcome, reason, _) = poke(&worker, assignment(7, task("http", &again))).await;
    assert_eq!(outcome, Outcome::NotYet, "{reason}");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows() {
    let worker = TestWorker::start();
    let connection: Connection = mariadb::database();
    worker.link.lock().connections.insert("db".to_owned(), connection);
    let check = async |ti, config: Value, expected: Outcome, said: &str| {
        let mut config = config;
        config["conn_id"] = json!("db");
        let (outcome, reason, _) = poke(&worker, sensor(ti, &config)).await;
        assert_eq!(outcome, expected, "{config}: {reason}");
        assert!(reason.contains(said), "{config}: {reason}");
    };
    check(1, json!({"sql": "SELECT 1"}), Outcome::Success, "").await;
    check(2, json!({"sql": "SELECT 0"}), Outcome::NotYet, "the first cell is 0").await;
    check(3, json!({"sql": "SELECT '0'"}), Outcome::NotYet, "").await;
    check(4, json!({"sql": "SELECT 1 WHERE 1 = 0"}), Outcome::NotYet, "gave no row").await;
    let empty = json!({"sql": "SELECT 1 WHERE 1 = 0", "fail_on_empty": true});
    check(5, empty, Outcome::Failed, "gave no row").await;
    let many = json!({"sql": "SELECT 7, 'x'", "success": "value > 5 and row[1] == 'x'"});
    check(6, many, Outcome::Success, "").await;
    let few = json!({"sql": "SELECT 7", "success": "value > 10"});
    check(7, few, Outcome::NotYet, "").await;
    let bad = json!({"sql": "SELECT 7", "failure": "rows[0][0] == 7"});
    check(8, bad, Outcome::Failed, "`failure` is true for 7").await;
    check(9, json!({"sql": "SELECT * FROM nowhere"}), Outcome::Failed, "nowhere").await;
}
