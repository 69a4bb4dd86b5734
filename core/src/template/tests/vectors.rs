//! The recorded renders of Airflow 3.3.2: every case renders the same, or is a listed decision.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::template::{
    Answer, Lookup, Lookups, PrevSuccess, RenderError, Renderer, Scope, TemplateContext,
};

/// Cases that must render as recorded, by category. A figure only ever rises.
const EXPECTED: &[(&str, usize)] = &[
    ("basic", 35),
    ("control", 15),
    ("filter", 26),
    ("inputs", 20),
    ("macros", 15),
    ("native", 7),
    ("pendulum.diff", 10),
    ("pendulum.dst", 22),
    ("pendulum.format", 19),
    ("pendulum.get", 40),
    ("pendulum.math", 55),
    ("pendulum.strftime", 16),
    ("pendulum.tz", 10),
    ("python_repr", 29),
    ("seed", 4),
    ("sql", 3),
    ("undefined", 15),
    ("wild", 43),
];

/// Decided deviations may be this share of all cases, in percent.
const MAX_DEVIATIONS_PERCENT: usize = 2;

#[derive(Deserialize)]
struct Vectors {
    meta: Map<String, Value>,
    contexts: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    cat: String,
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

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(crate::vectors::read(name)).expect(name)
}

fn deviations() -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = read("deviations.json");
    all.remove("templates.json").unwrap_or_default()
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
fn vectors_render_as_recorded_in_every_category() {
    let vectors: Vectors = read("templates.json");
    let deviations = deviations();
    let now = vectors.meta["frozen_now"].as_str().expect("frozen_now");
    let renderer = Renderer::default();
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in &vectors.cases {
        let scope = scope_of(&vectors.contexts[&case.context], now);
        match (outcome(&renderer, case, scope), deviations.contains_key(&case.id)) {
            (Ok(()), false) => *passed.entry(&case.cat).or_default() += 1,
            (Ok(()), true) => failures.push(format!("{} passes: no deviation any more", case.id)),
            (Err(_), true) => {}
            (Err(failure), false) => failures.push(format!(
                "{} [{}, {}] {:?}\n    {failure}",
                case.id, case.cat, case.context, case.template
            )),
        }
    }
    assert!(failures.is_empty(), "{} cases differ:\n{}", failures.len(), failures.join("\n"));
    let expected: BTreeMap<&str, usize> = EXPECTED.iter().copied().collect();
    assert_eq!(passed, expected);
}

#[test]
fn vectors_deviate_in_few_decided_cases() {
    let vectors: Vectors = read("templates.json");
    let deviations = deviations();
    assert!(deviations.len() * 100 <= vectors.cases.len() * MAX_DEVIATIONS_PERCENT);
    for (id, reason) in deviations {
        assert!(vectors.cases.iter().any(|case| case.id == id), "{id} is no case");
        assert!(reason.len() > 20, "{id} needs a reason");
    }
}
