//! HTTP tasks.

use millrace_core::connection::Connection;
use millrace_core::wire::{Assignment, Outcome};
use serde_json::{Value, json};

use crate::testing::authority::Authority;
use crate::testing::server::Server;
use crate::testing::{TestWorker, assignment, key, task, with_task};

const ANSWERS: &[(&str, &str, &str)] = &[
    ("/metadata", "200 OK", r#"{"model": {"creation_time": "2025-08-21T00:00:00Z"}, "n": 3}"#),
    ("/healthz", "503 Service Unavailable", "warming up"),
    ("/hang", "hang", ""),
    ("/moved", "302 Found\r\nlocation: /metadata", ""),
    ("/hook", "200 OK", "ok"),
];

fn http(ti: i64, config: &Value) -> Assignment {
    assignment(ti, task("http", config))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_judged() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let url = |path: &str| format!("{}{path}", server.base);
    let get = |ti, path: &str, more: Value| {
        let mut config = json!({"url": url(path), "method": "GET"});
        config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        http(ti, &config)
    };
    let result = worker.run(get(1, "/metadata", json!({}))).await;
    assert_eq!(result.xcoms["return_value"]["n"], 3, "{:?}", result.reason);
    let filter = json!({
        "response_filter": "{{ response.json().model.creation_time }}",
        "response_check": "{{ response.status_code == 200 and response.json().n > 2 }}",
    });
    let result = worker.run(get(2, "/metadata", filter)).await;
    assert_eq!(result.xcoms["return_value"], "2025-08-21T00:00:00Z", "{:?}", result.reason);

    let fails = async |assignment: Assignment, expected: &str| {
        let result = worker.run(assignment).await;
        assert_eq!(result.outcome, Outcome::Failed, "{expected}");
        let reason = result.reason.expect("a reason");
        assert!(reason.contains(expected), "{reason}");
    };
    fails(get(3, "/metadata", json!({"response_check": "response.json().n > 5"})), "is false")
        .await;
    fails(get(4, "/healthz", json!({})), "status 503 Service Unavailable: warming up").await;
    fails(get(5, "/none", json!({})), "status 404").await;
    fails(get(6, "/hang", json!({"timeout": 0.2})), "no answer within 0.200 s").await;
    fails(get(7, "/moved", json!({"follow_redirects": false})), "status 302").await;
    fails(http(8, &json!({"url": "http://127.0.0.1:9/x", "method": "GET"})), "nobody listens")
        .await;

    let result = worker.run(get(9, "/moved", json!({}))).await;
    assert_eq!(result.outcome, Outcome::Success);
    let result = worker.run(get(10, "/healthz", json!({"allowed_status": [200, "5xx"]}))).await;
    assert_eq!(result.xcoms["return_value"], "warming up");
    let result = worker.run(get(11, "/healthz", json!({"output_on_error": null}))).await;
    assert_eq!(result.outcome, Outcome::Success);
    assert_eq!(result.xcoms["return_value"], Value::Null);
    assert!(worker.link.log(key(11)).contains("status 503"), "{}", worker.link.log(key(11)));
    let hang = with_task(get(12, "/hang", json!({})), |task| {
        task.execution_timeout_secs = Some(0.2);
    });
    fails(hang, "execution_timeout").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_by_a_connection() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let text = server.base.replace("http://", "http://kim:geheim77@");
    let connection = Connection::parse("api", &text).expect("a connection");
    worker.link.lock().connections.insert("api".to_owned(), connection);
    let config = json!({
        "conn_id": "api", "endpoint": "hook", "json": {"day": "{{ ds }}"},
        "headers": {"X-Run": "{{ run_id }}"}, "query": {"q": "a b"},
    });
    let result = worker.run(http(1, &config)).await;
    assert_eq!(result.xcoms["return_value"], "ok", "{:?}", result.reason);
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /hook?q=a+b HTTP/1.1"), "{request}");
    assert!(request.contains("authorization: Basic a2ltOmdlaGVpbTc3"), "{request}");
    assert!(request.contains("x-run: scheduled__"), "{request}");
    assert!(request.ends_with(r#"{"day":"2025-08-21"}"#), "{request}");
    worker.run(http(2, &json!({"conn_id": "api", "endpoint": "hook", "data": {"a": "b c"}}))).await;
    assert!(server.requests()[1].ends_with("\r\n\r\na=b+c"), "{}", server.requests()[1]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_own_authority_is_trusted_by_its_file() {
    let worker = TestWorker::start();
    let authority = Authority::new();
    let server = Server::start_tls(ANSWERS, &authority).await;
    let get = |ti, more: Value| {
        let mut config = json!({"url": format!("{}/hook", server.base), "method": "GET"});
        config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        http(ti, &config)
    };
    let ca_file = authority.ca_file().display().to_string();
    let result = worker.run(get(1, json!({"ca_file": ca_file}))).await;
    assert_eq!(result.xcoms["return_value"], "ok", "{:?}", result.reason);
    let result = worker.run(get(2, json!({}))).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let reason = result.reason.expect("a reason");
    assert!(reason.contains("no connection") && reason.contains("ertificate"), "{reason}");
    let result = worker.run(get(3, json!({"verify": false}))).await;
    assert_eq!(result.xcoms["return_value"], "ok", "{:?}", result.reason);
    let result = worker.run(get(4, json!({"ca_file": "/nowhere/ca.pem"}))).await;
    assert!(result.reason.expect("a reason").contains("ca_file \"/nowhere/ca.pem\""));
    worker.stop().await;
}
