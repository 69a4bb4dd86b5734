//! The shapes of values: what a key's or a field's kind means in a schema.
//!
//! Must be no stricter than the readers: what loads is valid, so that an editor never marks a good
//! file.

use serde_json::{Map, Value, json};

use super::super::duration;
use super::super::keys::{Key, KeyKind};
use crate::asset::ASSET_CHARS_MAX;
use crate::operator::notify::KINDS;
use crate::operator::{Field, FieldKind};

/// A template may stand for anything but a structure.
const TEMPLATE: &str = "\\{\\{|\\{%";

/// The words that count as truth values.
const TRUTH: &str = "^([Tt]rue|[Ff]alse|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$";

/// The shapes that others refer to.
pub(super) fn definitions() -> Map<String, Value> {
    [scalars(), structures(), asset_structures(), choices()]
        .into_iter()
        .filter_map(|shapes| match shapes {
            Value::Object(shapes) => Some(shapes),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Texts, truth values, durations and lists of them.
fn scalars() -> Value {
    let units: Map<String, Value> = duration::unit_names()
        .map(|unit| (unit.to_owned(), json!({ "type": "number", "minimum": 0 })))
        .collect();
    json!({
        "text": { "anyOf": [
            { "type": ["string", "number", "boolean"] },
            { "type": "object", "required": ["$raw"], "properties": { "$raw": { "type": "string" } }, "additionalProperties": false },
        ] },
        "texts": { "anyOf": [
            { "$ref": "#/$defs/text" },
            { "type": "array", "items": { "$ref": "#/$defs/text" } },
        ] },
        "text_map": { "anyOf": [
            { "type": "object", "additionalProperties": { "$ref": "#/$defs/text" } },
            { "type": "array", "items": { "type": "string", "pattern": "=" } },
        ] },
        "truth": { "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": TRUTH }] },
        "duration": { "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "[0-9]", "examples": ["90", "5m", "1h30m", "PT5M", "01:30:00"] },
            { "type": "object", "minProperties": 1, "properties": units, "additionalProperties": { "type": "number" } },
        ] },
        "exit_codes": { "anyOf": [
            { "type": "integer" },
            { "type": "array", "items": { "type": "integer" } },
        ] },
    })
}

