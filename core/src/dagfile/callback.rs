//! `on_…_callback:` → callbacks: notices as data, since a DAG file holds no code.
//!
//! `[{webhook: {…}}]` and `[{type: webhook, …}]` mean the same. Must not send anything.

use serde_json::Map;

use crate::dag::Callback;
use crate::operator::notify::{KINDS, keys_of, kind_of, problem_of};

use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::did_you_mean;

const FORM: &str = "write `[{webhook: {conn_id: …, json: {…}}}]`, `[{log: {message: …}}]`, \
                    `[{email: {to: …}}]` or `[{command: {bash_command: …}}]`";

/// Reads a list of callbacks, or one.
pub(crate) fn read(report: &mut Report<'_>, key: &str, node: &Node) -> Vec<Callback> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| one(report, key, item)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => one(report, key, node).into_iter().collect(),
    }
}

fn one(report: &mut Report<'_>, key: &str, node: &Node) -> Option<Callback> {
    let Some(entries) = node.map() else {
        let is_path = node.text().is_some_and(|text| text.contains('.') || text.contains('/'));
        let help = if is_path { "a Python function cannot be called from here; " } else { "" };
        value::wrong(report, key, node, "a list of notices", &format!("{help}{FORM}"));
        return None;
    };
    if let Some(kind) = entries.iter().find(|entry| entry.key == "type" || entry.key == "kind") {
        let name = value::text(report, &kind.key, &kind.value)?;
        let found = find(report, &name, kind.value.span)?;
        let config = entries.iter().filter(|entry| entry.key != kind.key);
        let config = settings(report, found, kind.value.span, config);
        return Some(Callback { kind: found.to_owned(), config });
    }
    let [entry] = entries else {
        let message = format!("a notice of `{key}` is one map with one kind");
        report.error(value::value_span(node), "bad-callback", message).help(FORM);
        return None;
    };
    let found = find(report, &entry.key, entry.key_span)?;
    match &entry.value.kind {
        Kind::Map(config) => {
            let config = settings(report, found, entry.key_span, config.iter());
            Some(Callback { kind: found.to_owned(), config })
        }
        Kind::Scalar(_) if found == "log" && !entry.value.is_null() => {
            let mut config = Map::new();
            config.insert("message".to_owned(), entry.value.to_json());
            Some(Callback { kind: found.to_owned(), config })
        }
        _ => {
            value::wrong(report, &entry.key, &entry.value, "a map of settings", FORM);
            None
        }
    }
}

/// The settings of a notice; a key that its kind does not know is an error.
fn settings<'n>(
    report: &mut Report<'_>,
    kind: &str,
    at: Span,
    entries: impl Iterator<Item = &'n Entry>,
) -> Map<String, serde_json::Value> {
    let known = keys_of(kind);
    let mut settings = Map::new();
    for entry in entries {
        if !known.contains(&entry.key.as_str()) {
            let hint = did_you_mean(&entry.key, known.iter().copied());
            let message = format!("unknown key \"{}\" of `{kind}`{hint}", entry.key);
            let help = format!("the keys of `{kind}` are {}", known.join(", "));
            report.error(entry.key_span, "bad-callback", message).help(help);
        }
        value::surprises(report, &entry.key, &entry.value);
        settings.insert(entry.key.clone(), entry.value.to_json());
    }
    if let Some(problem) = problem_of(kind, &settings) {
        report.error(at, "bad-callback", problem.to_owned()).help(FORM);
    }
    settings
}

fn find(report: &mut Report<'_>, word: &str, span: Span) -> Option<&'static str> {
    if let Some(kind) = kind_of(word) {
        return Some(kind);
    }
    let hint = did_you_mean(word, KINDS.iter().map(|(kind, _)| *kind));
    let message = format!("unknown kind of notice \"{word}\"{hint}");
    report.error(span, "bad-callback", message).help(FORM);
    None
}
