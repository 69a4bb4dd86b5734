//! The list of DAGs with their last runs, in one answer.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use millrace_core::record::{DagRow, RunRow};
use millrace_core::state::RunState;
use millrace_store::dag::{self, DagFilter, DagOrder};
use millrace_store::page::{Direction, LIMIT_MAX};
use millrace_store::{Paging, dag_run};
use serde::Serialize;

use crate::access::Action;
use crate::app::App;
use crate::path::shown;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{At, DagView, seconds};
use crate::v2::broken_files;

/// How many last runs are shown.
const LAST_RUNS: u32 = 14;

#[derive(Debug, Serialize)]
struct DagList {
    dags: Vec<DagLine>,
    total_entries: u64,
    tags: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DagLine {
    dag_id: String,
    display_name: String,
    description: Option<String>,
    owner: Option<String>,
    tags: Vec<String>,
    is_paused: bool,
    schedule: Option<String>,
    schedule_words: Option<String>,
    timezone: String,
    next_run_after: Option<At>,
    has_import_errors: bool,
    last_runs: Vec<RunMark>,
    active_runs: usize,
}

#[derive(Debug, Serialize)]
struct RunMark {
    run_id: String,
    state: &'static str,
    duration_secs: Option<f64>,
    run_after: At,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/dags", Action::DagRead, list)
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<DagList>, Problem> {
    let filter = DagFilter {
        is_stale: Some(false),
        tags: params.text("tag").into_iter().collect(),
        pattern: params.text("q").map(|text| shown(&text)),
        ..DagFilter::default()
    };
    let limit = params.number("limit").unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let paging = Paging { limit, offset: params.number("offset").unwrap_or(0) };
    params.close()?;
    let by = (DagOrder::DagId, Direction::Ascending);
    let page = dag::list(app.store(), &filter, by.0, by.1, paging).await?;
    let dag_ids: Vec<_> = page.rows.iter().map(|row| row.dag_id.clone()).collect();
    let mut recent = dag_run::recent(app.store(), &dag_ids, LAST_RUNS).await?;
    let broken = broken_files(&app).await?;
    let view = DagView { folder: &app.api.dags_folder, zones: &app.api.zones, broken: &broken };
    let now = app.now();
    let mut dags = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let runs = recent.remove(&row.dag_id).unwrap_or_default();
        dags.push(line(&view, row, runs, now));
    }
    let tags = dag::tags(app.store()).await?;
    Ok(Json(DagList { dags, total_entries: page.total, tags }))
}

fn line(view: &DagView<'_>, row: &DagRow, mut runs: Vec<RunRow>, now: Timestamp) -> DagLine {
    runs.reverse();
    let about = &row.about;
    let active = |run: &&RunRow| matches!(run.state, RunState::Queued | RunState::Running);
    DagLine {
        dag_id: row.dag_id.to_string(),
        display_name: about.display_name.clone(),
        description: about.description.clone(),
        owner: about.owners.first().cloned(),
        tags: about.tags.clone(),
        is_paused: row.is_paused,
        schedule: about.schedule_text.clone(),
        schedule_words: about.schedule_text.as_ref().map(|_| view.schedule_words(row).0),
        timezone: about.timezone.clone(),
        next_run_after: At::maybe(row.next_run_after.filter(|_| !row.is_paused)),
        has_import_errors: view.broken.contains(&row.file),
        active_runs: runs.iter().filter(active).count(),
        last_runs: runs.iter().map(|run| mark(run, now)).collect(),
    }
}

fn mark(run: &RunRow, now: Timestamp) -> RunMark {
    RunMark {
        run_id: run.run_id.to_string(),
        state: run.state.as_str(),
        duration_secs: seconds(run.start_date, run.end_date.or(Some(now))),
        run_after: At(run.run_after),
    }
}
