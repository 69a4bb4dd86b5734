//! One YAML document of a file → its DAGs.
//!
//! Owns the two shapes (a DAG with `dag_id`, or dag-factory's DAGs by name) and what a [`Document`]
//! says of itself. Must not read keys other than those that tell the shapes apart.

use std::collections::BTreeMap;

use crate::dag::Dag;
use crate::ids::DagId;
use crate::template::Renderer;

use super::fields::merge_dag;
use super::report::Report;
use super::source::{Source, Span};
use super::template_check::Names;
use super::tree::{Kind, Node};
use super::{
    Context, Document, Known, SourceFile, TaskPlaces, body, compose, content_hash, keys, value,
};

/// The two shapes of a document.
enum Shape {
    /// `dag_id:` beside the other keys.
    One,
    /// dag-factory: the names of DAGs above their bodies.
    ByName,
    /// Neither.
    Other,
}

fn shape(root: &Node) -> Shape {
    let Some(entries) = root.map() else { return Shape::Other };
    let has = |word: &str| entries.iter().any(|entry| entry.key == word);
    if has("dag_id") || has("tasks") || has("task_groups") {
        return Shape::One;
    }
    let is_body = |node: &Node| {
        ["tasks", "task_groups", "schedule", "default_args"]
            .iter()
            .any(|key| node.get(key).is_some())
    };
    if entries.iter().any(|entry| is_body(&entry.value)) {
        return Shape::ByName;
    }
    let known = entries.iter().any(|entry| keys::find(keys::DAG_KEYS, &entry.key).is_some());
    if known { Shape::One } else { Shape::Other }
}

/// A YAML document that is being read.
pub(super) struct Part<'s> {
    pub(super) source: &'s Source<'s>,
    pub(super) span: Span,
    pub(super) file: &'s SourceFile,
    pub(super) known: &'s Known<'s>,
    pub(super) renderer: &'s Renderer,
    /// The DAGs of the file so far, with their lines.
    pub(super) seen: &'s mut BTreeMap<DagId, u32>,
    pub(super) report: Report<'s>,
}

impl<'s> Part<'s> {
    /// Reads the document: one DAG, or several below their names.
    pub(super) fn read(&mut self, documents: &mut Vec<Document>) {
        let Some(root) = compose::compose(&mut self.report, self.span) else {
            let dag_id = self.guess_dag_id();
            if !self.report.found.is_empty() {
                documents.push(self.finish(None, dag_id, self.context(), self.span, ""));
            }
            return;
        };
        match shape(&root) {
            Shape::One => documents.push(self.one(&root)),
            Shape::ByName => self.by_name(&root, documents),
            Shape::Other => {
                let message = format!("this is no DAG, but {}", root.describe());
                self.report
                    .error(value::value_span(&root), "no-dag", message)
                    .help("write at least `dag_id:` and `tasks:`");
                documents.push(self.finish(None, None, self.context(), self.span, ""));
            }
        }
    }

