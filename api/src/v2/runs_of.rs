//! From rows of runs to their shapes: brings the versions and names that a shape needs.

use std::collections::HashMap;

use millrace_core::ids::{DagId, RunId};
use millrace_core::record::RunRow;
use millrace_store::{Page, dag, dag_run};

use crate::app::App;
use crate::inbox::waiting_trigger;
use crate::path::no_run;
use crate::problem::Problem;
use crate::shape::{RunPage, RunShape};

/// The names of DAGs for people, by id.
pub(super) async fn display_names(
    app: &App,
    dag_ids: Vec<DagId>,
) -> Result<HashMap<DagId, String>, Problem> {
    let mut names = HashMap::new();
    for dag_id in dag_ids {
        if names.contains_key(&dag_id) {
            continue;
        }
        let row = dag::get(app.store(), dag_id.as_str()).await?;
        let name = row.map_or_else(|| dag_id.to_string(), |row| row.about.display_name);
        names.insert(dag_id, name);
    }
    Ok(names)
}

pub(super) async fn shapes(app: &App, rows: Vec<RunRow>) -> Result<Vec<RunShape>, Problem> {
    let names = display_names(app, rows.iter().map(|row| row.dag_id.clone()).collect()).await?;
    let versions = app.versions(rows.iter().map(|row| row.version).collect()).await?;
    let of = |row: RunRow| {
        let name = names.get(&row.dag_id).cloned().unwrap_or_default();
        RunShape::of(row, &name, &versions)
    };
    Ok(rows.into_iter().map(of).collect())
}

pub(super) async fn shape(app: &App, row: RunRow) -> Result<RunShape, Problem> {
    let names = display_names(app, vec![row.dag_id.clone()]).await?;
    let versions = app.versions(vec![row.version]).await?;
    let name = names.get(&row.dag_id).cloned().unwrap_or_default();
    Ok(RunShape::of(row, &name, &versions))
}

pub(super) async fn shape_page(app: &App, page: Page<RunRow>) -> Result<RunPage, Problem> {
    Ok(RunPage {
        total_entries: page.total,
        dag_runs: shapes(app, page.rows).await?,
        total_entries_limit: None,
        next_cursor: None,
        previous_cursor: None,
    })
}

/// The run of a name.
pub(super) async fn find(app: &App, dag_id: &DagId, run_id: &RunId) -> Result<RunRow, Problem> {
    let found = dag_run::get(app.store(), dag_id.as_str(), run_id.as_str()).await?;
    found.ok_or_else(|| no_run(dag_id.as_str(), run_id.as_str()))
}

/// The shape of a run, also of one that only waits in the inbox.
pub(super) async fn find_shape(
    app: &App,
    dag_id: &DagId,
    run_id: &RunId,
) -> Result<RunShape, Problem> {
    if let Some(row) = dag_run::get(app.store(), dag_id.as_str(), run_id.as_str()).await? {
        return shape(app, row).await;
    }
    let of_name = |_, trigger: &millrace_core::engine::Trigger| {
        trigger.dag_id == *dag_id && trigger.run_id.as_ref() == Some(run_id)
    };
    if let Some((trigger, at)) = waiting_trigger(app, of_name).await? {
        return waiting(app, trigger, at).await;
    }
    // It may have been created between the two looks.
    shape(app, find(app, dag_id, run_id).await?).await
}

/// The shape of a run that waits in the inbox.
pub(super) async fn waiting(
    app: &App,
    trigger: millrace_core::engine::Trigger,
    at: jiff::Timestamp,
) -> Result<RunShape, Problem> {
    let row = app.dag(&trigger.dag_id).await?;
    let version = app.version(row.version).await?;
    let dag = version.dag(app)?;
    let inferred = trigger.logical_date.map(|date| {
        let interval = dag.timetable.manual_interval(date);
        (interval.start, interval.end)
    });
    let name = row.about.display_name;
    let run_id = trigger.run_id.clone().ok_or_else(Problem::defect)?;
    Ok(RunShape::waiting(trigger, &run_id, at, &version, &name, inferred))
}
