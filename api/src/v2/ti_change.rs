//! Setting the state and the note of a task instance by hand.

use axum::Json;
use axum::extract::State;
use millrace_core::engine::{Mark, Order, Selection, plan_mark};
use millrace_core::record::{RunRow, TiRow};
use millrace_core::state::TaskState;
use millrace_store::task_instance;

use super::run_change::note_of;
use super::{runs_of, tis_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::{Body, Given};
use crate::inbox::{Placed, place};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::TiPage;

const ONE: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";
const DRY_RUN: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dry_run";
const MAPPED: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}";

pub(super) fn routes(routes: Routes) -> Routes {
    routes.patch(ONE, Action::RunMark, patch).patch(MAPPED, Action::RunMark, patch_mapped).patch(
        DRY_RUN,
        Action::RunMark,
        dry_run,
    )
}

/// Airflow: `PatchTaskInstanceBody`.
struct Wanted {
    state: Option<TaskState>,
    note: Given<String>,
    upstream: bool,
    downstream: bool,
}

impl Wanted {
    fn read(mut body: Body, mut params: Params) -> Result<Self, Problem> {
        let word: Option<String> = body.optional("new_state");
        let mut note = note_of(&mut body);
        let upstream = body.optional("include_upstream").unwrap_or(false);
        let downstream = body.optional("include_downstream").unwrap_or(false);
        let further = ["include_future", "include_past"];
        let across = further.map(|name| body.optional(name).unwrap_or(false));
        let mut state = word.as_deref().and_then(|word| {
            let known = [TaskState::Success, TaskState::Failed, TaskState::Skipped];
            known.into_iter().find(|state| state.as_str() == word)
        });
        if let (Some(word), None) = (&word, state) {
            let text = format!(
                "Value error, '{}' is not one of ['success', 'failed', 'skipped']",
                crate::path::shown(word)
            );
            body.complain("value_error", "new_state", text, word.clone().into());
        }
        for (name, _) in further.iter().zip(across).filter(|(_, is_set)| *is_set) {
            let text = "Value error, marking across runs is not supported; mark each run";
            body.complain("value_error", name, text, true.into());
        }
        body.close()?;
        let mask = params.texts("update_mask");
        params.close()?;
        if !mask.is_empty() {
            state = state.filter(|_| mask.iter().any(|name| name == "new_state"));
            note = note.only_if(mask.iter().any(|name| name == "note"));
        }
        Ok(Self { state, note, upstream, downstream })
    }
}

/// One task instance, or with what is up- and downstream of it.
async fn selected(app: &App, names: &Names, map_index: i32) -> Result<(RunRow, TiRow), Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let run = runs_of::find(app, &dag_id, &run_id).await?;
    let row = tis_of::find(app, &dag_id, &run_id, &task_id, map_index).await?;
    Ok((run, row))
}

fn mark_of(run: &RunRow, row: &TiRow, wanted: &Wanted, state: TaskState, actor: &str) -> Mark {
    Mark {
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        selection: Selection {
            task_ids: vec![row.task_id.clone()],
            include_upstream: wanted.upstream,
            include_downstream: wanted.downstream,
            ..Selection::default()
        },
        state,
        actor: Some(actor.to_owned()),
    }
}

/// What a mark would change; the task instance itself also when it has the state already.
async fn planned(app: &App, run: &RunRow, row: &TiRow, mark: &Mark) -> Result<Vec<TiRow>, Problem> {
    let rows = task_instance::of_run(app.store(), run.id).await?;
    let version = app.version(run.version).await?;
    let plan = plan_mark(version.dag(app)?, &rows, mark)?;
    let is_meant = |ti: &TiRow| ti.id == row.id || plan.marked.contains(&ti.id);
    Ok(rows.into_iter().filter(is_meant).collect())
}

async fn change(
    app: &App,
    caller: &Caller,
    names: &Names,
    map_index: i32,
    wanted: Wanted,
) -> Result<Json<TiPage>, Problem> {
    let (run, row) = selected(app, names, map_index).await?;
    if wanted.note.is_given() {
        let order = Order::Note {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            task_id: Some(row.task_id.clone()),
            map_index: row.map_index,
            note: wanted.note.clone().value(),
            actor: Some(caller.name.clone()),
        };
        place(app, &order, None).await?;
    }
    let mut keys = vec![row.id];
    let mut waiting = None;
    if let Some(state) = wanted.state {
        let mark = mark_of(&run, &row, &wanted, state, &caller.name);
        keys = planned(app, &run, &row, &mark).await?.iter().map(|ti| ti.id).collect();
        if matches!(place(app, &Order::Mark(mark), None).await?, Placed::Waiting(_)) {
            waiting = Some(state);
        }
    }
    let mut rows = task_instance::of_run(app.store(), run.id).await?;
    rows.retain(|ti| keys.contains(&ti.id));
    for ti in &mut rows {
        ti.state = waiting.unwrap_or(ti.state);
    }
    tis_of::page(app, &rows).await.map(Json)
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    change(&app, &caller, &names, -1, wanted).await
}

async fn patch_mapped(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    change(&app, &caller, &names, names.number(3)?, wanted).await
}

async fn dry_run(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    let (run, row) = selected(&app, &names, -1).await?;
    let rows = match wanted.state {
        Some(state) => {
            let mark = mark_of(&run, &row, &wanted, state, &caller.name);
            planned(&app, &run, &row, &mark).await?
        }
        None => vec![row],
    };
    tis_of::page(&app, &rows).await.map(Json)
}
