//! Keeps the engine's DAGs equal to the DAG folder.
//!
//! Sees changes by inotify and by a slow sweep, reads settled files beside the loop, records import
//! errors, and sends the loop what it read. A file whose writer has closed it is settled soon;
//! others must stay the same for longer. A broken file never takes away the version that was
//! good before.

mod notify;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_core::dagfile::{Document, Known};
use millrace_core::diagnostic::{Diagnostic, Paint, Severity};
use millrace_core::engine::DagLoaded;
use millrace_core::ids::DagId;
use millrace_core::timetable::Timetable;
use millrace_store::import_error::{self, ImportError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::command::{Command, FolderUpdate};
use crate::config::SchedulerConfig;
use crate::disk::{DagFile, read_dag_file};
use crate::term::Shared;
use notify::Changes;
pub(crate) use walk::dag_files;
use walk::{Look, Patience, Stamp, Stamps, Watcher};

/// A start does not wait longer for files that are being written: so many times `settle`.
const FIRST_LOOKS_MAX: u32 = 6;

/// The folder reader's handle.
pub(crate) struct Folder {
    begins: Arc<Notify>,
}

impl Folder {
    /// A term begins: everything is sent to it anew.
    pub(crate) fn term_begins(&self) {
        self.begins.notify_one();
    }
}

/// What the installation knows, for reading DAG files.
pub(crate) fn known(config: &SchedulerConfig) -> Known<'_> {
    Known { default_timezone: &config.default_timezone, ..Known::new(&config.zones) }
}

/// Starts the reader; it reads when the first term begins. `leading` becomes true once the first
/// whole reading was sent.
pub(crate) fn start(
    shared: &Arc<Shared>,
    leading: watch::Sender<bool>,
    stop: CancellationToken,
) -> Folder {
    let begins = Arc::new(Notify::new());
    let folder = Folder { begins: Arc::clone(&begins) };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = run(shared, leading, begins) => {}
        }
    });
    folder
}

async fn run(shared: Arc<Shared>, leading: watch::Sender<bool>, begins: Arc<Notify>) {
    begins.notified().await;
    let changes = Arc::new(Changes::default());
    if shared.config.only.is_none() {
        notify::watch(&shared.config.dags_folder, Arc::clone(&changes));
    }
    let quiet = quiet(&shared.config);
    let mut reader = Reader { changes: Arc::clone(&changes), ..Reader::default() };
    let mut whole = true;
    loop {
        let config = shared.config.clone();
        let now = shared.clock.now();
        let read = tokio::task::spawn_blocking(move || {
            let found = reader.look(&config, whole, now);
            (reader, found)
        })
        .await;
        let Ok((back, found)) = read else {
            tracing::error!("reading the DAG folder broke off; it is not read any more");
            return;
        };
        reader = back;
        let unsettled = found.unsettled;
        if !publish(&shared, found).await {
            return;
        }
        if whole {
            leading.send_replace(true);
        }
        let pause = if unsettled { quiet } else { shared.config.sweep };
        whole = tokio::select! {
            () = begins.notified() => true,
            () = changes.next() => {
                changes.calm(quiet, shared.config.settle).await;
                false
            }
            () = tokio::time::sleep(pause) => false,
        };
    }
}

/// How long nothing may have happened to a file that its writer has closed.
fn quiet(config: &SchedulerConfig) -> Duration {
    config.settle / 4
}

/// Records import errors, then sends the loop what changed. False when the loop is gone.
async fn publish(shared: &Shared, found: Found) -> bool {
    if !found.errors.is_empty()
        && let Err(error) = import_error::replace(&shared.store, &found.errors).await
    {
        tracing::warn!(%error, "import errors could not be recorded");
    }
    if let Some(files) = &found.files
        && let Err(error) = import_error::keep_only(&shared.store, files).await
    {
        tracing::warn!(%error, "import errors of files that are gone could not be removed");
    }
    if found.loaded.is_empty() && found.present.is_none() {
        return true;
    }
    let update = FolderUpdate { loaded: found.loaded, present: found.present };
    shared.commands.send(Command::Folder(update)).await.is_ok()
}

