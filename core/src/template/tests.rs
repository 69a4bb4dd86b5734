//! Tests of whole renders: tables of templates and what they give.

mod assets;
mod errors;
mod limits;
mod render;
mod shell;
mod vectors;

use serde_json::{Value, json};

use super::{Answer, Lookup, Lookups, RenderError, Renderer, Scope, TemplateContext};

/// A context that most tests share.
fn context() -> TemplateContext {
    let at = |text: &str| Some(text.parse().expect("timestamp"));
    TemplateContext {
        dag_id: "etl".to_string(),
        task_id: "load".to_string(),
        run_id: "manual__2025-03-01T00:00:00+00:00".to_string(),
        run_type: "manual".to_string(),
        logical_date: at("2025-03-01T00:00:00Z"),
        data_interval_start: at("2025-03-01T00:00:00Z"),
        data_interval_end: at("2025-03-02T00:00:00Z"),
        run_after: "2025-03-02T00:00:00Z".parse().expect("timestamp"),
        now: at("2025-03-02T00:00:05Z"),
        try_number: 1,
        map_index: -1,
        params: object(json!({"n": 3, "name": "a b", "list": ["x", "y z"]})),
        conf: json!({"k": "v"}),
        macros: [("kst_ds", "{{ data_interval_start.in_timezone('Asia/Seoul') | ds }}")]
            .into_iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect(),
        ..TemplateContext::default()
    }
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Answers for the lookups of the tests.
fn lookups() -> Lookups {
    let mut lookups = Lookups::new();
    lookups.insert(Lookup::xcom("train", "return_value"), Answer::Value(json!({"accuracy": 0.9})));
    lookups.insert(Lookup::xcom("bare", "return_value"), Answer::Value(json!("it's $HOME")));
    lookups.insert(Lookup::xcom("gone", "return_value"), Answer::Missing);
    lookups.insert(
        Lookup::Metrics { task_id: "train".to_string() },
        Answer::Value(json!({"loss": 0.25})),
    );
    let variable = |key: &str| Lookup::Variable { key: key.to_string() };
    lookups.insert(variable("env"), Answer::Value(json!("prod")));
    lookups.insert(variable("cfg"), Answer::Value(json!(r#"{"n": 3}"#)));
    lookups.insert(variable("none"), Answer::Missing);
    lookups.insert(Lookup::Connection { conn_id: "none".to_string() }, Answer::Missing);
    lookups.insert_env("HOME", "/root");
    lookups
}

fn scope() -> Scope {
    Scope::new(context(), lookups())
}

fn render(template: &str) -> Result<String, RenderError> {
    Renderer::default().render("t.sql", template, &scope())
}

fn check(template: &str, expected: &str) {
    match render(template) {
        Ok(found) => assert_eq!(found, expected, "{template}"),
        Err(error) => panic!("{template}: {error}"),
    }
}

fn check_error(template: &str, expected: &str) {
    match render(template) {
        Ok(found) => panic!("{template} gave {found}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(expected), "{template}: {message}");
        }
    }
}
