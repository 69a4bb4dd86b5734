//! Changing runs: state and note by hand, clearing, deleting.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use millrace_core::engine::{Clear, Order, Selection};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{RunRow, TiRow};
use millrace_core::state::RunState;
use serde_json::Value;

use super::runs_of;
use super::trigger::NOTE_CHARS_MAX;
use super::{clear, tis_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::{Body, Given};
use crate::inbox::{Placed, place};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{RunShape, TiShape, page};

page! {
    /// Airflow: the answer to a dry run of a clear of a whole run.
    ClearedPage { task_instances: TiShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .patch("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Action::RunMark, patch)
        .delete("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Action::RunDelete, delete)
        .post("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear", Action::RunClear, clear_run)
}

/// A note as it comes: absent is not null, and null removes it.
pub(super) fn note_of(body: &mut Body) -> Given<String> {
    let note: Given<String> = body.nullable("note");
    if matches!(&note, Given::Value(note) if note.chars().count() > NOTE_CHARS_MAX) {
        let text = "String should have at most 1000 characters";
        body.complain("string_too_long", "note", text, Value::Null);
    }
    note
}

/// Airflow: `DAGRunPatchBody`.
async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
    mut body: Body,
) -> Result<Json<RunShape>, Problem> {
    let (dag_id, run_id) = (names.dag_id()?, names.run_id()?);
    let word: Option<String> = body.optional("state");
    let mut note = note_of(&mut body);
    let mut state = None;
    if let Some(word) = word {
        state = RunState::from_word(&word).filter(|state| *state != RunState::Running);
        if state.is_none() {
            let text = "Input should be 'queued', 'success' or 'failed'";
            body.complain("enum", "state", text, word.into());
        }
    }
    body.close()?;
    let mask = params.texts("update_mask");
    params.close()?;
    if !mask.is_empty() {
        if let Some(other) = mask.iter().find(|name| !["state", "note"].contains(&name.as_str())) {
            let other = crate::path::shown(other);
            return Err(Problem::bad_request(format!("`{other}` cannot be updated")));
        }
        state = state.filter(|_| mask.iter().any(|name| name == "state"));
        note = note.only_if(mask.iter().any(|name| name == "note"));
    }
    let run = runs_of::find(&app, &dag_id, &run_id).await?;
    if note.is_given() {
        place(&app, &run_note(&run, &note, &caller.name), None).await?;
    }
    let actor = Some(caller.name);
    let mut waiting = None;
    if let Some(state) = state {
        let (dag_id, run_id) = (dag_id.clone(), run_id.clone());
        let order = Order::MarkRun { dag_id, run_id, state, actor };
        if matches!(place(&app, &order, None).await?, Placed::Waiting(_)) {
            waiting = Some(state);
        }
    }
    let mut shape = runs_of::find_shape(&app, &dag_id, &run_id).await?;
    if let Some(state) = waiting {
        shape.state = state.as_str();
    }
    note.set(&mut shape.note);
    Ok(Json(shape))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<StatusCode, Problem> {
    let (dag_id, run_id) = (names.dag_id()?, names.run_id()?);
    let row = runs_of::find(&app, &dag_id, &run_id).await?;
    let order = Order::DeleteRun { dag_id, run_id, actor: Some(caller.name) };
    if let Placed::Done(_) = place(&app, &order, None).await? {
        let logs = app.api.logs.clone();
        let deleted = tokio::task::spawn_blocking(move || logs.delete_run(row.id)).await;
        if let Ok(Err(error)) = deleted {
            tracing::warn!(%error, "the logs of a deleted run are still there");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The order that sets a run's note.
pub(super) fn run_note(run: &RunRow, note: &Given<String>, actor: &str) -> Order {
    Order::Note {
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_id: None,
        map_index: -1,
        note: note.clone().value(),
        actor: Some(actor.to_owned()),
    }
}

/// The answer to a dry run of a clear.
pub(super) async fn cleared_page(app: &App, tis: &[TiRow]) -> Result<ClearedPage, Problem> {
    let task_instances = tis_of::shapes(app, tis).await?;
    Ok(ClearedPage { task_instances, total_entries: tis.len() as u64 })
}

/// Airflow: `DAGRunClearBody`; a dry run, the default, lists what would run again.
async fn clear_run(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut body: Body,
) -> Result<Response, Problem> {
    let (dag_id, run_id): (DagId, RunId) = (names.dag_id()?, names.run_id()?);
    let dry_run = body.optional("dry_run").unwrap_or(true);
    let only_failed = body.optional("only_failed").unwrap_or(false);
    let only_new: bool = body.optional("only_new").unwrap_or(false);
    // New tasks come with the newest version; the engine adds them.
    let latest = body.optional("run_on_latest_version").unwrap_or(only_new);
    let note = note_of(&mut body);
    body.close()?;
    let run = runs_of::find(&app, &dag_id, &run_id).await?;
    let order = |run_id| Clear {
        dag_id: dag_id.clone(),
        run_id,
        more_runs: Vec::new(),
        selection: Selection { only_failed, only_new, ..Selection::default() },
        prevent_running_task: false,
        note: None,
        reset_dag_run: true,
        run_on_latest_version: latest,
        actor: Some(caller.name.clone()),
    };
    if note.is_given() && !dry_run {
        place(&app, &run_note(&run, &note, &caller.name), None).await?;
    }
    let tis = clear::over(&app, std::slice::from_ref(&run), order, dry_run).await?;
    if dry_run {
        return Ok(Json(cleared_page(&app, &tis).await?).into_response());
    }
    Ok(Json(runs_of::find_shape(&app, &dag_id, &run_id).await?).into_response())
}
