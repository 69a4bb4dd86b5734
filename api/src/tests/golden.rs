//! Our answers against recorded answers of Airflow 3.3.2: same status, same keys, same types.

use axum::http::Method;
use serde_json::{Value, json};

use super::harness::Server;

const GOLDEN: &str = include_str!("../../../tests/vectors/rest_golden.json");
const REQUIRED: &str = include_str!("../../../tests/vectors/client_required_fields.json");

/// Cases of features that a later release brings, and of what is refused on purpose.
const NOT_YET: &[&str] = &["xcom_branch", "xcom_del", "xcom_patch", "xcom_post", "xcom_str"];
/// Cases that answer otherwise on purpose (Airflow's own defects, such as a backfill on SQLite; its product's data), and one that
/// waits for a run that nobody ends here.
const DIFFERENT: &[&str] =
    &["backfill", "pool_patch", "plugins", "providers", "jobs", "log_full", "wait"];

fn golden() -> serde_json::Map<String, Value> {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the recording is JSON");
    golden["cases"].as_object().expect("cases").clone()
}

/// What differs in kind between two values; lists are compared by their first entries.
fn differences(expected: &Value, got: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, value) in expected {
                match got.get(key) {
                    Some(got) => differences(value, got, &format!("{at}.{key}"), found),
                    None => found.push(format!("{at}.{key} is missing")),
                }
            }
            for key in got.keys().filter(|key| !expected.contains_key(*key)) {
                found.push(format!("{at}.{key} is not in Airflow's answer"));
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            if let (Some(expected), Some(got)) = (expected.first(), got.first()) {
                differences(expected, got, &format!("{at}[0]"), found);
            }
        }
        (Value::String(a), Value::String(b)) => {
            if is_instant(a) != is_instant(b) && !b.is_empty() {
                found.push(format!("{at}: {a:?} and {b:?}"));
            }
        }
        // A null says little about the type.
        (Value::Null, _) | (_, Value::Null) => {}
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => {
            if a.is_f64() != b.is_f64() && a.is_number() {
                found.push(format!("{at}: {a} and {b} are other kinds of numbers"));
            }
        }
        (a, b) => found.push(format!("{at}: {a} and {b}")),
    }
}

/// `2026-11-20T09:31:05.079453Z`
fn is_instant(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

/// Maps whose keys are data.
fn without_data(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let of = |(key, value): (&String, &Value)| {
                let is_data = ["rendered_fields", "params", "default_args", "conf", "owner_links"]
                    .contains(&key.as_str());
                let value = if is_data { json!({}) } else { without_data(value) };
                (key.clone(), value)
            };
            Value::Object(map.iter().map(of).collect())
        }
        Value::Array(items) => items.iter().map(without_data).collect(),
        other => other.clone(),
    }
}

async fn prepared() -> Server {
    let server = Server::start().await;
    server.finished_run("my_run-1").await;
    let text = super::harness::DEMO.replace("spec_demo", "spec_daily_utc");
    server.leader.lock().await.load(&text).await;
    produced_an_asset(&server).await;
    let error = millrace_store::import_error::ImportError {
        id: 0,
        file: "broken.yaml".to_owned(),
        line: Some(1),
        column: Some(1),
        message: "it is broken".to_owned(),
        report: "broken.yaml:1:1: it is broken".to_owned(),
        at: crate::app::Clock::now(&*server.clock),
    };
    let errors = [("broken.yaml".to_owned(), vec![error])].into();
    millrace_store::import_error::replace(&server.store, &errors).await.expect("an import error");
    server
}

/// The recording's producer has written its asset, and its consumer has run.
async fn produced_an_asset(server: &Server) {
    server.leader.lock().await.load(super::harness::ASSETS).await;
    let trigger = "/api/v2/dags/spec_asset_producer/dagRuns";
    let body = json!({"logical_date": null, "dag_run_id": "first"});
    server.post(trigger, &body).await.expect(200);
    server.leader.lock().await.work(|_| millrace_core::wire::Outcome::Success).await;
}

/// Cases that need another state than the one that those before left.
async fn request_of(server: &Server, name: &str, case: &Value) -> (Method, String, Value) {
    let (method, path) =
        case["req"].as_str().and_then(|text| text.split_once(' ')).expect("a request");
    let method: Method = method.parse().expect("a method");
    let mut body = case["json"].clone();
    let path = path.to_owned();
    match name {
        // The run exists since the preparation.
        "trigger_ld" => {
            body = json!({"logical_date": "2025-03-02T00:00:00Z", "dag_run_id": "my_run-2"});
        }
        // The recording's run had failed; in ours the engine clears what failed below a mark.
        "token" | "token_cli" => {
            let now = crate::app::Clock::now(&*server.clock);
            let store = &server.store;
            let _ = millrace_store::user::create(store, "admin", "admin", "admin", now).await;
        }
        _ => {}
    }
    (method, path, body)
}

