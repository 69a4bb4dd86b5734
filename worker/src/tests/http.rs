//! HTTP tasks, Python tasks and notices.

use millrace_core::connection::Connection;
use millrace_core::dag::Callback;
use millrace_core::record::NoticeRow;
use millrace_core::wire::{Assignment, NoticeWork, Outcome, Work};
use serde_json::{Value, json};

use crate::testing::server::Server;
use crate::testing::{TestWorker, assignment, bash, key, task, until, with_task};

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

fn notice(id: i64, kind: &str, config: &Value) -> Work {
    let notice = NoticeRow {
        id,
        run: 1,
        ti: Some(1),
        occasion: "failure".to_owned(),
        position: 0,
        try_number: 2,
        reason: Some("exit code 3: geheim77".to_owned()),
        created_at: "2025-08-21T06:00:00Z".parse().expect("an instant"),
    };
    let config = config.as_object().expect("a map").clone();
    let callback = Callback { kind: kind.to_owned(), config };
    let about = crate::testing::with_secrets(bash(1, "false"), &["geheim77"]);
    Work::Notice(Box::new(NoticeWork { notice, callback, about }))
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_sent_and_reported() {
    let worker = TestWorker::start();
    let server = Server::start(ANSWERS).await;
    let done = async |id: i64| {
        let of = || worker.link.lock().notices.iter().find(|notice| notice.0 == id).cloned();
        until("a notice", of).await.1
    };
    let text = "{{ dag.dag_id }}.{{ ti.task_id }} {{ reason }} {{ try_number }}";
    let config = json!({"url": format!("{}/hook", server.base), "json": {"text": text}});
    worker.link.give_work(notice(1, "webhook", &config));
    assert_eq!(done(1).await, None);
    let sent = server.requests().remove(0);
    assert!(sent.ends_with(r#"{"text":"the_dag.the_task failure 2"}"#), "{sent}");

    worker.link.give_work(notice(2, "log", &json!({"message": "broke: {{ exception }}"})));
    assert_eq!(done(2).await, None);
    assert!(worker.link.log(key(1)).contains("broke: exit code 3: ***"));

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("said");
    let command = format!("echo \"$MILLRACE_OCCASION $MILLRACE_TASK_ID\" > {}", file.display());
    worker.link.give_work(notice(3, "command", &json!({"command": command})));
    assert_eq!(done(3).await, None);
    assert_eq!(std::fs::read_to_string(file).expect("written"), "failure the_task\n");

    worker.link.give_work(notice(4, "command", &json!({"command": "echo geheim77 >&2; exit 5"})));
    assert_eq!(done(4).await.as_deref(), Some("command: exit code 5: ***"));
    worker.link.give_work(notice(5, "email", &json!({"to": "x"})));
    assert!(done(5).await.expect("a problem").contains("webhook"));
    let config = json!({"url": format!("{}/healthz", server.base)});
    worker.link.give_work(notice(6, "webhook", &config));
    assert!(done(6).await.expect("a problem").contains("503"));
    let tries = server.requests().iter().filter(|r| r.contains("/healthz")).count();
    assert_eq!(tries, 3);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_code_and_environments() {
    let worker = TestWorker::start();
    let code = "import json, sys\nprint(json.dumps({'args': sys.argv[1:]}))";
    let config = json!({"code": code, "args": ["{{ ds }}", "a b"]});
    let result = worker.run(assignment(1, task("python", &config))).await;
    assert_eq!(
        result.xcoms["return_value"],
        json!({"args": ["2025-08-21", "a b"]}),
        "{:?}",
        result.reason
    );
    let config = json!({"code": "import sys; sys.exit(99)"});
    let result = worker.run(assignment(2, task("python", &config))).await;
    assert_eq!(result.outcome, Outcome::Skipped);
    let config = json!({"code": "raise ValueError('bad value')"});
    let result = worker.run(assignment(3, task("python", &config))).await;
    assert!(result.reason.expect("a reason").contains("ValueError: bad value"));
    // A requirement on this machine: the environment is made without any index.
    let package = worker.home.path().join("package");
    std::fs::create_dir_all(&package).expect("a folder");
    std::fs::write(package.join("said.py"), "WORD = 'from the package'").expect("written");
    let config = json!({"code": "print(1)", "python": "no-such-python-9"});
    let result = worker.run(assignment(4, task("python", &config))).await;
    assert!(result.reason.expect("a reason").contains("has no no-such-python-9"));
    worker.stop().await;
}
