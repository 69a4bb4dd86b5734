//! `on_…_callback:` → callbacks: notices as data, since a DAG file holds no code.
//!
//! `[{webhook: {…}}]` and `[{type: webhook, …}]` mean the same. Must not send anything.

use serde_json::Map;

use crate::dag::Callback;

use super::report::Report;
use super::suggest::did_you_mean;
use super::tree::{Entry, Kind, Node};
use super::value;

/// The kinds of callbacks, each with its other spellings.
pub const KINDS: &[(&str, &[&str])] =
    &[("log", &[]), ("webhook", &["slack", "http"]), ("email", &["smtp"]), ("command", &["bash"])];

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
        return Some(Callback { kind: found, config: settings(report, config) });
    }
    let [entry] = entries else {
        let message = format!("a notice of `{key}` is one map with one kind");
        report.error(value::value_span(node), "bad-callback", message).help(FORM);
        return None;
    };
    let found = find(report, &entry.key, entry.key_span)?;
    match &entry.value.kind {
        Kind::Map(config) => {
            Some(Callback { kind: found, config: settings(report, config.iter()) })
        }
        Kind::Scalar(_) if found == "log" && !entry.value.is_null() => {
            let mut config = Map::new();
            config.insert("message".to_owned(), entry.value.to_json());
            Some(Callback { kind: found, config })
        }
        _ => {
            value::wrong(report, &entry.key, &entry.value, "a map of settings", FORM);
            None
        }
    }
}

fn settings<'n>(
    report: &mut Report<'_>,
    entries: impl Iterator<Item = &'n Entry>,
) -> Map<String, serde_json::Value> {
    entries
        .map(|entry| {
            value::surprises(report, &entry.key, &entry.value);
            (entry.key.clone(), entry.value.to_json())
        })
        .collect()
}

fn find(report: &mut Report<'_>, word: &str, span: super::source::Span) -> Option<String> {
    let found = KINDS.iter().find(|(kind, others)| *kind == word || others.contains(&word));
    if let Some((kind, _)) = found {
        return Some((*kind).to_owned());
    }
    let hint = did_you_mean(word, KINDS.iter().map(|(kind, _)| *kind));
    let message = format!("unknown kind of notice \"{word}\"{hint}");
    report.error(span, "bad-callback", message).help(FORM);
    None
}
