//! The grid of a DAG: its newest runs and the states of their task instances, a byte a cell.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millrace_core::dag::{Dag, TaskIndex};
use millrace_core::state::TaskState;
use millrace_store::grid::{self, GridRun};
use serde::Serialize;

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::At;

/// How many runs when nothing is said.
const RUNS: u32 = 30;
/// No task instance, or one without a state.
const NONE: u8 = 255;

#[derive(Debug, Serialize)]
struct Grid {
    tasks: Vec<GridTask>,
    runs: Vec<GridColumn>,
    states: Vec<&'static str>,
    cells: String,
}

#[derive(Debug, Serialize)]
struct GridTask {
    task_id: String,
    operator: String,
    depth: usize,
}

#[derive(Debug, Serialize)]
struct GridColumn {
    run_id: String,
    run_type: &'static str,
    state: &'static str,
    run_after: At,
    logical_date: Option<At>,
    start_date: Option<At>,
    end_date: Option<At>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/dags/{dag_id}/grid", Action::DagRead, grid)
}

async fn grid(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Grid>, Problem> {
    let count = params.number("runs").unwrap_or(RUNS);
    let before = params.time("before");
    params.close()?;
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let mut runs = grid::newest(app.store(), row.dag_id.as_str(), before, count).await?;
    runs.reverse();
    Ok(Json(draw(version.dag(&app)?, &runs)))
}

fn draw(dag: &Dag, runs: &[GridRun]) -> Grid {
    let states: Vec<TaskState> =
        TaskState::ALL.iter().copied().filter(|state| *state != TaskState::NoStatus).collect();
    let order = downwards(dag);
    let named = |(row, task): (usize, &TaskIndex)| (dag.tasks[*task].task_id.as_str(), row);
    let rows: HashMap<&str, usize> = order.iter().enumerate().map(named).collect();
    let mut cells = vec![NONE; runs.len() * dag.tasks.len()];
    for (column, run) in runs.iter().enumerate() {
        for cell in &run.cells {
            let Some(row) = rows.get(cell.task_id.as_str()) else { continue };
            let index = states.iter().position(|state| *state == cell.state);
            let index = index.and_then(|index| u8::try_from(index).ok()).unwrap_or(NONE);
            let place = &mut cells[column * dag.tasks.len() + row];
            *place = worse(*place, index, &states);
        }
    }
    Grid {
        tasks: order.iter().map(|&index| task(&dag.tasks[index])).collect(),
        runs: runs.iter().map(column).collect(),
        states: states.into_iter().map(TaskState::as_str).collect(),
        cells: STANDARD.encode(cells),
    }
}

/// The tasks in an order in which they could run; where that leaves a choice, as in the file.
fn downwards(dag: &Dag) -> Vec<TaskIndex> {
    let mut missing: Vec<usize> =
        (0..dag.tasks.len()).map(|task| dag.upstream(task).len()).collect();
    let mut ready: BTreeSet<TaskIndex> =
        (0..missing.len()).filter(|&task| missing[task] == 0).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(task) = ready.pop_first() {
        order.push(task);
        for below in dag.downstream(task) {
            missing[below] -= 1;
            if missing[below] == 0 {
                ready.insert(below);
            }
        }
    }
    order
}

/// Of several instances of a mapped task the one that people should see first.
fn worse(a: u8, b: u8, states: &[TaskState]) -> u8 {
    const ORDER: [TaskState; 6] = [
        TaskState::Failed,
        TaskState::UpstreamFailed,
        TaskState::Running,
        TaskState::UpForRetry,
        TaskState::Queued,
        TaskState::Scheduled,
    ];
    let rank = |index: u8| {
        let state = states.get(usize::from(index));
        state.and_then(|state| ORDER.iter().position(|known| known == state)).unwrap_or(ORDER.len())
    };
    if a == NONE || rank(b) < rank(a) { b } else { a }
}

fn task(task: &millrace_core::dag::Task) -> GridTask {
    GridTask {
        task_id: task.task_id.to_string(),
        operator: task.operator.clone(),
        depth: task.task_id.as_str().matches('.').count(),
    }
}

fn column(run: &GridRun) -> GridColumn {
    GridColumn {
        run_id: run.run_id.to_string(),
        run_type: run.run_type.as_str(),
        state: run.state.as_str(),
        run_after: At(run.run_after),
        logical_date: At::maybe(run.logical_date),
        start_date: At::maybe(run.start_date),
        end_date: At::maybe(run.end_date),
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::dagfile::{self, Known, SourceFile};
    use millrace_core::timetable::Zones;

    use super::*;

    #[test]
    fn rows_follow_the_flow_and_then_the_file() {
        let check = |tasks: &str, expected: &str| {
            let text = format!("dag_id: d\ntasks:\n{tasks}");
            let file = SourceFile { name: "d.yaml".to_owned(), text, ..SourceFile::default() };
            let zones = Zones::bundled();
            let dag = dagfile::read(&file, &Known::new(&zones)).remove(0).dag.expect("a dag");
            let names = downwards(&dag).into_iter().map(|task| dag.tasks[task].task_id.to_string());
            assert_eq!(names.collect::<Vec<_>>().join(" "), expected);
        };
        let all = "  b: {operator: empty, needs: [c]}\n  a: {operator: empty}\n  c: {operator: empty, needs: [a]}\n  d: {operator: empty}\n";
        check(all, "a c b d");
        check("  z: {operator: empty}\n  y: {operator: empty}\n", "z y");
    }
}
