//! Setting the state and the note of task instances by hand: of one, or of a task group.

use axum::Json;
use axum::extract::State;
use millrace_core::engine::{Mark, Order, Refusal, Selection, plan_mark};
use millrace_core::record::{RunRow, TiRow};
use millrace_core::state::TaskState;
use millrace_store::task_instance;

use super::run_change::note_of;
use super::{clear, runs_of, tis_of};
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

const GROUP: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}";
const GROUP_DRY_RUN: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances/{group_id}/dry_run";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .patch(ONE, Action::RunMark, patch)
        .patch(MAPPED, Action::RunMark, patch_mapped)
        .patch(DRY_RUN, Action::RunMark, dry_run)
        .patch(GROUP, Action::RunMark, patch_group)
        .patch(GROUP_DRY_RUN, Action::RunMark, dry_run_group)
}

/// Airflow: `PatchTaskInstanceBody`.
struct Wanted {
    state: Option<TaskState>,
    note: Given<String>,
    upstream: bool,
    downstream: bool,
    future: bool,
    past: bool,
}

impl Wanted {
    fn read(mut body: Body, mut params: Params) -> Result<Self, Problem> {
        let word: Option<String> = body.optional("new_state");
        let mut note = note_of(&mut body);
        let upstream = body.optional("include_upstream").unwrap_or(false);
        let downstream = body.optional("include_downstream").unwrap_or(false);
        let future = body.optional("include_future").unwrap_or(false);
        let past = body.optional("include_past").unwrap_or(false);
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
        body.close()?;
        let mask = params.texts("update_mask");
        params.close()?;
        if !mask.is_empty() {
            state = state.filter(|_| mask.iter().any(|name| name == "new_state"));
            note = note.only_if(mask.iter().any(|name| name == "note"));
        }
        Ok(Self { state, note, upstream, downstream, future, past })
    }
}

/// What a request is about.
struct Target {
    run: RunRow,
    /// The task instances named.
    named: Vec<TiRow>,
    selection: Selection,
}

/// One task instance.
async fn one(app: &App, names: &Names, map_index: i32) -> Result<Target, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let run = runs_of::find(app, &dag_id, &run_id).await?;
    let row = tis_of::find(app, &dag_id, &run_id, &task_id, map_index).await?;
    let selection = Selection { items: vec![(task_id, row.map_index)], ..Selection::default() };
    Ok(Target { run, named: vec![row], selection })
}

/// The task instances of a task group.
async fn group(app: &App, names: &Names) -> Result<Target, Problem> {
    let (dag_id, run_id) = (names.dag_id()?, names.run_id()?);
    let run = runs_of::find(app, &dag_id, &run_id).await?;
    let version = app.version(run.version).await?;
    let dag = version.dag(app)?;
    let group = dag.group(names.text(2)).ok_or_else(|| {
        let name = crate::path::shown(names.text(2));
        Problem::not_found(format!("The task group `{name}` of dag `{dag_id}` was not found"))
    })?;
    let inside = |row: &TiRow| group.tasks.iter().any(|&t| dag.tasks[t].task_id == row.task_id);
    let mut named = task_instance::of_run(app.store(), run.id).await?;
    named.retain(inside);
    let task_ids = group.tasks.iter().map(|&task| dag.tasks[task].task_id.clone()).collect();
    Ok(Target { run, named, selection: Selection { task_ids, ..Selection::default() } })
}

/// A mark of the target in its run and, if asked for, in those before or after it.
async fn mark_of(
    app: &App,
    target: &Target,
    wanted: &Wanted,
    state: TaskState,
    actor: &str,
) -> Result<(Mark, Vec<RunRow>), Problem> {
    let runs = clear::across(app, target.run.clone(), wanted.past, wanted.future).await?;
    let others = runs.iter().filter(|run| run.id != target.run.id);
    let mark = Mark {
        dag_id: target.run.dag_id.clone(),
        run_id: target.run.run_id.clone(),
        more_runs: others.map(|run| run.run_id.clone()).collect(),
        selection: Selection {
            include_upstream: wanted.upstream,
            include_downstream: wanted.downstream,
            ..target.selection.clone()
        },
        state,
        actor: Some(actor.to_owned()),
    };
    Ok((mark, runs))
}

/// What a mark would change; what is named also when it has the state already.
async fn planned(
    app: &App,
    target: &Target,
    mark: &Mark,
    runs: &[RunRow],
) -> Result<Vec<TiRow>, Problem> {
    let mut found = Vec::new();
    for run in runs {
        let rows = task_instance::of_run(app.store(), run.id).await?;
        let version = app.version(run.version).await?;
        let plan = match plan_mark(version.dag(app)?, &rows, mark) {
            // Another run may have another version.
            Err(Refusal::NotFound { .. }) if run.id != target.run.id => continue,
            plan => plan?,
        };
        let is_meant = |ti: &TiRow| {
            target.named.iter().any(|named| named.id == ti.id) || plan.marked.contains(&ti.id)
        };
        found.extend(rows.into_iter().filter(is_meant));
    }
    Ok(found)
}

async fn change(
    app: &App,
    caller: &Caller,
    target: Target,
    wanted: Wanted,
) -> Result<Json<TiPage>, Problem> {
    for row in target.named.iter().filter(|_| wanted.note.is_given()) {
        let order = Order::Note {
            dag_id: target.run.dag_id.clone(),
            run_id: target.run.run_id.clone(),
            task_id: Some(row.task_id.clone()),
            map_index: row.map_index,
            note: wanted.note.clone().value(),
            actor: Some(caller.name.clone()),
        };
        place(app, &order, None).await?;
    }
    let mut before = target.named.clone();
    let mut runs = vec![target.run.clone()];
    let mut waiting = None;
    if let Some(state) = wanted.state {
        let (mark, across) = mark_of(app, &target, &wanted, state, &caller.name).await?;
        before = planned(app, &target, &mark, &across).await?;
        runs = across;
        if matches!(place(app, &Order::Mark(mark), None).await?, Placed::Waiting(_)) {
            waiting = Some(state);
        }
    }
    let mut rows = Vec::with_capacity(before.len());
    for run in runs {
        let now = task_instance::of_run(app.store(), run.id).await?;
        rows.extend(now.into_iter().filter(|row| before.iter().any(|ti| ti.id == row.id)));
    }
    for ti in &mut rows {
        ti.state = waiting.unwrap_or(ti.state);
    }
    tis_of::page(app, &rows).await.map(Json)
}

async fn look(
    app: &App,
    caller: &Caller,
    target: Target,
    wanted: Wanted,
) -> Result<Json<TiPage>, Problem> {
    let rows = match wanted.state {
        Some(state) => {
            let (mark, runs) = mark_of(app, &target, &wanted, state, &caller.name).await?;
            planned(app, &target, &mark, &runs).await?
        }
        None => target.named,
    };
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
    change(&app, &caller, one(&app, &names, -1).await?, wanted).await
}

async fn patch_mapped(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    change(&app, &caller, one(&app, &names, names.number(3)?).await?, wanted).await
}

async fn dry_run(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    look(&app, &caller, one(&app, &names, -1).await?, wanted).await
}

async fn patch_group(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    change(&app, &caller, group(&app, &names).await?, wanted).await
}

async fn dry_run_group(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let wanted = Wanted::read(body, params)?;
    look(&app, &caller, group(&app, &names).await?, wanted).await
}
