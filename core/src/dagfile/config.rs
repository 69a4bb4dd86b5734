//! The operator's own keys → a task's config, checked by the operator's table.
//!
//! Must not know any operator by name: what an operator wants stands in its table of fields.

use indexmap::IndexMap;
use serde_json::{Map, Number, Value, json};

use crate::operator::{Field as Spec, FieldKind, OperatorSpec, TextUse};

use super::expand::Drafted;
use super::fields::{Fields, Owner};
use super::report::Report;
use super::scalar::Resolved;
use super::source::Span;
use super::tree::{Kind, Node};
use super::{choose, value};

/// Reads the keys of an operator; what is required and missing is reported at `at`, the place of
/// the operator's name.
pub(crate) fn read(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    operator: &'static OperatorSpec,
    owner: Owner<'_>,
    at: Span,
    mapped: Option<&Drafted>,
) -> Map<String, Value> {
    let before = report.found.len();
    let mut config = Map::new();
    for spec in operator.fields {
        let Some(field) = fields.field(spec.name) else {
            let is_given = mapped.is_some_and(|mapped| mapped.gives(spec.name));
            if spec.required && !is_given {
                let message =
                    format!("{owner} has no `{}`, which `{}` needs", spec.name, operator.name);
                report.error(at, "missing-key", message).help(format!("add `{}: …`", spec.name));
            }
            continue;
        };
        let null_counts = spec.kind == FieldKind::Any && !field.value.is_blank();
        if field.value.is_null() && !null_counts {
            if spec.required {
                let message =
                    format!("{owner} has no `{}`, which `{}` needs", spec.name, operator.name);
                report.error(field.key_span, "missing-key", message).help("give it a value");
            }
            continue;
        }
        if let Some(read) = one(report, spec, &field.value) {
            config.insert(spec.name.to_owned(), read);
        }
    }
    let failed = report.found[before..].iter().any(crate::diagnostic::Diagnostic::is_error);
    // What a task gives as whole maps cannot be checked yet.
    if !failed && mapped.is_none_or(|mapped| !mapped.is_open) {
        for (key, problem) in (operator.check)(&with_sample(&config, mapped)) {
            let span = fields.field(key).map_or(at, |field| field.key_span);
            report
                .error(span, "bad-operator", format!("{owner}: {problem}"))
                .help(keys_of(operator));
        }
    }
    config
}

/// The longest list of keys that helps.
const NAMED_MAX: usize = 30;

fn keys_of(operator: &OperatorSpec) -> String {
    if operator.fields.len() > NAMED_MAX {
        return format!("docs/dag-reference.md has the keys of `{}`", operator.name);
    }
    format!("the keys of `{}` are {}", operator.name, names(operator))
}

/// The keys of one instance, by example.
pub(crate) fn with_sample(
    config: &Map<String, Value>,
    mapped: Option<&Drafted>,
) -> Map<String, Value> {
    let mut whole = config.clone();
    if let Some(mapped) = mapped {
        whole.extend(mapped.sample.clone());
        whole.remove("env");
    }
    whole
}

