//! `approval`: waits for a person (Airflow: `ApprovalOperator`, `HITLOperator`,
//! `HITLBranchOperator`, `HITLEntryOperator`).
//!
//! Without `options` it asks for approve or reject; with options that are tasks directly below it
//! is a branch; with others the answer is only kept.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Config, Field, FieldKind, OperatorSpec, Problems, in_scheduler};
use crate::dag::Params;

/// The option that goes on.
pub const APPROVE: &str = "Approve";

/// The option that does not.
pub const REJECT: &str = "Reject";

/// What happens when the time is over.
pub const ON_TIMEOUT: &[&str] = &["default", "fail", "skip"];

/// The line of `approval` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "approval",
    class_names: &["ApprovalOperator", "HITLOperator", "HITLBranchOperator", "HITLEntryOperator"],
    fields: &[
        Field::new("subject", FieldKind::Text).required(),
        Field::new("body", FieldKind::Text),
        Field::new("options", FieldKind::TextList),
        Field::new("options_mapping", FieldKind::TextMap),
        Field::new("defaults", FieldKind::TextList),
        Field::new("multiple", FieldKind::Bool),
        Field::new("params", FieldKind::Any),
        Field::new("assigned_users", FieldKind::TextList).aliases(&["respondents"]),
        Field::new("timeout", FieldKind::Duration).aliases(&["response_timeout"]),
        Field::new("on_timeout", FieldKind::Word(ON_TIMEOUT)),
        Field::new("fail_on_reject", FieldKind::Bool),
        Field::new("ignore_downstream_trigger_rules", FieldKind::Bool),
    ],
    place: in_scheduler,
    check,
};

/// What an answer does to the tasks below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Approve goes on, reject skips.
    Gate,
    /// The chosen options are the tasks that go on.
    Branch,
    /// The answer is kept, everything goes on.
    Input,
}

/// The literal options; the usual two when none are written.
pub fn options(config: &Config) -> Vec<String> {
    match config.get("options").and_then(Value::as_array) {
        Some(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec![APPROVE.to_owned(), REJECT.to_owned()],
    }
}

/// What an answer does, given the names of the tasks directly below.
pub fn effect(config: &Config, downstream: &[&str]) -> Effect {
    if !config.contains_key("options") {
        return Effect::Gate;
    }
    let is_task = |option: &String| downstream.contains(&target(config, option).as_str());
    let options = options(config);
    if !options.is_empty() && options.iter().all(is_task) { Effect::Branch } else { Effect::Input }
}

/// The task of an option (Airflow: `options_mapping`).
pub fn target(config: &Config, option: &str) -> String {
    let mapped = config.get("options_mapping").and_then(|map| map.get(option));
    mapped.and_then(Value::as_str).unwrap_or(option).to_owned()
}

fn check(config: &Config) -> Problems {
    let options = options(config);
    let mut problems = Problems::new();
    let is_template = options.iter().any(|option| option.contains('{'));
    if options.is_empty() {
        problems.push(("options", "`options` is empty, so that nobody could answer".to_owned()));
    }
    let texts = |key: &str| -> Vec<String> {
        let items = config.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let unknown = texts("defaults").into_iter().find(|text| !options.contains(text));
    if let Some(unknown) = unknown.filter(|_| !is_template) {
        let text = format!("\"{unknown}\" in `defaults` is not one of {}", options.join(", "));
        problems.push(("defaults", text));
    }
    if config.get("on_timeout") == Some(&Value::from("default")) && texts("defaults").is_empty() {
        problems.push(("on_timeout", "`on_timeout: default` needs `defaults`".to_owned()));
    }
    if config.contains_key("on_timeout") && !config.contains_key("timeout") {
        problems.push(("on_timeout", "`on_timeout` needs `timeout`".to_owned()));
    }
    if matches!(config.get("timeout"), Some(Value::String(_))) {
        problems.push(("timeout", "`timeout` is not rendered; write a duration".to_owned()));
    }
    if config.get("params").is_some_and(|params| !params.is_object()) {
        problems.push(("params", "`params` is a map of names and defaults".to_owned()));
    }
    problems
}

/// A rendered `approval` task.
#[derive(Debug, Clone, Deserialize)]
pub struct ApprovalConfig {
    /// One line.
    pub subject: String,
    /// More about it, Markdown.
    #[serde(default)]
    pub body: Option<String>,
    /// What can be answered; approve or reject when absent.
    #[serde(default)]
    pub options: Option<Vec<String>>,
    /// The task of each option of a branch, where it is not the option itself.
    #[serde(default)]
    pub options_mapping: IndexMap<String, String>,
    /// What counts when the time is over.
    #[serde(default)]
    pub defaults: Vec<String>,
    /// Whether more than one option may be chosen.
    #[serde(default)]
    pub multiple: bool,
    /// A form.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// Who may answer; everybody who may act on runs when empty.
    #[serde(default)]
    pub assigned_users: Vec<String>,
    /// Seconds until the time is over; never when absent.
    #[serde(default)]
    pub timeout: Option<f64>,
}

/// The keys by which a value of a form is a schema, not a default.
const SCHEMA_KEYS: &[&str] = &["type", "enum", "default", "const", "$ref", "anyOf", "oneOf"];

/// A form as params are: each value a default, or a JSON Schema with one.
pub fn form(params: &Map<String, Value>) -> Params {
    let mut form = Params::default();
    for (name, value) in params {
        match value.as_object() {
            Some(schema) if SCHEMA_KEYS.iter().any(|key| schema.contains_key(*key)) => {
                if let Some(default) = schema.get("default") {
                    form.defaults.insert(name.clone(), default.clone());
                }
                form.properties.insert(name.clone(), value.clone());
            }
            _ => {
                form.defaults.insert(name.clone(), value.clone());
                form.properties.insert(name.clone(), Value::Object(Map::new()));
            }
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: &Value) -> Config {
        value.as_object().expect("a map").clone()
    }

    #[test]
    fn options_say_what_an_answer_does() {
        let check = |value: Value, expected: Effect| {
            assert_eq!(effect(&config(&value), &["canary", "full"]), expected, "{value}");
        };
        check(json!({}), Effect::Gate);
        check(json!({"options": ["canary", "full"]}), Effect::Branch);
        check(json!({"options": ["canary", "stop"]}), Effect::Input);
        check(
            json!({"options": ["A", "full"], "options_mapping": {"A": "canary"}}),
            Effect::Branch,
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |value: Value, expected: &[&str]| {
            let found: Vec<&str> =
                (SPEC.check)(&config(&value)).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, expected, "{value}");
        };
        check(json!({"subject": "s"}), &[]);
        check(json!({"subject": "s", "options": []}), &["options"]);
        check(json!({"subject": "s", "defaults": ["Yes"]}), &["defaults"]);
        check(json!({"subject": "s", "on_timeout": "skip"}), &["on_timeout"]);
        check(json!({"subject": "s", "timeout": 1, "on_timeout": "default"}), &["on_timeout"]);
        check(json!({"subject": "s", "timeout": "{{ x }}"}), &["timeout"]);
    }

    #[test]
    fn a_form_is_checked_like_params() {
        let form = form(&config(&json!({"share": {"type": "integer", "default": 10}, "why": ""})));
        let given = |value: Value| form.merge(&config(&value));
        assert_eq!(given(json!({})).expect("good")["share"], 10);
        assert!(given(json!({"share": "ten"})).is_err());
        assert_eq!(given(json!({"why": "x"})).expect("good")["why"], "x");
    }
}
