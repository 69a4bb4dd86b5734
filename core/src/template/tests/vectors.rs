//! The recorded renders of Airflow 3.3.2: every case renders the same, or is a listed deviation.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::template::{
    Answer, Lookup, Lookups, PrevSuccess, RenderError, Renderer, Scope, TemplateContext,
};
use crate::vectors;

#[derive(Deserialize)]
struct Case {
    id: String,
    context: String,
    template: String,
    expected: Option<String>,
    expected_json: Option<Value>,
    error: Option<String>,
    #[serde(default)]
    native: bool,
}

#[derive(Deserialize)]
struct VectorContext {
    dag_id: String,
    task_id: String,
    run_type: String,
    run_id: String,
    logical_date: Option<jiff::Timestamp>,
    data_interval_start: Option<jiff::Timestamp>,
    data_interval_end: Option<jiff::Timestamp>,
    run_after: jiff::Timestamp,
    dag_run_start_date: jiff::Timestamp,
    conf: Value,
    try_number: u32,
    map_index: i64,
    params: Map<String, Value>,
    xcom: BTreeMap<String, BTreeMap<String, Value>>,
    partition_key: Option<String>,
    prev_success: Option<PrevSuccess>,
    var: Map<String, Value>,
    conn: BTreeMap<String, String>,
}

fn scope_of(context: &Value, now: &str) -> Scope {
    let given: VectorContext = serde_json::from_value(context.clone()).expect("context");
    let mut params = given.params;
    if let Value::Object(conf) = &given.conf {
        for (key, value) in conf {
            if let Some(param) = params.get_mut(key) {
                *param = value.clone();
            }
        }
    }
    let context = TemplateContext {
        dag_id: given.dag_id,
        task_id: given.task_id,
        run_type: given.run_type,
        run_id: given.run_id,
        logical_date: given.logical_date,
        data_interval_start: given.data_interval_start,
        data_interval_end: given.data_interval_end,
        run_after: given.run_after,
        dag_run_start_date: Some(given.dag_run_start_date),
        conf: given.conf,
        try_number: given.try_number,
        map_index: given.map_index,
        params,
        partition_key: given.partition_key,
        prev_success: given.prev_success,
        now: Some(now.parse().expect("now")),
        ..TemplateContext::default()
    };
    Scope::new(context, lookups_of(&given.xcom, &given.var, &given.conn))
}

fn lookups_of(
    xcom: &BTreeMap<String, BTreeMap<String, Value>>,
    var: &Map<String, Value>,
    conn: &BTreeMap<String, String>,
) -> Lookups {
    let mut lookups = Lookups::new();
    for (task_id, values) in xcom {
        for (key, value) in values {
            lookups.insert(Lookup::xcom(task_id, key), Answer::Value(value.clone()));
        }
    }
    for (key, value) in var {
        let text = match value {
            Value::String(text) => text.clone(),
            other => crate::template::value::python_json(other),
        };
        lookups.insert(Lookup::Variable { key: key.clone() }, Answer::Value(json!(text)));
    }
    for (conn_id, uri) in conn {
        let connection = Connection::parse(conn_id, uri).expect("uri");
        let lookup = Lookup::Connection { conn_id: conn_id.clone() };
        lookups.insert(lookup, Answer::Connection(Box::new(connection)));
    }
    lookups
}

/// Renders; what a render needs and the vectors do not have is missing.
fn render(renderer: &Renderer, case: &Case, mut scope: Scope) -> Result<Value, RenderError> {
    loop {
        let found = if case.native {
            renderer.render_native(&case.id, &case.template, &scope)
        } else {
            renderer.render(&case.id, &case.template, &scope).map(Value::String)
        };
        match found {
            Err(RenderError::Needs(needs)) => {
                let mut lookups = scope.lookups().clone();
                for lookup in needs {
                    lookups.insert(lookup, Answer::Missing);
                }
                scope = scope.with_lookups(lookups);
            }
            other => return other,
        }
    }
}

fn outcome(renderer: &Renderer, case: &Case, scope: Scope) -> Result<(), String> {
    let found = render(renderer, case, scope);
    match (&case.error, found) {
        (Some(_), Err(_)) => Ok(()),
        (Some(error), Ok(found)) => Err(format!("must fail ({error}), gave {found}")),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(found)) => {
            let expected =
                case.expected_json.clone().unwrap_or_else(|| json!(case.expected.clone()));
            if found == expected {
                Ok(())
            } else {
                Err(format!("expected {expected}, gave {found}"))
            }
        }
    }
}

#[test]
fn template_vectors_render_as_recorded() {
    let file = vectors::read("templates.json");
    let contexts = file["contexts"].as_object().expect("contexts");
    let now = file["meta"]["frozen_now"].as_str().unwrap_or("2025-08-01T00:00:00Z");
    let renderer = Renderer::default();
    vectors::judge_file("templates.json", |case| {
        let case: Case = serde_json::from_value(case.clone()).expect("a case");
        outcome(&renderer, &case, scope_of(&contexts[&case.context], now))
            .map_err(|failure| format!("[{}] {:?}\n    {failure}", case.context, case.template))
    });
}

/// What Jinja2 3.1.6 and pendulum 3.3.0 make of further templates, recorded by
/// `tests/vectors/generate/templates.py`.
#[test]
fn own_cases_render_as_jinja_and_pendulum_do() {
    let file = vectors::read_own("templates.json");
    let own = vectors::read_own("templates_own.json");
    let cases = own["cases"].as_array().expect("cases");
    assert!(cases.len() > 5_000, "the file is whole");
    let now = file["meta"]["frozen_now"].as_str().expect("frozen_now");
    let renderer = Renderer::default();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|given| {
            let case: Case = serde_json::from_value(given.clone()).expect("a case");
            let scope = scope_of(&file["contexts"][&case.context], now);
            let failure = outcome(&renderer, &case, scope).err()?;
            Some(format!("{given}\n    {failure}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} cases differ:\n{}", failures.len(), failures.join("\n"));
}