/// What one look gave.
#[derive(Debug, Default)]
struct Found {
    loaded: Vec<DagLoaded>,
    present: Option<BTreeSet<DagId>>,
    errors: BTreeMap<String, Vec<ImportError>>,
    files: Option<Vec<String>>,
    unsettled: bool,
}

/// The state between two looks.
#[derive(Default)]
struct Reader {
    watcher: Watcher,
    changes: Arc<Changes>,
    /// Whether the folder was looked at before.
    has_looked: bool,
    /// The good DAGs of every file.
    dags: BTreeMap<String, BTreeMap<DagId, DagLoaded>>,
    /// Which file a DAG is taken from.
    owners: BTreeMap<DagId, String>,
}

impl Reader {
    /// What is to be read now. What a first look leaves out would be taken for gone, so it waits
    /// a little for files that are being written.
    fn settled(&mut self, config: &SchedulerConfig, now: Timestamp) -> std::io::Result<Look> {
        let (root, only) = (&config.dags_folder, config.only.as_deref());
        let began = Instant::now();
        if self.has_looked {
            let closed = self.changes.closed(began, quiet(config));
            let patience =
                Patience { settle: config.settle, now: began, first: None, closed: &closed };
            return self.watcher.look(root, only, Some(&patience));
        }
        self.has_looked = true;
        if only.is_some() {
            return self.watcher.look(root, only, None);
        }
        let closed = BTreeSet::new();
        let mut looks = 0;
        loop {
            let wall = now.saturating_add(began.elapsed()).unwrap_or(now);
            let patience = Patience {
                settle: config.settle,
                now: Instant::now(),
                first: Some(wall),
                closed: &closed,
            };
            let look = self.watcher.look(root, only, Some(&patience))?;
            looks += 1;
            if !look.unsettled || looks == FIRST_LOOKS_MAX {
                return Ok(look);
            }
            std::thread::sleep(config.settle);
        }
    }

    /// Looks once; `whole` gives every DAG again, changed or not.
    fn look(&mut self, config: &SchedulerConfig, whole: bool, now: Timestamp) -> Found {
        let mut found = Found::default();
        let mut look = match self.settled(config, now) {
            Ok(look) => look,
            Err(error) => {
                let folder = config.dags_folder.display();
                tracing::warn!(%error, %folder, "the DAG folder cannot be read");
                return found;
            }
        };
        found.unsettled = look.unsettled;
        let moved = !look.gone.is_empty();
        for file in look.gone {
            for dag_id in self.dags.remove(&file).unwrap_or_default().into_keys() {
                self.owners.remove(&dag_id);
            }
        }
        let mut changed = Vec::new();
        for file in look.settled {
            let seen = look.seen.remove(&file).unwrap_or_default();
            match self.read(config, &file, seen, now) {
                Some((dags, errors)) => {
                    changed.extend(dags);
                    found.errors.insert(file, errors);
                }
                // Somebody began to write again.
                None => found.unsettled = true,
            }
        }
        found.loaded = if whole {
            self.dags.values().flat_map(|dags| dags.values().cloned()).collect()
        } else {
            changed
        };
        if whole || moved || !found.errors.is_empty() {
            found.present = Some(self.owners.keys().cloned().collect());
        }
        if whole || moved {
            found.files = Some(self.dags.keys().cloned().collect());
        }
        found
    }

