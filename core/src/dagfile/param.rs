//! `params:` → [`Params`]: defaults, and a JSON Schema each.
//!
//! A map with a word of JSON Schema in it is a schema, anything else a plain default. Must not
//! merge what a run is given: that is `params`.

use serde_json::Value;

use crate::dag::Params;
use crate::params;

use super::report::Report;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::nearest;

/// Words that make a map a schema.
const SCHEMA_WORDS: &[&str] =
    &["default", "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "schema", "not"];

/// The words of a schema, for the check of spelling.
const ALL_WORDS: &[&str] = &[
    "default",
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "title",
    "description",
    "description_md",
    "examples",
    "values_display",
    "section",
    "source",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "if",
    "then",
    "else",
    "readOnly",
    "deprecated",
    "dependentRequired",
    "contentEncoding",
    "contentMediaType",
    "$ref",
    "$defs",
    "definitions",
    "schema",
    "$comment",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Reads the params of a DAG. With a schedule each needs a valid default, since nobody is there to
/// give a value (Airflow: params of scheduled DAGs).
pub(crate) fn read(report: &mut Report<'_>, node: &Node, scheduled: bool) -> Params {
    let mut read = Params::default();
    let Some(entries) = node.map() else {
        value::wrong(
            report,
            "params",
            node,
            "a map",
            "write `name: default`, or `name: {type: integer, default: 5, minimum: 1}`",
        );
        return read;
    };
    for entry in entries {
        if let Some((schema, default)) = one(report, entry, scheduled) {
            read.properties.insert(entry.key.clone(), schema);
            if let Some(default) = default {
                read.defaults.insert(entry.key.clone(), default);
            }
        }
    }
    read
}

/// The schema and the default of one param.
fn one(report: &mut Report<'_>, entry: &Entry, scheduled: bool) -> Option<(Value, Option<Value>)> {
    value::surprises(report, &entry.key, &entry.value);
    let is_schema = match &entry.value.kind {
        Kind::Map(words) => words.iter().any(|word| SCHEMA_WORDS.contains(&word.key.as_str())),
        _ => false,
    };
    if !is_schema {
        let plain = Value::Object(serde_json::Map::new());
        return Some((plain, Some(json_of(&entry.value))));
    }
    let words = entry.value.map().unwrap_or_default();
    spelling(report, &entry.key, words);
    let schema = schema_of(words);
    let default_node = entry.value.get("default");
    if let Some(node) = entry.value.get("type")
        && !known_types(report, &entry.key, node)
    {
        return None;
    }
    if let Err(reason) = params::check_schema(&schema) {
        let type_word = words.iter().find(|word| word.key == "type");
        let at = type_word
            .filter(|_| reason.contains(".type"))
            .map_or(entry.key_span, |word| value::value_span(&word.value));
        report
            .error(
                at,
                "bad-schema",
                format!("the schema of the param \"{}\" is wrong: {reason}", entry.key),
            )
            .help("a param is a JSON Schema, such as `{type: integer, default: 5, minimum: 1}`");
        return None;
    }
    let Some(node) = default_node else {
        if scheduled {
            let message =
                format!("the param \"{}\" has no default in a DAG with a schedule", entry.key);
            report.error(entry.key_span, "bad-default", message).help(
                "add `default: …`; nobody is there to give a value when the schedule starts a run",
            );
        }
        return Some((schema, None));
    };
    let default = json_of(node);
    for problem in params::check(&schema, &default, &entry.key) {
        let message =
            format!("the default of the param \"{}\" breaks its own schema: {problem}", entry.key);
        report
            .error(value::value_span(node), "bad-default", message)
            .help("correct the default or the schema");
    }
    Some((schema, Some(default)))
}

/// Whether `type` is one of JSON's types, or a list of them; Python's names are not.
fn known_types(report: &mut Report<'_>, param: &str, node: &Node) -> bool {
    const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];
    const PYTHON: [(&str, &str); 8] = [
        ("str", "string"),
        ("int", "integer"),
        ("float", "number"),
        ("bool", "boolean"),
        ("list", "array"),
        ("dict", "object"),
        ("None", "null"),
        ("date", "string"),
    ];
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut fine = true;
    for node in nodes {
        let word = node.text().unwrap_or_default();
        if TYPES.contains(&word) {
            continue;
        }
        fine = false;
        let python = PYTHON.iter().find(|(name, _)| *name == word).map(|(_, json)| *json);
        let meant = python.or_else(|| nearest(word, TYPES));
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
        report
            .error(
                value::value_span(node),
                "bad-schema",
                format!("the param \"{param}\" has the unknown type {}{hint}", node.describe()),
            )
            .help(format!("the types are {}", TYPES.join(", ")));
    }
    fine
}

/// The schema without its default; Airflow's `{default, schema: {…}}` is taken apart.
fn schema_of(words: &[Entry]) -> Value {
    let mut schema = serde_json::Map::new();
    for word in words {
        match (word.key.as_str(), word.value.map()) {
            ("default" | "__type__", _) => {}
            ("schema", Some(inner)) => {
                schema.extend(inner.iter().map(|e| (e.key.clone(), json_of(&e.value))));
            }
            _ => {
                schema.insert(word.key.clone(), json_of(&word.value));
            }
        }
    }
    Value::Object(schema)
}

/// JSON Schema ignores words that it does not know: a typo would switch a check off in silence.
fn spelling(report: &mut Report<'_>, param: &str, words: &[Entry]) {
    for word in words {
        if ALL_WORDS.contains(&word.key.as_str())
            || word.key.starts_with("x-")
            || word.key.starts_with("__")
        {
            continue;
        }
        if let Some(meant) = nearest(&word.key, ALL_WORDS.iter().copied()) {
            let message = format!(
                "\"{}\" in the param \"{param}\" is no word of JSON Schema; did you mean \"{meant}\"?",
                word.key
            );
            report
                .warning(word.key_span, "unknown-word", message)
                .help("JSON Schema ignores it, so that the value would not be checked");
        }
    }
}

/// A value as JSON, raw texts as texts: params are no templates.
fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Raw(text) => Value::from(text.as_str()),
        Kind::List(items) => Value::Array(items.iter().map(json_of).collect()),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|e| (e.key.clone(), json_of(&e.value))).collect())
        }
        Kind::Scalar(_) => node.to_json(),
    }
}
