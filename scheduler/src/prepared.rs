//! What hand-outs of one DAG version share, made once: tasks, brief, downstream names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use millrace_core::dag::{Dag, Task, TaskIndex};
use millrace_core::ids::TaskId;
use millrace_core::mapping::siblings;
use millrace_core::record::VersionKey;
use millrace_core::wire::DagBrief;

/// One version, ready for hand-outs.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What templates may know of the DAG.
    pub brief: Arc<DagBrief>,
    /// Its tasks.
    pub tasks: Vec<Arc<Task>>,
    /// The names directly downstream of each task.
    pub downstream: Vec<Vec<TaskId>>,
    /// The names in the same mapped task group as each task.
    pub siblings: Vec<Vec<TaskId>>,
    /// Whether a template of the task speaks of the previous successful run.
    pub wants_previous: Vec<bool>,
    by_id: HashMap<TaskId, TaskIndex>,
}

impl Prepared {
    /// Prepares a version whose file is `file` below `dags_folder`.
    pub(crate) fn new(dag: &Dag, dags_folder: &Path, file: &str) -> Self {
        let path = dags_folder.join(file);
        let folder = path.parent().unwrap_or(dags_folder).display().to_string();
        let names =
            |tasks: Vec<TaskIndex>| tasks.iter().map(|&t| dag.tasks[t].task_id.clone()).collect();
        Self {
            brief: Arc::new(DagBrief::of(dag, folder)),
            downstream: (0..dag.tasks.len()).map(|task| names(dag.downstream(task))).collect(),
            siblings: dag.tasks.iter().map(|task| siblings(dag, task)).collect(),
            wants_previous: dag.tasks.iter().map(|task| wants_previous(dag, task)).collect(),
            by_id: dag.tasks.iter().enumerate().map(|(i, t)| (t.task_id.clone(), i)).collect(),
            tasks: dag.tasks.iter().cloned().map(Arc::new).collect(),
        }
    }

    /// The place of a task.
    pub(crate) fn index(&self, task_id: &TaskId) -> Option<TaskIndex> {
        self.by_id.get(task_id).copied()
    }
}

/// A plain look at the text: a false yes costs one query, a false no would be a wrong date.
fn wants_previous(dag: &Dag, task: &Task) -> bool {
    let mentions = |text: &str| text.contains("prev_");
    dag.macros.values().any(|text| mentions(text))
        || task.files.values().any(|text| mentions(text))
        || task.env.values().any(|text| mentions(text))
        || task.when.as_deref().is_some_and(mentions)
        || task.map_index_template.as_deref().is_some_and(mentions)
        || task
            .mapping
            .as_ref()
            .is_some_and(|mapping| serde_json::to_string(mapping).is_ok_and(|text| mentions(&text)))
        || mentions(&serde_json::Value::Object(task.config.clone()).to_string())
}

/// Prepared versions by number, kept while something runs them.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    prepared: HashMap<VersionKey, Arc<Prepared>>,
}

impl Versions {
    /// The prepared version of a number.
    pub(crate) fn get(&self, version: VersionKey) -> Option<Arc<Prepared>> {
        self.prepared.get(&version).map(Arc::clone)
    }

    /// Keeps a prepared version.
    pub(crate) fn put(&mut self, version: VersionKey, prepared: Prepared) -> Arc<Prepared> {
        // A bound, not a policy: versions are cheap to prepare again.
        if self.prepared.len() > 4_096 {
            self.prepared.clear();
        }
        let prepared = Arc::new(prepared);
        self.prepared.insert(version, Arc::clone(&prepared));
        prepared
    }
}
