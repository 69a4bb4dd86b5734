//! Takes out of a tree what the reader of DAG files refuses, until it loads.
//!
//! Each thing taken out is named where it stood. A task whose operator is not known stays as an
//! `empty` one, so that the graph is whole.

use std::collections::BTreeMap;

use super::super::report::Report;
use super::super::source::{Source, Span};
use super::super::template_check::Names;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::super::{Context, Known, TaskPlaces, body};
use super::carry::PLACEHOLDER;
use crate::diagnostic::Diagnostic;
use crate::ids::DagId;
use crate::template::Renderer;

/// A file with more wrong values than this is not worth carrying over.
const ROUNDS_MAX: usize = 200;

/// Keys whose value is a map of things by name, each with keys of its own.
const BY_NAME: &[&str] = &["tasks", "templates", "task_groups"];

/// Keys whose value is a map of keys.
const OF_KEYS: &[&str] = &["default_args", "params", "macros"];

/// Findings that mean a whole task.
const OF_TASK: &[&str] = &["unknown-operator", "missing-key", "bad-operator"];

/// The tree as it loads, with the DAG's name. None when what is wrong cannot be taken out.
pub(super) fn until_it_loads(
    report: &mut Report<'_>,
    known: &Known<'_>,
    dag_id: &str,
    mut tree: Node,
    at: Span,
) -> Option<(DagId, Node)> {
    let id = match DagId::new(dag_id) {
        Ok(id) => id,
        Err(error) => {
            report.error(at, "bad-id", error.to_string()).help("give the DAG another name");
            return None;
        }
    };
    let renderer = Renderer::default();
    let files = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let mut probe = Report::new(report.source);
        let mut context = Context {
            known,
            files: &files,
            file_refs: Vec::new(),
            inside: Vec::new(),
            unread: Vec::new(),
            zone: jiff::tz::TimeZone::UTC,
            names: Names::default(),
            renderer: &renderer,
            cases: Vec::new(),
            places: TaskPlaces::default(),
        };
        body::read(&mut probe, &mut context, Some(id.clone()), &tree, at);
        let Some(wrong) = probe.found.into_iter().find(Diagnostic::is_error) else {
            return Some((id, tree));
        };
        let offset = offset_of(report.source, &wrong);
        let Some(what) = take_out(&mut tree, offset, &wrong) else {
            report.add(wrong);
            return None;
        };
        let wrong_operator = wrong.code == "unknown-operator";
        let message = format!("{what} cannot be carried over: {}", wrong.message);
        let mut told = Diagnostic { message, ..wrong };
        told.severity = crate::diagnostic::Severity::Warning;
        told.code = "not-carried".into();
        if wrong_operator {
            told.help("write it with another operator; the DAG reference lists them");
        }
        report.add(told);
    }
    None
}

/// The byte of a finding.
fn offset_of(source: &Source<'_>, found: &Diagnostic) -> usize {
    let start = source.line_start(found.line);
    let chars = source.line(found.line).chars().take(found.column.saturating_sub(1) as usize);
    start + chars.map(char::len_utf8).sum::<usize>()
}

fn holds(span: Span, offset: usize) -> bool {
    span.start <= offset && offset < span.end.max(span.start + 1)
}

/// Whether a place is in an entry. What was merged into a map stands elsewhere than the map.
fn is_at(entry: &Entry, offset: usize) -> bool {
    holds(entry.key_span, offset) || is_in(&entry.value, offset)
}

fn is_in(node: &Node, offset: usize) -> bool {
    holds(node.span, offset)
        || match &node.kind {
            Kind::Map(entries) => entries.iter().any(|entry| is_at(entry, offset)),
            Kind::List(items) => items.iter().any(|item| is_in(item, offset)),
            Kind::Scalar(_) | Kind::Raw(_) => false,
        }
}

/// The entry at a place. Keys of `default.yml` have none of their own: of several the one counts
/// that the finding names.
fn find(entries: &[Entry], offset: usize, wrong: &Diagnostic) -> Option<usize> {
    let near: Vec<usize> = (0..entries.len())
        .filter(|&at| entries[at].key != "dag_id" && is_at(&entries[at], offset))
        .collect();
    let is_named = |at: &&usize| wrong.message.contains(&format!("`{}`", entries[**at].key));
    near.iter().find(is_named).or(near.first()).copied()
}

/// Takes out what is at a place; says what it was.
fn take_out(node: &mut Node, offset: usize, wrong: &Diagnostic) -> Option<String> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    let at = find(entries, offset, wrong)?;
    let key = entries[at].key.clone();
    let is_of_names = BY_NAME.contains(&key.as_str());
    if is_of_names && !holds(entries[at].key_span, offset) {
        return of_members(&mut entries[at].value, offset, wrong);
    }
    if OF_KEYS.contains(&key.as_str()) && !holds(entries[at].key_span, offset) {
        let inner = take_out(&mut entries[at].value, offset, wrong)?;
        return Some(format!("{inner} of `{key}`"));
    }
    if matches!(key.as_str(), "dag_id" | "tasks") {
        return None;
    }
    entries.remove(at);
    Some(format!("`{key}`"))
}

fn of_members(node: &mut Node, offset: usize, wrong: &Diagnostic) -> Option<String> {
    if let Kind::List(items) = &mut node.kind {
        let item = items.iter_mut().find(|item| holds(item.span, offset))?;
        return of_member("", item, offset, wrong);
    }
    let Kind::Map(members) = &mut node.kind else { return None };
    let member = members.iter_mut().find(|member| is_at(member, offset))?;
    if holds(member.key_span, offset) {
        return placeholder(&member.key, &mut member.value);
    }
    let name = member.key.clone();
    of_member(&name, &mut member.value, offset, wrong)
}

/// A key of a task, or the whole task when its operator is at fault.
fn of_member(name: &str, body: &mut Node, offset: usize, wrong: &Diagnostic) -> Option<String> {
    let is_operator = body.map().is_some_and(|entries| {
        entries.iter().any(|entry| entry.key == "operator" && is_at(entry, offset))
    });
    if is_operator || OF_TASK.contains(&&*wrong.code) {
        return placeholder(name, body);
    }
    let what = take_out(body, offset, wrong)?;
    Some(if name.is_empty() { what } else { format!("{what} of \"{name}\"") })
}

/// Makes a task an `empty` one that keeps its place in the graph. None when it is one already.
fn placeholder(name: &str, body: &mut Node) -> Option<String> {
    let Kind::Map(entries) = &mut body.kind else { return None };
    let is_empty =
        |entry: &Entry| entry.key == "operator" && entry.value.text() == Some(PLACEHOLDER);
    if entries.iter().any(is_empty) && entries.len() <= KEPT.len() {
        return None;
    }
    entries.retain(|entry| KEPT.contains(&entry.key.as_str()) && entry.key != "operator");
    let kind = Kind::Scalar(Scalar { text: PLACEHOLDER.to_owned(), style: Style::Quoted });
    let value = Node { span: body.span.head(), kind };
    entries.insert(0, Entry { key: "operator".to_owned(), key_span: body.span.head(), value });
    Some(format!("task \"{name}\" (it stands as an `{PLACEHOLDER}` one)"))
}

/// The keys that hold a task's place in the graph.
const KEPT: &[&str] =
    &["operator", "task_id", "needs", "trigger_rule", "task_group_name", "doc_md"];