fn names(operator: &OperatorSpec) -> String {
    operator.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// Reads one value by its kind, for a task's config or an element of `expand`. A text with a template in it may stand for anything but a
/// structure.
pub(crate) fn one(report: &mut Report<'_>, spec: &Spec, node: &Node) -> Option<Value> {
    let key = spec.name;
    if let Kind::Raw(_) = node.kind {
        return Some(node.to_json());
    }
    let templated = node.text().filter(|text| value::is_template(text));
    match (spec.kind, templated) {
        (FieldKind::Text | FieldKind::NumberOrText, _) => text(report, key, spec.text, node),
        (
            FieldKind::Bool
            | FieldKind::Int
            | FieldKind::Number
            | FieldKind::Size
            | FieldKind::Duration
            | FieldKind::IntList
            | FieldKind::Word(_)
            | FieldKind::TextMap,
            Some(template),
        ) => Some(Value::String(template.to_owned())),
        (FieldKind::TextOrList, _) => match &node.kind {
            Kind::List(_) => text_list(report, key, node),
            _ => text(report, key, spec.text, node),
        },
        (FieldKind::TextList, _) => text_list(report, key, node),
        (FieldKind::TextMap, None) => {
            let map = text_map(report, key, node)?;
            Some(Value::Object(map.into_iter().collect()))
        }
        (FieldKind::Bool, None) => value::truth(report, key, node).map(Value::Bool),
        (FieldKind::Int, None) => value::int(report, key, node, (0, i64::MAX)).map(Value::from),
        (FieldKind::Number, None) => value::number(report, key, node).and_then(number),
        (FieldKind::Size, None) => value::bytes(report, key, node).and_then(number),
        (FieldKind::Duration, None) => value::seconds(report, key, node).and_then(number),
        (FieldKind::IntList, None) => int_list(report, key, node).map(|codes| json!(codes)),
        (FieldKind::Word(words), None) => value::word(report, key, node, words).map(Value::from),
        (FieldKind::Any, _) => {
            value::surprises(report, key, node);
            Some(node.to_json())
        }
        (FieldKind::Choose, _) => choose::read(report, node),
    }
}

/// A number as JSON; a whole one without a fraction.
fn number(value: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

fn text(report: &mut Report<'_>, key: &str, text_use: TextUse, node: &Node) -> Option<Value> {
    // An expression may be a truth value or a number: `condition: true`.
    let expression = text_use == TextUse::Expression;
    let is_value = matches!(node.resolved(), Some(resolved) if resolved != Resolved::Null);
    if expression && is_value {
        return node.text().map(Value::from);
    }
    value::text(report, key, node).map(Value::String)
}

fn text_list(report: &mut Report<'_>, key: &str, node: &Node) -> Option<Value> {
    let texts = value::texts(report, key, node)?;
    let items = texts
        .into_iter()
        .map(
            |(text, item)| {
                if matches!(item.kind, Kind::Raw(_)) { item.to_json() } else { text.into() }
            },
        )
        .collect();
    Some(Value::Array(items))
}

/// A map of texts. Compose's list form `[NAME=value]` counts too.
pub(crate) fn text_map(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
) -> Option<IndexMap<String, Value>> {
    let mut map = IndexMap::new();
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                if entry.value.is_null() {
                    let message = format!("\"{}\" in `{key}` has no value", entry.key);
                    report
                        .error(entry.key_span, "empty-value", message)
                        .help("write \"\" for an empty text");
                } else if matches!(entry.value.kind, Kind::Raw(_)) {
                    map.insert(entry.key.clone(), entry.value.to_json());
                } else if let Some(text) = value::text(report, &entry.key, &entry.value) {
                    map.insert(entry.key.clone(), Value::String(text));
                }
            }
            Some(map)
        }
        Kind::List(items) if !items.is_empty() => {
            for item in items {
                match item.text().and_then(|text| text.split_once('=')) {
                    Some((name, text)) => {
                        map.insert(name.to_owned(), Value::from(text));
                    }
                    None => value::wrong(
                        report,
                        key,
                        item,
                        "`NAME=value`",
                        "or write a map: {NAME: value}",
                    ),
                }
            }
            Some(map)
        }
        _ => {
            value::wrong(
                report,
                key,
                node,
                "a map",
                "write {NAME: value}, or a name and its value a line",
            );
            None
        }
    }
}

/// A list of exit codes and the like, or one.
pub(crate) fn int_list(report: &mut Report<'_>, key: &str, node: &Node) -> Option<Vec<i32>> {
    let limits = (i64::from(i32::MIN), i64::from(i32::MAX));
    let one = |report: &mut Report<'_>, node: &Node| {
        value::int(report, key, node, limits).and_then(|code| i32::try_from(code).ok())
    };
    match &node.kind {
        Kind::List(items) => {
            let codes: Vec<i32> = items.iter().filter_map(|item| one(report, item)).collect();
            (codes.len() == items.len()).then_some(codes)
        }
        _ => one(report, node).map(|code| vec![code]),
    }
}
