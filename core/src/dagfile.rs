//! The DAG file: YAML text → DAGs, and everything that is wrong with it, at its line.
//!
//! Owns the format: the tables of keys, the limits, and the words of every complaint. It reads in
//! passes over a tree that remembers places (`tree`, `compose`), so that all mistakes of a file are
//! found at once and one bad document never hides the others. It does no I/O: files that a DAG
//! names are asked for and brought by the caller.

mod asset;
mod asset_text;
mod body;
mod calendar;
mod callback;
mod cases;
mod choose;
mod compose;
mod config;
mod deadline;
mod document;
mod duration;
mod expand;
mod fields;
mod files;
mod graph;
mod groups;
mod import;
mod inherit;
mod instant;
pub mod keys;
mod lint;
mod param;
mod place;
mod plain;
mod report;
mod requirement;
mod retry_policy;
mod scalar;
mod schedule;
mod schema;
mod size;
mod source;
mod split;
mod task;
mod template_check;
mod tree;
mod value;
mod yaml_error;

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod good_tests;
#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod schema_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use crate::operator::notify::KINDS as CALLBACK_KINDS;
pub use import::{Imported, ImportedDag, import};
pub use instant::parse as parse_instant;
pub use place::{Place, TaskPlaces};
pub use plain::{plain_map, to_yaml};
pub use schema::schema;
pub use split::{DOCUMENTS_MAX, FILE_BYTES_MAX, text_of, too_large};

use crate::cases::Case;
use crate::dag::Dag;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::DagId;
use crate::record::VersionRow;
use crate::template::Renderer;
use crate::timetable::Zones;

use report::Report;
use source::Source;

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
    /// Those of `file_refs` that a template takes in: they must lie in the DAG file's folder.
    pub inside: Vec<String>,
    /// Those of `file_refs` that [`SourceFile::files`] does not have: bring them and read again.
    pub unread: Vec<String>,
    /// The YAML document's own text.
    pub text: String,
    /// How many lines of the file stand before it.
    pub line_offset: u32,
    /// How many bytes of the file stand before it.
    pub byte_offset: usize,
    /// The digest of its text and files, see [`content_hash`]. Of several DAGs in one document
    /// each has its own, so that a change of one is no new version of the others.
    pub content_hash: String,
    /// The tests in the file, those of a broken DAG too as far as they can be read.
    pub cases: Vec<Case>,
    /// Where its tasks stand.
    pub places: TaskPlaces,
}

/// What the readers of one document share.
pub(crate) struct Context<'a> {
    pub(crate) known: &'a Known<'a>,
    pub(crate) files: &'a BTreeMap<String, Result<String, String>>,
    pub(crate) file_refs: Vec<String>,
    pub(crate) inside: Vec<String>,
    pub(crate) unread: Vec<String>,
    /// The DAG's zone.
    pub(crate) zone: jiff::tz::TimeZone,
    pub(crate) names: template_check::Names,
    pub(crate) renderer: &'a Renderer,
    pub(crate) cases: Vec<Case>,
    pub(crate) places: TaskPlaces,
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
    let renderer = Renderer::default();
    for span in spans.into_iter().take(DOCUMENTS_MAX) {
        let report = Report::new(&source);
        let mut part = document::Part {
            source: &source,
            span,
            file,
            known,
            renderer: &renderer,
            seen: &mut seen,
            report,
        };
        part.read(&mut documents);
    }
    documents
}

/// The DAG of a stored version; the same text gives the same DAG.
///
/// # Errors
/// The errors of the text, when a newer Millrace no longer reads it.
pub fn read_version(version: &VersionRow, known: &Known<'_>) -> Result<Arc<Dag>, String> {
    let file = SourceFile {
        name: version.file.clone(),
        text: version.source.to_string(),
        files: version.files.iter().map(|(name, text)| (name.clone(), Ok(text.clone()))).collect(),
    };
    let mut documents = read(&file, known);
    let found = documents.iter_mut().find(|doc| doc.dag_id.as_ref() == Some(&version.dag_id));
    let Some(document) = found else {
        return Err(format!("its text holds no dag \"{}\"", version.dag_id));
    };
    document.dag.take().map(Arc::new).ok_or_else(|| {
        let errors = document.diagnostics.iter().filter(|found| found.is_error());
        errors.map(|found| found.message.clone()).collect::<Vec<_>>().join("; ")
    })
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
    pub fn bare(diagnostic: Diagnostic) -> Self {
        Self {
            dag: None,
            dag_id: None,
            diagnostics: vec![diagnostic],
            file_refs: Vec::new(),
            inside: Vec::new(),
            unread: Vec::new(),
            text: String::new(),
            line_offset: 0,
            byte_offset: 0,
            content_hash: String::new(),
            cases: Vec::new(),
            places: TaskPlaces::default(),
        }
    }
}
