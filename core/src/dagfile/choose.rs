//! `choose:` of a branch → `[{when, then: [ids]}, …, {then: [ids]}]`.
//!
//! Must not know the graph: whether the ids are tasks behind the branch is checked by `graph`.

use serde_json::{Map, Value};

use super::report::Report;
use super::scalar::Resolved;
use super::source::Span;
use super::tree::{Entry, Node};
use super::value;
use crate::suggest::did_you_mean;

const FORM: &str =
    "write `- when: \"{{ … }}\"` with `then: task` below it, and last `- else: task`";

/// Reads the lines of `choose`.
pub(crate) fn read(report: &mut Report<'_>, node: &Node) -> Option<Value> {
    let super::tree::Kind::List(items) = &node.kind else {
        value::wrong(report, "choose", node, "a list", FORM);
        return None;
    };
    if items.is_empty() {
        value::wrong(report, "choose", node, "a list with at least one line", FORM);
        return None;
    }
    let mut lines = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let Some(entries) = item.map() else {
            value::wrong(report, "choose", item, "a list of maps", FORM);
            continue;
        };
        if let Some(line) = line(report, item.span, entries, at + 1 == items.len()) {
            lines.push(Value::Object(line));
        }
    }
    (lines.len() == items.len()).then_some(Value::Array(lines))
}

fn line(
    report: &mut Report<'_>,
    span: Span,
    entries: &[Entry],
    is_last: bool,
) -> Option<Map<String, Value>> {
    let mut when = None;
    let mut then = None;
    let mut otherwise = None;
    for entry in entries {
        match entry.key.as_str() {
            "when" | "if" => when = Some(entry),
            "then" => then = Some(entry),
            "else" => otherwise = Some(entry),
            word => {
                let hint = did_you_mean(word, ["when", "then", "else"]);
                let message = format!("unknown key \"{word}\" in `choose`{hint}");
                report.error(entry.key_span, "unknown-key", message).help(FORM);
                return None;
            }
        }
    }
    if let Some(entry) = otherwise.filter(|_| when.is_some() || then.is_some()) {
        let message = "`else` stands alone in the last line of `choose`";
        report.error(entry.key_span, "bad-choose", message).help(FORM);
        return None;
    }
    let Some(target) = then.or(otherwise) else {
        report.error(span.head(), "bad-choose", "a line of `choose` without `then`").help(FORM);
        return None;
    };
    if when.is_none() && !is_last {
        let message = "the lines of `choose` below this one are never looked at";
        report
            .error(target.key_span, "bad-choose", message)
            .help("only the last line may be without `when`");
        return None;
    }
    let mut line = Map::new();
    if let Some(entry) = when {
        line.insert("when".to_owned(), Value::String(condition(report, &entry.value)?));
    }
    line.insert("then".to_owned(), Value::Array(targets(report, &target.key, &target.value)?));
    Some(line)
}

fn condition(report: &mut Report<'_>, node: &Node) -> Option<String> {
    if matches!(node.resolved(), Some(resolved) if resolved != Resolved::Null) {
        return node.text().map(str::to_owned);
    }
    value::text(report, "when", node)
}

/// The chosen ids; null and `[]` choose nothing.
fn targets(report: &mut Report<'_>, key: &str, node: &Node) -> Option<Vec<Value>> {
    if node.is_null() {
        return Some(Vec::new());
    }
    let texts = value::texts(report, key, node)?;
    Some(texts.into_iter().map(|(text, _)| Value::String(text)).collect())
}

/// The ids of a `choose` node with their places, for the check against the graph.
pub(crate) fn target_nodes(node: &Node) -> Vec<(String, Span)> {
    let super::tree::Kind::List(items) = &node.kind else { return Vec::new() };
    let mut found = Vec::new();
    for item in items {
        for entry in item.map().unwrap_or_default() {
            if !matches!(entry.key.as_str(), "then" | "else") || entry.value.is_null() {
                continue;
            }
            match &entry.value.kind {
                super::tree::Kind::List(ids) => {
                    found
                        .extend(ids.iter().filter_map(|id| Some((id.text()?.to_owned(), id.span))));
                }
                _ => found.extend(entry.value.text().map(|id| (id.to_owned(), entry.value.span))),
            }
        }
    }
    found
}