#[tokio::test]
async fn answers_have_airflows_shapes() {
    let server = prepared().await;
    let viewer = server.token("viewer").await;
    let mut failures = Vec::new();
    let mut compared = 0;
    for (name, case) in golden() {
        if NOT_YET.contains(&name.as_str()) || DIFFERENT.contains(&name.as_str()) {
            continue;
        }
        let (method, path, body) = request_of(&server, &name, &case).await;
        let token = match name.as_str() {
            "noauth" => "",
            "badtoken" => "nothing",
            "viewer_trigger" | "viewer_dags" => viewer.as_str(),
            _ => server.admin.as_str(),
        };
        let accept = case["hdr"]["accept"].as_str().unwrap_or("*/*");
        let mut request = axum::http::Request::builder()
            .method(method.clone())
            .uri(&path)
            .header("accept", accept)
            .header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let sent = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.body(axum::body::Body::from(sent)).expect("a request");
        let got = server.send(request).await;
        compared += 1;
        let expected = case["status"].as_u64().expect("a status");
        if u64::from(got.status.as_u16()) != expected {
            failures.push(format!("{name}: {} instead of {expected}: {}", got.status, got.text));
            continue;
        }
        if !case["body"].is_object() {
            continue;
        }
        let mut found = Vec::new();
        differences(&without_data(&case["body"]), &without_data(&got.json()), "", &mut found);
        // Airflow adds internals of its validator, which no client reads.
        found.retain(|text| !text.contains("[0].ctx") && !text.contains("[0].url"));
        // An XCom's value is data; its log records name places in Airflow's own source.
        found.retain(|text| name != "xcom" || !text.starts_with(".value"));
        found.retain(|text| !text.contains(".content[0]"));
        failures.extend(found.into_iter().map(|text| format!("{name}: {text}")));
    }
    assert!(compared > 70, "{compared}");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

/// The value at `dags.0.dag_id`.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(step),
    })
}

#[tokio::test]
async fn airflows_client_finds_every_field_that_it_insists_on() {
    let server = prepared().await;
    for (path, body) in [
        ("/api/v2/variables", json!({"key": "v1", "value": "x"})),
        ("/api/v2/connections", json!({"connection_id": "c1", "conn_type": "mysql"})),
        ("/api/v2/pools", json!({"name": "gpu", "slots": 4})),
    ] {
        server.post(path, &body).await.expect(201);
    }
    let run = "/api/v2/dags/spec_demo/dagRuns/my_run-1";
    let ti = format!("{run}/taskInstances/train");
    let answers = [
        ("dags", "/api/v2/dags".to_owned()),
        ("dag", "/api/v2/dags/spec_demo".to_owned()),
        ("dag_details", "/api/v2/dags/spec_demo/details".to_owned()),
        ("tasks", "/api/v2/dags/spec_demo/tasks".to_owned()),
        ("runs", "/api/v2/dags/spec_demo/dagRuns".to_owned()),
        ("run", run.to_owned()),
        ("tis", format!("{run}/taskInstances")),
        ("ti", ti.clone()),
        ("tries", format!("{ti}/tries")),
        ("log_json", format!("{ti}/logs/1")),
        ("xcom", format!("{ti}/xcomEntries/return_value")),
        ("xcoms", format!("{ti}/xcomEntries")),
        ("var", "/api/v2/variables/v1".to_owned()),
        ("vars", "/api/v2/variables".to_owned()),
        ("conn", "/api/v2/connections/c1".to_owned()),
        ("pool", "/api/v2/pools/gpu".to_owned()),
        ("pools", "/api/v2/pools".to_owned()),
        ("health", "/api/v2/monitor/health".to_owned()),
        ("version", "/api/v2/version".to_owned()),
        ("assets", "/api/v2/assets".to_owned()),
        ("asset_events", "/api/v2/assets/events".to_owned()),
        ("importErrors", "/api/v2/importErrors".to_owned()),
        ("eventLogs", "/api/v2/eventLogs".to_owned()),
        ("source", "/api/v2/dagSources/spec_demo".to_owned()),
        ("dagver", "/api/v2/dags/spec_demo/dagVersions".to_owned()),
    ];
    let required: Value = serde_json::from_str(REQUIRED).expect("JSON");
    for (name, path) in answers {
        let got = server.get(&path).await.expect(200);
        for field in required[name]["must"].as_array().expect("fields") {
            let field = field.as_str().expect("a text");
            let found = at(&got, field);
            assert!(found.is_some_and(|value| !value.is_null()), "{name} lacks {field}: {got}");
        }
    }
    let body = json!({"logical_date": null});
    let trigger = server.post("/api/v2/dags/spec_demo/dagRuns", &body).await.expect(200);
    for field in required["trigger"]["must"].as_array().expect("fields") {
        let field = field.as_str().expect("a text");
        assert!(at(&trigger, field).is_some_and(|value| !value.is_null()), "trigger: {field}");
    }
}
