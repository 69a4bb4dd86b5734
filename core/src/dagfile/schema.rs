//! The JSON Schema (2020-12) of a DAG file, made from the tables of keys and operators.
//!
//! It drives completion in editors and catches wrong keys and types while one types; `validate`
//! knows more. Must not list keys or operators: what is not in a table is not in the schema.

mod value;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{
    CASE_KEYS, DAG_KEYS, EXPECT_KEYS, GROUP_KEYS, Key, STUB_KEYS, Support, TASK_KEYS,
};
use crate::operator::{Field, OPERATORS, OperatorSpec};

/// The words under which a task names its operator.
const OPERATOR_WORDS: [&str; 3] = ["operator", "type", "uses"];

/// Keys of a DAG that may also stand in `default_args`.
const HOISTED: [&str; 3] = ["start_date", "end_date", "timezone"];

/// The schema of one YAML document of a DAG file.
pub fn schema() -> Value {
    let one = json!({ "$ref": "#/$defs/dag" });
    let by_name = json!({
        "type": "object",
        "properties": { "default": { "$ref": "#/$defs/body" } },
        "additionalProperties": { "$ref": "#/$defs/body" },
    });
    let has = |key: &str| json!({ "required": [key] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A DAG of Millrace",
        "description": "One YAML document: a DAG, or DAGs by their names.",
        "type": "object",
        "if": { "anyOf": [has("dag_id"), has("tasks"), has("task_groups"), { "maxProperties": 0 }] },
        "then": one,
        "else": by_name,
        "$defs": definitions(),
    })
}

fn definitions() -> Value {
    let mut defs = value::definitions();
    let body = table(DAG_KEYS);
    let mut dag = body.clone();
    dag.insert("required".to_owned(), json!(["dag_id"]));
    dag.insert(
        "anyOf".to_owned(),
        json!([{ "required": ["tasks"] }, { "required": ["task_groups"] }]),
    );
    defs.insert("dag".to_owned(), Value::Object(dag));
    defs.insert("body".to_owned(), Value::Object(body));
    defs.insert("group".to_owned(), Value::Object(table(GROUP_KEYS)));
    defs.insert("case".to_owned(), Value::Object(table(CASE_KEYS)));
    defs.insert("stub".to_owned(), Value::Object(table(STUB_KEYS)));
    defs.insert("expect".to_owned(), Value::Object(table(EXPECT_KEYS)));
    defs.insert("task".to_owned(), task());
    defs.insert("default_args".to_owned(), default_args());
    defs.insert("operator".to_owned(), operator());
    Value::Object(defs)
}

/// A map with the keys of a table and no others.
fn table(keys: &'static [Key]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".to_owned(), json!("object"));
    map.insert("properties".to_owned(), Value::Object(properties(keys)));
    map.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
    map.insert("additionalProperties".to_owned(), json!(false));
    map
}

/// The keys of a table, each other spelling marked as such.
fn properties(keys: &'static [Key]) -> Map<String, Value> {
    let mut found = Map::new();
    for key in keys {
        let schema = of_key(key);
        for alias in key.aliases {
            let mut other = schema.clone();
            other.insert("description".to_owned(), json!(format!("read as `{}`", key.name)));
            other.insert("deprecated".to_owned(), json!(true));
            found.insert((*alias).to_owned(), Value::Object(other));
        }
        found.insert(key.name.to_owned(), Value::Object(schema));
    }
    found
}

