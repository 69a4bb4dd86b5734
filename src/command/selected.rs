//! What the commands about task instances share: which task instances, of which dag runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use millrace_core::dag::Dag;
use millrace_core::dagfile::read_version;
use millrace_core::engine::{RUNS_PER_ORDER_MAX, Selection};
use millrace_core::ids::{DagId, RunId, TaskId};
use millrace_core::record::{RunRow, TiKey, TiRow};
use millrace_store::{Store, dag_run, dag_version};

use super::one_run::dag_of;
use crate::failure::Failure;
use crate::local::fault;
use crate::settings::Settings;

/// Which task instances, relative to named tasks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selected {
    /// A task, a task group, or one mapped item as `task[3]`; repeat it for several [default: all tasks]
    #[arg(long = "task", short, value_name = "TASK", value_parser = named)]
    tasks: Vec<Named>,

    /// Also everything upstream of the tasks
    #[arg(long, requires = "tasks")]
    upstream: bool,

    /// Also everything downstream of the tasks
    #[arg(long, requires = "tasks")]
    downstream: bool,
}

/// A task or a group, or one mapped item of a task.
#[derive(Debug, Clone)]
struct Named {
    task_id: TaskId,
    map_index: Option<i32>,
}

fn named(text: &str) -> Result<Named, String> {
    let (name, map_index) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, index)) => {
            let index = index.parse().map_err(|_| format!("\"{index}\" is no map index"))?;
            (name, Some(index))
        }
        None => (text, None),
    };
    let task_id = TaskId::new(name).map_err(|error| error.to_string())?;
    Ok(Named { task_id, map_index })
}

impl Selected {
    /// The engine's form.
    pub(crate) fn selection(&self) -> Selection {
        let whole = self.tasks.iter().filter(|named| named.map_index.is_none());
        let items = self.tasks.iter().filter_map(|named| {
            named.map_index.map(|map_index| (named.task_id.clone(), map_index))
        });
        Selection {
            task_ids: whole.map(|named| named.task_id.clone()).collect(),
            items: items.collect(),
            include_upstream: self.upstream,
            include_downstream: self.downstream,
            ..Selection::default()
        }
    }

    /// Whether no task is named.
    pub(crate) fn is_all(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Runs before and after a run.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Across {
    /// Also in the dag runs before it, by logical date
    #[arg(long)]
    past: bool,

    /// Also in the dag runs after it, by logical date
    #[arg(long)]
    future: bool,
}

impl Across {
    /// The run with those before or after it, oldest first.
    pub(crate) async fn runs(self, store: &Store, run: RunRow) -> Result<Vec<RunRow>, Failure> {
        if !self.past && !self.future {
            return Ok(vec![run]);
        }
        let Some(date) = run.logical_date else {
            return Err(Failure::usage(format!(
                "the dag run \"{}\" has no logical date, so no runs are before or after it",
                run.run_id
            )));
        };
        let dates = ((!self.past).then_some(date), (!self.future).then_some(date));
        runs_between(store, &run.dag_id, dates).await
    }
}

/// The dag runs with logical dates in a range, both ends included, oldest first.
///
/// # Errors
/// There are none, or too many for one order.
pub(crate) async fn runs_between(
    store: &Store,
    dag_id: &DagId,
    dates: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> Result<Vec<RunRow>, Failure> {
    let most = u32::try_from(RUNS_PER_ORDER_MAX).unwrap_or(u32::MAX);
    let page = dag_run::dated(store, dag_id, dates, most).await.map_err(fault)?;
    if page.total > u64::from(most) {
        let text = format!("{} dag runs are too many at once; at most {most}", page.total);
        return Err(Failure::usage(text));
    }
    if page.rows.is_empty() {
        dag_of(store, dag_id).await?;
        return Err(Failure::wrong(format!("dag \"{dag_id}\" has no dag run in that range")));
    }
    Ok(page.rows)
}

/// The names of runs: the first, and the others.
pub(crate) fn names(runs: &[RunRow]) -> Option<(RunId, Vec<RunId>)> {
    let (first, more) = runs.split_first()?;
    Some((first.run_id.clone(), more.iter().map(|run| run.run_id.clone()).collect()))
}

/// A run's DAG as its task instances will have it.
pub(crate) async fn dag_for(
    settings: &Settings,
    store: &Store,
    run: &RunRow,
    latest_version: bool,
) -> Result<Arc<Dag>, Failure> {
    let version =
        if latest_version { dag_of(store, &run.dag_id).await?.version } else { run.version };
    let version = dag_version::by_key(store, version).await.map_err(fault)?;
    let version = version.ok_or_else(|| Failure::defect("the run's DAG version is gone"))?;
    let zones = settings.zones()?;
    read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)
}

/// One run in a plan: its task instances, and those that an order is about.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The run.
    pub run: RunRow,
    /// All its task instances.
    pub tis: Vec<TiRow>,
    /// Those that change.
    pub changes: BTreeSet<TiKey>,
    /// Tasks that have no instance yet and get one.
    pub new_tasks: Vec<TaskId>,
}

impl Planned {
    /// Whether nothing in the run would change.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.new_tasks.is_empty()
    }
}
