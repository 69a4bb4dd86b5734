//! The DAG file: YAML text → DAGs, and everything that is wrong with it, at its line.
//!
//! Owns the format: the tables of keys, the limits, and the words of every complaint. It reads in
//! passes over a tree that remembers places (`tree`, `compose`), so that all mistakes of a file are
//! found at once and one bad document never hides the others. It does no I/O: files that a DAG
//! names are asked for and brought by the caller.

mod body;
mod callback;
mod choose;
mod compose;
mod config;
mod duration;
mod fields;
mod files;
mod graph;
mod groups;
mod inherit;
mod instant;
pub mod keys;
mod lint;
mod param;
mod report;
mod requirement;
mod scalar;
mod schedule;
mod size;
mod source;
mod split;
mod suggest;
mod task;
mod tree;
mod value;
mod yaml_error;

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod good_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};

pub use callback::KINDS as CALLBACK_KINDS;
pub use split::{DOCUMENTS_MAX, FILE_BYTES_MAX, text_of};
pub(crate) use suggest::nearest;

use crate::dag::Dag;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::DagId;
use crate::timetable::Zones;

use fields::merge_dag;
use report::Report;
use source::{Source, Span};
use tree::{Kind, Node};

/// A DAG file as the caller has it.
#[derive(Debug, Clone, Default)]
pub struct SourceFile {
    /// Its name in messages, relative to the DAG folder.
    pub name: String,
    /// Its text; see [`text_of`] for bytes.
    pub text: String,
    /// The files that its DAGs name ([`Document::file_refs`]): their text, or why there is none.
    pub files: BTreeMap<String, Result<String, String>>,
}

/// What the installation knows.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The zone of DAGs that name none.
    pub default_timezone: &'a str,
    /// All zones.
    pub zones: &'a Zones,
    /// The pools there are; without them no pool is doubted.
    pub pools: Option<&'a BTreeSet<String>>,
    /// The connections there are; without them no connection is doubted.
    pub connections: Option<&'a BTreeSet<String>>,
}

impl<'a> Known<'a> {
    /// UTC, and no doubts about pools and connections.
    pub fn new(zones: &'a Zones) -> Self {
        Self { default_timezone: "UTC", zones, pools: None, connections: None }
    }
}

/// One DAG of a file, or what could not become one.
#[derive(Debug, Clone)]
pub struct Document {
    /// The DAG; none when there are errors, or files in `unread`.
    pub dag: Option<Dag>,
    /// The name of the DAG, also of a broken one where it can be made out.
    pub dag_id: Option<DagId>,
    /// Everything found, in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that it names, as written: relative to the DAG file's folder, or absolute.
    pub file_refs: Vec<String>,
    /// Those of `file_refs` that [`SourceFile::files`] does not have: bring them and read again.
    pub unread: Vec<String>,
    /// The YAML document's own text.
    pub text: String,
    /// How many lines of the file stand before it.
    pub line_offset: u32,
    /// The digest of its text and files, see [`content_hash`]. Of several DAGs in one document
    /// each has its own, so that a change of one is no new version of the others.
    pub content_hash: String,
}

/// What the readers of one document share.
pub(crate) struct Context<'a> {
    pub(crate) known: &'a Known<'a>,
    pub(crate) files: &'a BTreeMap<String, Result<String, String>>,
    pub(crate) file_refs: Vec<String>,
    pub(crate) unread: Vec<String>,
}

/// Reads a file: one [`Document`] for each DAG, in file order. A file that holds none gives one
/// document that says so.
pub fn read(file: &SourceFile, known: &Known<'_>) -> Vec<Document> {
    if file.text.len() > FILE_BYTES_MAX {
        return vec![Document::bare(split::too_large(&file.name, file.text.len()))];
    }
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let source = Source::new(&file.name, text);
    let spans = split::documents(text);
    if spans.is_empty() {
        let mut found =
            Diagnostic::of_file(Severity::Error, "no-dag", &file.name, "the file holds no DAG");
        found.help("write at least `dag_id:` and `tasks:`");
        return vec![Document::bare(found)];
    }
    let mut documents = Vec::new();
    let mut seen = BTreeMap::new();
    for span in spans.into_iter().take(DOCUMENTS_MAX) {
        read_document(&source, span, file, known, &mut seen, &mut documents);
    }
    documents
}

/// SHA-256 over a document's text and the files that it names, in hex. Equal digests, equal
/// versions.
pub fn content_hash(text: &str, files: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    };
    add(text.trim_end());
    for (name, text) in files {
        add(name);
        add(text);
    }
    let mut hex = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

impl Document {
    /// A document of which nothing is known but what is wrong.
    fn bare(diagnostic: Diagnostic) -> Self {
        Self {
            dag: None,
            dag_id: None,
            diagnostics: vec![diagnostic],
            file_refs: Vec::new(),
            unread: Vec::new(),
            text: String::new(),
            line_offset: 0,
            content_hash: String::new(),
        }
    }
}

/// Reads one YAML document: one DAG, or several below their names.
fn read_document(
    source: &Source<'_>,
    span: Span,
    file: &SourceFile,
    known: &Known<'_>,
    seen: &mut BTreeMap<DagId, u32>,
    documents: &mut Vec<Document>,
) {
    let mut report = Report::new(source);
    let root = compose::compose(&mut report, span);
    let mut part = Part { source, span, file, known, seen, report };
    let Some(root) = root else {
        let dag_id = part.guess_dag_id();
        if !part.report.found.is_empty() {
            documents.push(part.finish(None, dag_id, Context::new(file, known), span, ""));
        }
        return;
    };
    match shape(&root) {
        Shape::One => documents.push(part.one(&root)),
        Shape::ByName => part.by_name(&root, documents),
        Shape::Other => {
            let message = format!("this is no DAG, but {}", root.describe());
            part.report
                .error(value::value_span(&root), "no-dag", message)
                .help("write at least `dag_id:` and `tasks:`");
            documents.push(part.finish(None, None, Context::new(file, known), span, ""));
        }
    }
}

impl<'a> Context<'a> {
    fn new(file: &'a SourceFile, known: &'a Known<'a>) -> Self {
        Self { known, files: &file.files, file_refs: Vec::new(), unread: Vec::new() }
    }
}

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
struct Part<'s> {
    source: &'s Source<'s>,
    span: Span,
    file: &'s SourceFile,
    known: &'s Known<'s>,
    /// The DAGs of the file so far, with their lines.
    seen: &'s mut BTreeMap<DagId, u32>,
    report: Report<'s>,
}

impl Part<'_> {
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
        let mut context = Context::new(self.file, self.known);
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
            let mut context = Context::new(self.file, self.known);
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
            unread: context.unread,
            text: self.source.slice(self.span).to_owned(),
            line_offset: line - 1,
            content_hash: content_hash(&hashed, &files),
        }
    }
}

/// The file's name without folders and endings, as a `dag_id`.
fn file_stem(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = last.split('.').next().unwrap_or(last);
    if DagId::new(stem).is_ok() { stem.to_owned() } else { "my_dag".to_owned() }
}
