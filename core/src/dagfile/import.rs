//! Files of other tools → canonical DAG files: dag-factory's YAML, and Airflow 3.4's own.
//!
//! The tree of the other file is rewritten with its places kept (`carry`), then read as a DAG; what
//! the reader refuses is taken out and named at its place in the other file (`prune`), until it
//! loads. So nothing is lost in silence, and what is written is valid.

mod carry;
mod marks;
mod prune;
mod python;
mod schedule;

#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::DagId;

use super::fields::merge_dag;
use super::report::Report;
use super::source::{Source, Span};
use super::tree::{Entry, Kind, Node};
use super::{Known, SourceFile, compose, split};

/// What became of a file.
#[derive(Debug, Default)]
pub struct Imported {
    /// The DAGs, in file order.
    pub dags: Vec<ImportedDag>,
    /// What could not be carried over, each at its place in the other file; errors say why a DAG
    /// is not among `dags`.
    pub diagnostics: Vec<Diagnostic>,
}

/// A DAG in canonical words.
#[derive(Debug, Clone)]
pub struct ImportedDag {
    /// Its name.
    pub dag_id: DagId,
    /// One YAML document, valid by the reader of DAG files.
    pub yaml: String,
}

/// The shapes that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// DAGs by name, `task_id`, class paths, `dependencies`.
    DagFactory,
    /// `id`, `uses`, `with`, values marked `$t`, `$x`, `$const`.
    Airflow,
}

/// Rewrites a file. `defaults` is dag-factory's `default.yml` beside it.
pub fn import(file: &SourceFile, defaults: Option<&SourceFile>, known: &Known<'_>) -> Imported {
    let mut imported = Imported::default();
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let source = Source::new(&file.name, text);
    let shared = defaults.and_then(|defaults| shared(defaults, &mut imported.diagnostics));
    let mut is_empty = true;
    for span in split::documents(text) {
        let mut report = Report::new(&source);
        let root = compose::compose_marked(&mut report, span);
        for (dag_id, body, at) in
            root.as_ref().map(|root| dags(root, shared.as_ref())).unwrap_or_default()
        {
            is_empty = false;
            let dialect = dialect(&body);
            let tree = carry::dag(&mut report, dialect, &dag_id, at, &body);
            match prune::until_it_loads(&mut report, known, &dag_id, tree, at) {
                Some((dag_id, tree)) => match written(&dag_id, &tree, known) {
                    Ok(yaml) => imported.dags.push(ImportedDag { dag_id, yaml }),
                    Err(reason) => {
                        report.error(at, "not-carried", reason).help("write this DAG by hand");
                    }
                },
                None => {
                    report
                        .error(
                            at,
                            "not-carried",
                            format!("dag \"{dag_id}\" cannot be carried over"),
                        )
                        .help("mend what is said above, and import it again");
                }
            }
        }
        report.found.sort_by_key(|found| (found.line, found.column));
        imported.diagnostics.extend(report.found);
    }
    if is_empty && imported.diagnostics.is_empty() {
        imported.diagnostics.push(Diagnostic::of_file(
            Severity::Error,
            "no-dag",
            &file.name,
            "the file holds no DAG that could be imported",
        ));
    }
    imported
}

/// The keys of `default.yml`. They have no place in the file that takes them in: what is wrong
/// with them is said of that file as a whole.
fn shared(defaults: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let text = defaults.text.strip_prefix('\u{feff}').unwrap_or(&defaults.text);
    let source = Source::new(&defaults.name, text);
    let mut report = Report::new(&source);
    let span = split::documents(text).into_iter().next()?;
    let root = compose::compose_marked(&mut report, span);
    diagnostics.extend(report.found);
    let mut root = root?;
    without_places(&mut root);
    Some(root)
}

fn without_places(node: &mut Node) {
    node.span = Span::default();
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(without_places),
        Kind::Map(entries) => {
            for entry in entries {
                entry.key_span = Span::default();
                without_places(&mut entry.value);
            }
        }
        Kind::Scalar(_) | Kind::Raw(_) => {}
    }
}

/// The DAGs of a document: their names, their bodies with all defaults, where they begin.
fn dags(root: &Node, shared: Option<&Node>) -> Vec<(String, Node, Span)> {
    let Some(entries) = root.map() else { return Vec::new() };
    if let Some(entry) = entries.iter().find(|entry| entry.key == "dag_id") {
        let name = entry.value.text().unwrap_or_default().to_owned();
        return vec![(name, root.clone(), entry.key_span)];
    }
    let own = entries.iter().find(|entry| entry.key == "default").map(|entry| &entry.value);
    let default = match (own, shared) {
        (Some(own), Some(shared)) => Some(merge_dag(own, shared)),
        (own, shared) => own.or(shared).cloned(),
    };
    let is_dag = |entry: &&Entry| {
        entry.key != "default" && !entry.key.starts_with("x-") && entry.value.map().is_some()
    };
    entries
        .iter()
        .filter(is_dag)
        .map(|entry| {
            let body = match &default {
                Some(default) => merge_dag(&entry.value, default),
                None => entry.value.clone(),
            };
            (entry.key.clone(), body, entry.key_span)
        })
        .collect()
}

fn dialect(body: &Node) -> Dialect {
    let words = ["uses", "run", "extends"];
    let is_airflow = match body.get("tasks").map(|tasks| &tasks.kind) {
        Some(Kind::List(tasks)) => tasks.iter().any(|task| {
            task.get("id").is_some() && words.iter().any(|word| task.get(word).is_some())
        }),
        _ => false,
    };
    if body.get("$schema").is_some() || is_airflow { Dialect::Airflow } else { Dialect::DagFactory }
}

/// The YAML of a tree, read once more.
fn written(dag_id: &DagId, tree: &Node, known: &Known<'_>) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(&tree.to_json())
        .map_err(|error| format!("dag \"{dag_id}\" cannot be written: {error}"))?;
    let file = SourceFile { name: dag_id.to_string(), text: yaml.clone(), ..SourceFile::default() };
    let documents = super::read(&file, known);
    let wrong = documents.iter().flat_map(|document| &document.diagnostics).find(|d| d.is_error());
    match wrong {
        None => Ok(yaml),
        Some(found) => Err(format!("dag \"{dag_id}\" would not load: {}", found.message)),
    }
}