    fn context(&self) -> Context<'s> {
        Context {
            known: self.known,
            files: &self.file.files,
            file_refs: Vec::new(),
            inside: Vec::new(),
            unread: Vec::new(),
            zone: jiff::tz::TimeZone::UTC,
            names: Names::default(),
            renderer: self.renderer,
            cases: Vec::new(),
            places: TaskPlaces::default(),
        }
    }

    fn one(&mut self, root: &Node) -> Document {
        let entries = root.map().unwrap_or_default();
        let entry = entries.iter().find(|entry| entry.key == "dag_id");
        let at = entries.first().map_or(root.span.head(), |entry| entry.key_span);
        let dag_id = if let Some(entry) = entry {
            value::text(&mut self.report, "dag_id", &entry.value)
                .and_then(|name| self.dag_id(&name, entry.value.span))
        } else {
            let stem = file_stem(&self.file.name);
            self.report
                .error(at, "missing-key", "the DAG has no `dag_id`")
                .help(format!("add `dag_id: {stem}`"));
            None
        };
        let mut context = self.context();
        let dag = body::read(&mut self.report, &mut context, dag_id.clone(), root, at);
        self.finish(dag, dag_id, context, self.span, "")
    }

    /// Reads several DAGs below their names; `default` is what all of them have.
    fn by_name(&mut self, root: &Node, documents: &mut Vec<Document>) {
        let entries = root.map().unwrap_or_default();
        let shared = entries.iter().find(|entry| entry.key == "default");
        let has_aliases = self.source.slice(self.span).contains(['&', '*']);
        for (index, entry) in entries.iter().enumerate() {
            if entry.key == "default" || entry.key.starts_with("x-") {
                continue;
            }
            let end = entries.get(index + 1).map_or(self.span.end, |next| next.key_span.start);
            let own = Span::new(entry.key_span.start, end);
            let before = shared.map_or("", |shared| {
                let next =
                    entries.iter().map(|e| e.key_span.start).find(|at| *at > shared.key_span.start);
                self.source.slice(Span::new(shared.key_span.start, next.unwrap_or(self.span.end)))
            });
            let (own, before) = if has_aliases { (self.span, "") } else { (own, before) };
            let dag_id = self.dag_id(&entry.key, entry.key_span);
            let mut context = self.context();
            let Kind::Map(_) = entry.value.kind else {
                value::wrong(
                    &mut self.report,
                    &entry.key,
                    &entry.value,
                    "a DAG",
                    "write its keys below its name",
                );
                documents.push(self.finish(None, dag_id, context, own, before));
                continue;
            };
            let merged;
            let body = match shared {
                Some(shared) => {
                    merged = merge_dag(&entry.value, &shared.value);
                    &merged
                }
                None => &entry.value,
            };
            let dag =
                body::read(&mut self.report, &mut context, dag_id.clone(), body, entry.key_span);
            documents.push(self.finish(dag, dag_id, context, own, before));
        }
    }

    /// Checks a DAG's name; of two DAGs with one name in a file the first has it.
    fn dag_id(&mut self, name: &str, span: Span) -> Option<DagId> {
        let dag_id = match DagId::new(name) {
            Ok(dag_id) => dag_id,
            Err(error) => {
                self.report
                    .error(span, "bad-id", error.to_string())
                    .help("for people write `dag_display_name`, where any text may stand");
                return None;
            }
        };
        if let Some(first) = self.seen.get(&dag_id) {
            let help = format!("the first is at line {first}; give one of them another name");
            let message = format!("a second DAG \"{dag_id}\" in this file");
            self.report.error(span, "duplicate-id", message).help(help);
            return None;
        }
        let (line, _) = self.source.position(span.start);
        self.seen.insert(dag_id.clone(), line);
        Some(dag_id)
    }

    /// The name of a document that is no YAML, so that its errors find their DAG.
    fn guess_dag_id(&self) -> Option<DagId> {
        let text = self.source.slice(self.span);
        let line = text.lines().find_map(|line| line.strip_prefix("dag_id:"))?;
        let word = line.split(" #").next().unwrap_or_default();
        DagId::new(word.trim().trim_matches(['"', '\''])).ok()
    }

    /// Makes a document of what was read, and an empty report for the next.
    fn finish(
        &mut self,
        dag: Option<Dag>,
        dag_id: Option<DagId>,
        context: Context<'_>,
        own: Span,
        before: &str,
    ) -> Document {
        let mut report = std::mem::replace(&mut self.report, Report::new(self.source));
        report.found.sort_by_key(|found| (found.line, found.column));
        let failed = report.failed() || !context.unread.is_empty();
        let (line, _) = self.source.position(self.span.start);
        let files: BTreeMap<String, String> = context
            .file_refs
            .iter()
            .filter_map(|name| Some((name.clone(), context.files.get(name)?.clone().ok()?)))
            .collect();
        let hashed = format!("{before}{}", self.source.slice(own));
        Document {
            dag: dag.filter(|_| !failed),
            dag_id,
            diagnostics: report.found,
            file_refs: context.file_refs,
            inside: context.inside,
            unread: context.unread,
            text: self.source.slice(self.span).to_owned(),
            line_offset: line - 1,
            byte_offset: self.span.start,
            content_hash: content_hash(&hashed, &files),
            cases: context.cases,
            places: context.places,
        }
    }
}

/// The file's name without folders and endings, as a `dag_id`.
fn file_stem(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = last.split('.').next().unwrap_or(last);
    if DagId::new(stem).is_ok() { stem.to_owned() } else { "my_dag".to_owned() }
}