    /// Reads one file: its good DAGs and its errors. `None` when it is not any more, or does not
    /// stay, as it was `seen`.
    fn read(
        &mut self,
        config: &SchedulerConfig,
        file: &str,
        mut seen: Stamps,
        now: Timestamp,
    ) -> Option<(Vec<DagLoaded>, Vec<ImportError>)> {
        let path = config.dags_folder.join(file);
        let read = || read_dag_file(&path, file, &known(config));
        let read = if config.only.is_some() { read() } else { unchanged(&seen, read)? };
        seen.retain(|known, _| *known == path || read.paths.contains(known));
        for named in &read.paths {
            seen.entry(named.clone()).or_insert_with(|| Stamp::of(named));
        }
        self.watcher.has_read(file, seen);
        let mut errors = Vec::new();
        let mut loaded = BTreeMap::new();
        let mut kept = BTreeSet::new();
        let before = self.dags.remove(file).unwrap_or_default();
        for dag_id in before.keys() {
            self.owners.remove(dag_id);
        }
        for document in &read.documents {
            errors
                .extend(document.diagnostics.iter().filter(|d| d.is_error()).map(|d| row(d, now)));
            kept.extend(document.dag_id.clone());
            let Some(dag) = good(config, file, document, &read) else { continue };
            let dag_id = dag.dag.dag_id.clone();
            if let Some(other) = self.owners.get(&dag_id) {
                errors.push(row(&taken(file, &dag_id, other), now));
                continue;
            }
            loaded.insert(dag_id, dag);
        }
        let fresh: Vec<_> = loaded.values().cloned().collect();
        // What is broken now keeps the version that was good.
        for (dag_id, dag) in before {
            let lost_its_name = kept.is_empty() && !errors.is_empty();
            if (kept.contains(&dag_id) || lost_its_name) && !self.owners.contains_key(&dag_id) {
                loaded.entry(dag_id).or_insert(dag);
            }
        }
        self.owners.extend(loaded.keys().map(|dag_id| (dag_id.clone(), file.to_owned())));
        self.dags.insert(file.to_owned(), loaded);
        Some((fresh, errors))
    }
}

/// What `read` gives, if all paths are before and after as they were `seen`: a version is never half
/// of one text and half of another.
fn unchanged<T>(seen: &Stamps, read: impl FnOnce() -> T) -> Option<T> {
    let is_same = || seen.iter().all(|(path, stamp)| Stamp::of(path) == *stamp);
    if !is_same() {
        return None;
    }
    let found = read();
    is_same().then_some(found)
}

fn good(
    config: &SchedulerConfig,
    file: &str,
    document: &Document,
    read: &DagFile,
) -> Option<DagLoaded> {
    let mut dag = document.dag.clone()?;
    if config.only.is_some() {
        dag.timetable = Timetable::Never;
        dag.is_paused_upon_creation = Some(false);
    }
    let files: BTreeMap<String, String> = read
        .files
        .iter()
        .filter(|(name, _)| document.file_refs.contains(name))
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect();
    Some(DagLoaded {
        dag: Arc::new(dag),
        content_hash: document.content_hash.clone(),
        file: file.to_owned(),
        source: document.text.as_str().into(),
        files: Arc::new(files),
        paused_by_default: config.paused_by_default,
    })
}

fn taken(file: &str, dag_id: &DagId, other: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::of_file(
        Severity::Error,
        "dag-id-taken",
        file,
        format!("dag_id \"{dag_id}\" is taken by {other}"),
    );
    diagnostic.help("give one of them another dag_id");
    diagnostic
}

fn row(diagnostic: &Diagnostic, at: Timestamp) -> ImportError {
    let help = diagnostic.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
    ImportError {
        id: 0,
        file: diagnostic.file.clone(),
        line: Some(diagnostic.line),
        column: Some(diagnostic.column),
        message: format!("{}{help}", diagnostic.message),
        report: diagnostic.render(Paint::Plain),
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_while_it_is_read_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("dag_id: a");
        let seen = || Stamps::from([(path.clone(), Stamp::of(&path))]);
        let before = seen();
        assert_eq!(unchanged(&before, || 1), Some(1));
        assert_eq!(unchanged(&before, || write("dag_id: a\ntasks: {}")), None, "during");
        assert_eq!(unchanged(&before, || panic!("it is not read")), None::<()>, "before");
        let remove = || std::fs::remove_file(&path).expect("removed");
        assert_eq!(unchanged(&seen(), remove), None, "gone");
        assert_eq!(unchanged(&seen(), || 2), Some(2), "what is not there has an error");
    }
}
