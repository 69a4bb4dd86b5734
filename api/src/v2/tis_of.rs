//! From rows of task instances to their shapes: brings runs, versions, names and rendered fields.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::ids::{DagId, RunId, TaskId};
use millrace_core::record::{AttemptRow, RunKey, RunRow, TiKey, TiRow};
use millrace_store::task_instance::TiOfRun;
use millrace_store::{Page, dag_run, task_attempt, task_instance};

use super::runs_of::{self, display_names};
use crate::app::App;
use crate::path::no_ti;
use crate::problem::Problem;
use crate::shape::{TiNames, TiPage, TiShape, TryShape, VersionShape};

/// Rendered fields are brought for lists of so many runs; a list across more does without.
const RENDERED_RUNS_MAX: usize = 4;

/// The last attempt at each task instance of some runs.
async fn attempts(
    app: &App,
    runs: &BTreeSet<RunKey>,
) -> Result<BTreeMap<TiKey, AttemptRow>, Problem> {
    let mut last = BTreeMap::new();
    if runs.len() <= RENDERED_RUNS_MAX {
        for run in runs {
            let rows = task_attempt::of_run(app.store(), *run).await?;
            last.extend(rows.into_iter().map(|row| (row.key.ti, row)));
        }
    }
    Ok(last)
}

/// What the shapes of one run's task instances share.
struct Names {
    run: RunRow,
    dag_display_name: String,
}

async fn names_of(app: &App, runs: &BTreeSet<RunKey>) -> Result<BTreeMap<RunKey, Names>, Problem> {
    let mut rows = Vec::new();
    for run in runs {
        rows.extend(dag_run::by_key(app.store(), *run).await?);
    }
    let names = display_names(app, rows.iter().map(|run| run.dag_id.clone()).collect()).await?;
    let of = |run: RunRow| {
        let dag_display_name = names.get(&run.dag_id).cloned().unwrap_or_default();
        (run.id, Names { run, dag_display_name })
    };
    Ok(rows.into_iter().map(of).collect())
}

/// Shapes in the order of the rows.
pub(super) async fn shapes(app: &App, rows: &[TiRow]) -> Result<Vec<TiShape>, Problem> {
    let runs: BTreeSet<RunKey> = rows.iter().map(|row| row.run).collect();
    let names = names_of(app, &runs).await?;
    let attempts = attempts(app, &runs).await?;
    let versions = app.versions(rows.iter().map(|row| row.version).collect()).await?;
    let of = |row: &TiRow| {
        let names = names.get(&row.run)?;
        let version = versions.get(&row.version);
        let task_id = row.task_id.as_str();
        let shown = TiNames {
            run: &names.run,
            dag_display_name: &names.dag_display_name,
            task_display_name: version
                .map_or_else(|| task_id.to_owned(), |v| v.task_display_name(app, task_id)),
            version: version.map(|v| VersionShape::of(&v.row, &names.dag_display_name)),
        };
        Some(TiShape::of(row, attempts.get(&row.id), shown))
    };
    Ok(rows.iter().filter_map(of).collect())
}

/// The tries of a task instance, oldest first: of each the last attempt.
pub(super) async fn tries(app: &App, row: &TiRow) -> Result<Vec<TryShape>, Problem> {
    let mut last: BTreeMap<u32, AttemptRow> = BTreeMap::new();
    for attempt in task_attempt::of_ti(app.store(), row.id).await? {
        last.insert(attempt.key.try_number, attempt);
    }
    let names = names_of(app, &BTreeSet::from([row.run])).await?;
    let Some(names) = names.get(&row.run) else { return Ok(Vec::new()) };
    let versions = app.versions(last.values().map(|attempt| attempt.version).collect()).await?;
    let task_id = row.task_id.as_str();
    let of = |attempt: &AttemptRow| {
        let version = versions.get(&attempt.version);
        let shown = TiNames {
            run: &names.run,
            dag_display_name: &names.dag_display_name,
            task_display_name: version
                .map_or_else(|| task_id.to_owned(), |v| v.task_display_name(app, task_id)),
            version: version.map(|v| VersionShape::of(&v.row, &names.dag_display_name)),
        };
        TryShape::of_attempt(row, attempt, shown)
    };
    Ok(last.values().map(of).collect())
}

/// A page across runs.
pub(super) async fn shape_page(app: &App, page: Page<TiOfRun>) -> Result<TiPage, Problem> {
    let rows: Vec<TiRow> = page.rows.into_iter().map(|found| found.row).collect();
    Ok(TiPage::of(shapes(app, &rows).await?, page.total))
}

/// All of some task instances of one run.
pub(super) async fn page(app: &App, rows: &[TiRow]) -> Result<TiPage, Problem> {
    Ok(TiPage::of(shapes(app, rows).await?, rows.len() as u64))
}

/// The task instance of a name.
pub(crate) async fn find(
    app: &App,
    dag_id: &DagId,
    run_id: &RunId,
    task_id: &TaskId,
    map_index: i32,
) -> Result<TiRow, Problem> {
    let (dag, run, task) = (dag_id.as_str(), run_id.as_str(), task_id.as_str());
    if let Some(found) = task_instance::get(app.store(), dag, run, task, map_index).await? {
        return Ok(found.row);
    }
    runs_of::find(app, dag_id, run_id).await?;
    Err(no_ti(dag, run, task))
}