/// Notices, tasks, groups, schedules.
fn structures() -> Value {
    let kinds: Map<String, Value> = KINDS
        .iter()
        .flat_map(|(kind, others)| std::iter::once(kind).chain(others.iter()))
        .map(|kind| ((*kind).to_owned(), json!({})))
        .collect();
    let notice = json!({
        "type": "object",
        "anyOf": [
            { "required": ["type"] },
            { "required": ["kind"] },
            { "properties": kinds, "additionalProperties": false, "minProperties": 1 },
        ],
    });
    let by_name = |of: &str| json!({ "type": "object", "additionalProperties": { "$ref": of } });
    let members = |of: &str, names: &[&str]| {
        let named: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
        json!({ "type": "array", "items": { "allOf": [{ "$ref": of }, { "anyOf": named }] } })
    };
    json!({
        "notices": { "anyOf": [notice, { "type": "array", "items": notice }] },
        "deadlines": { "anyOf": [
            { "$ref": "#/$defs/deadline" },
            { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/deadline" } },
        ] },
        "deadline": deadline(),
        "tasks": { "anyOf": [
            { "type": "object", "patternProperties": { "^x-": {} }, "additionalProperties": { "$ref": "#/$defs/task" } },
            members("#/$defs/task", &["task_id", "id"]),
        ] },
        "groups": { "anyOf": [
            by_name("#/$defs/group"),
            members("#/$defs/group", &["group_id", "group_name", "id"]),
        ] },
        "schedule": { "anyOf": [
            { "type": "string", "examples": ["0 15 * * *", "@daily", "@hourly"] },
            { "type": "object", "minProperties": 1, "properties": {
                "every": { "$ref": "#/$defs/duration", "description": "a fixed interval" },
                "cron": { "$ref": "#/$defs/texts", "description": "one or several cron expressions" },
                "assets": { "$ref": "#/$defs/asset_condition", "description": "the assets that start a run: all of a list; beside a cron both start runs" },
                "except": { "$ref": "#/$defs/texts", "description": "days without ticks, or a file of them" },
                "events": { "$ref": "#/$defs/texts", "description": "dates and instants, or a file of them" },
            } },
            { "type": "array", "items": { "$ref": "#/$defs/asset_condition" } },
        ] },
    })
}

/// By when a run must have ended, and who is told.
fn deadline() -> Value {
    json!({ "type": "object", "properties": {
        "name": { "$ref": "#/$defs/text", "description": "its name" },
        "reference": { "type": ["string", "object"], "description": "from when it counts: `dagrun_queued_at`, `dagrun_logical_date` or a date", "examples": ["dagrun_queued_at", "dagrun_logical_date", "2025-05-04T09:00"] },
        "interval": { "description": "how much later; behind a date also `-2h`" },
        "callback": { "$ref": "#/$defs/notices", "description": "the notices" },
    } })
}

/// Assets and the conditions over them.
fn asset_structures() -> Value {
    json!({
        "asset": { "anyOf": [
            { "type": "string", "minLength": 1, "maxLength": ASSET_CHARS_MAX },
            { "type": "object", "minProperties": 1, "properties": {
                "asset": { "$ref": "#/$defs/text", "description": "its name" },
                "uri": { "$ref": "#/$defs/text", "description": "where it is" },
                "group": { "$ref": "#/$defs/text", "description": "its group" },
                "extra": { "type": "object", "description": "what else is known of it" },
                "name": { "$ref": "#/$defs/text", "deprecated": true },
                "dataset": { "$ref": "#/$defs/text", "deprecated": true },
                "__type__": { "type": "string", "deprecated": true },
            }, "additionalProperties": false },
        ] },
        "assets": { "anyOf": [
            { "$ref": "#/$defs/asset" },
            { "type": "array", "items": { "$ref": "#/$defs/asset" } },
        ] },
        "asset_condition": { "anyOf": [
            { "$ref": "#/$defs/asset" },
            { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/asset_condition" } },
            {
                "type": "object", "minProperties": 1, "maxProperties": 1,
                "patternProperties": { "^(any|all|or|and|__or__|__and__)$": {
                    "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/asset_condition" },
                } },
                "additionalProperties": false,
            },
        ] },
    })
}

/// Choices, and the stubs of cases.
fn choices() -> Value {
    let stub = json!({ "$ref": "#/$defs/stub" });
    json!({
        "choose": { "type": "array", "minItems": 1, "items": {
            "type": "object",
            "properties": {
                "when": { "$ref": "#/$defs/text", "description": "an expression; the first that is true decides" },
                "if": { "$ref": "#/$defs/text", "deprecated": true },
                "then": { "anyOf": [{ "$ref": "#/$defs/texts" }, { "type": "null" }], "description": "the tasks that go on" },
                "else": { "anyOf": [{ "$ref": "#/$defs/texts" }, { "type": "null" }], "description": "the tasks that go on when no line was true" },
            },
            "additionalProperties": false,
        } },
        "stubs": { "type": "object", "additionalProperties": { "anyOf": [stub, { "type": "array", "items": stub }] } },
    })
}

/// The value of a key that is read. Null is as good as absent.
pub(super) fn of_key(key: &Key) -> Value {
    let shape = match key.kind {
        KeyKind::Id | KeyKind::Text => reference("text"),
        KeyKind::Bool => reference("truth"),
        KeyKind::Int(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        KeyKind::Number => json!({ "type": "number", "minimum": 0 }),
        KeyKind::Duration => reference("duration"),
        KeyKind::Instant => json!({ "type": "string" }),
        KeyKind::TextList => reference("texts"),
        KeyKind::TextMap => reference("text_map"),
        KeyKind::Word(words) => return words_of(words, true),
        KeyKind::Callbacks => reference("notices"),
        KeyKind::Own => match own(key.name) {
            Some(shape) => shape,
            None => return json!({}),
        },
    };
    json!({ "anyOf": [shape, { "type": "null" }] })
}

/// The shape of a key that is like no other; any value where nothing is known of it.
fn own(name: &str) -> Option<Value> {
    let object = || json!({ "type": "object" });
    Some(match name {
        "schedule" => reference("schedule"),
        "deadline" => reference("deadlines"),
        "tasks" => reference("tasks"),
        "task_groups" => reference("groups"),
        "default_args" => reference("default_args"),
        "templates" => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/task" } })
        }
        "inlets" | "outlets" => reference("assets"),
        "operator" => reference("operator"),
        "no_retry_exit_codes" => reference("exit_codes"),
        "cases" => json!({ "type": "array", "items": { "$ref": "#/$defs/case" } }),
        "retry_policy" => json!({ "type": "array", "items": { "type": "object" } }),
        "stub" => reference("stubs"),
        "expect" => reference("expect"),
        "params" | "with" | "resources" | "variables" | "connections" | "rendered" => object(),
        "pool" => json!({ "anyOf": [
            { "$ref": "#/$defs/texts" },
            { "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 } },
        ] }),
        _ => return None,
    })
}

/// The value of an operator's field. A template may stand for it.
pub(super) fn of_field(field: &Field) -> Value {
    let shape = match field.kind {
        FieldKind::Text | FieldKind::NumberOrText => reference("text"),
        FieldKind::TextOrList | FieldKind::TextList => reference("texts"),
        FieldKind::TextMap => reference("text_map"),
        FieldKind::Bool => reference("truth"),
        FieldKind::Int => json!({ "type": "integer", "minimum": 0 }),
        FieldKind::Number => json!({ "type": "number", "minimum": 0 }),
        FieldKind::Size => json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "[0-9]" },
        ] }),
        FieldKind::Word(words) => words_of(words, false),
        FieldKind::Duration => reference("duration"),
        FieldKind::IntList => reference("exit_codes"),
        FieldKind::Choose => reference("choose"),
        FieldKind::Any => return json!({}),
    };
    json!({ "anyOf": [shape, { "type": "string", "pattern": TEMPLATE }, { "type": "null" }] })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn words_of(words: &[&str], with_null: bool) -> Value {
    let mut all: Vec<Value> = words.iter().map(|word| json!(word)).collect();
    if with_null {
        all.push(Value::Null);
    }
    json!({ "enum": all })
}

/// The default that the sentence about a key ends with, in brackets.
pub(super) fn default_of(doc: &str) -> Option<Value> {
    let (_, word) = doc.strip_suffix(')')?.rsplit_once('(')?;
    let is_word = !word.is_empty() && !word.contains([' ', ',']);
    is_word.then(|| serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_from_the_sentences() {
        let check = |doc, expected: Value| assert_eq!(default_of(doc), Some(expected), "{doc}");
        check("the most dag runs at once (16)", json!(16));
        check("whether it is a setup task (false)", json!(false));
        check("the time between tries (5m)", json!("5m"));
        assert_eq!(default_of("the logical date (the start date, else 2025-01-01)"), None);
        assert_eq!(default_of("the tasks by name"), None);
    }
}