fn of_key(key: &Key) -> Map<String, Value> {
    let mut schema = match key.support {
        // As the reader does: switched off is as good as absent.
        Support::Later => as_map(json!({ "enum": [null, false, "false"] })),
        Support::Silent | Support::Foreign(_) => Map::new(),
        Support::Read => as_map(value::of_key(key)),
    };
    let doc = match key.support {
        Support::Later => format!("{} (not supported yet)", key.doc),
        Support::Foreign(instead) => format!("means nothing here: {instead}"),
        _ => key.doc.to_owned(),
    };
    if matches!(key.support, Support::Foreign(_)) {
        schema.insert("deprecated".to_owned(), json!(true));
    }
    if let Some(default) = value::default_of(key.doc) {
        schema.insert("default".to_owned(), default);
    }
    schema.insert("description".to_owned(), Value::String(doc));
    schema
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A task: the keys of every task, and those of its operator. Without an operator of its own (it
/// may come from `extends`, `default_args` or a group) it may have those of any.
fn task() -> Value {
    let named = |spec: &OperatorSpec| {
        let word = json!({ "type": "string", "pattern": pattern(spec) });
        let named =
            OPERATOR_WORDS.map(|key| json!({ "properties": { key: word }, "required": [key] }));
        json!({ "anyOf": named })
    };
    let mut rules: Vec<Value> = OPERATORS
        .iter()
        .map(|spec| json!({ "if": named(spec), "then": { "properties": fields(spec) } }))
        .collect();
    let unnamed: Vec<Value> =
        OPERATOR_WORDS.iter().map(|key| json!({ "required": [key] })).collect();
    rules.push(json!({
        "if": { "not": { "anyOf": unnamed } },
        "then": { "properties": fields_of_any() },
    }));
    json!({
        "type": "object",
        "properties": properties(TASK_KEYS),
        "patternProperties": { "^x-": {} },
        "allOf": rules,
        "unevaluatedProperties": false,
    })
}

/// The words and class paths that mean an operator.
fn pattern(spec: &OperatorSpec) -> String {
    if spec.class_names.is_empty() {
        return format!("^{}$", spec.name);
    }
    format!("^({}|(.*\\.)?({}))$", spec.name, spec.class_names.join("|"))
}

fn operator() -> Value {
    let names: Vec<&str> = OPERATORS.iter().map(|spec| spec.name).collect();
    let mut forms = vec![json!({ "enum": names })];
    forms.extend(
        OPERATORS
            .iter()
            .filter(|spec| !spec.class_names.is_empty())
            .map(|spec| json!({ "type": "string", "pattern": pattern(spec), "deprecated": true })),
    );
    json!({ "anyOf": forms })
}

fn fields(spec: &OperatorSpec) -> Map<String, Value> {
    let mut found = Map::new();
    for field in spec.fields {
        add_field(&mut found, field, &format!("a key of `{}`", spec.name));
    }
    found
}

fn add_field(found: &mut Map<String, Value>, field: &Field, about: &str) {
    let required = if field.required { ", required" } else { "" };
    let mut schema = as_map(value::of_field(field));
    schema.insert("description".to_owned(), json!(format!("{about}{required}")));
    for alias in field.aliases {
        let mut other = schema.clone();
        other.insert("description".to_owned(), json!(format!("read as `{}`", field.name)));
        other.insert("deprecated".to_owned(), json!(true));
        found.insert((*alias).to_owned(), Value::Object(other));
    }
    found.insert(field.name.to_owned(), Value::Object(schema));
}

/// The keys of all operators; one that several have may be what any of them takes.
fn fields_of_any() -> Map<String, Value> {
    let mut forms: BTreeMap<&str, (Vec<&str>, Vec<Value>)> = BTreeMap::new();
    for spec in OPERATORS {
        for field in spec.fields {
            for word in std::iter::once(&field.name).chain(field.aliases) {
                let (owners, shapes) = forms.entry(word).or_default();
                owners.push(spec.name);
                let shape = value::of_field(field);
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
        }
    }
    forms
        .into_iter()
        .map(|(word, (owners, shapes))| {
            let description = format!("a key of `{}`", owners.join("`, `"));
            (word.to_owned(), json!({ "anyOf": shapes, "description": description }))
        })
        .collect()
}

fn default_args() -> Value {
    let mut keys = fields_of_any();
    keys.extend(properties(TASK_KEYS));
    keys.extend(
        properties(DAG_KEYS).into_iter().filter(|(key, _)| HOISTED.contains(&key.as_str())),
    );
    json!({
        "type": ["object", "null"],
        "properties": keys,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    })
}
