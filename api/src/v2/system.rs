//! What the installation consists of. Lists that have no counterpart here are empty, not invented.

use axum::Json;
use axum::extract::State;
use millrace_store::worker;
use serde_json::{Value, json};

use crate::access::Action;
use crate::app::App;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::At;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/jobs", Action::SystemRead, jobs)
        .get("/api/v2/providers", Action::SystemRead, providers)
        .get("/api/v2/plugins", Action::SystemRead, plugins)
        .get("/api/v2/plugins/importErrors", Action::SystemRead, plugin_errors)
        .get("/api/v2/config", Action::SystemRead, config)
        .get("/api/v2/dagWarnings", Action::DagRead, warnings)
}

/// Workers that registered (Airflow: jobs are processes with a heartbeat).
async fn jobs(State(app): State<App>, mut params: Params) -> Result<Json<Value>, Problem> {
    let paging = params.paging();
    params.close()?;
    let workers = worker::list(app.store()).await?;
    let total = workers.len();
    let page = workers.into_iter().enumerate().skip(paging.offset as usize);
    let jobs = page.take(paging.limit as usize).map(|(index, worker)| {
        json!({
            "id": index + 1,
            "dag_id": null,
            "state": "running",
            "job_type": "WorkerJob",
            "start_date": At(worker.registered_at),
            "end_date": null,
            "latest_heartbeat": At(worker.last_seen_at),
            "executor_class": null,
            "hostname": worker.hostname,
            "unixname": null,
            "dag_display_name": null,
        })
    });
    Ok(Json(json!({"jobs": jobs.collect::<Vec<_>>(), "total_entries": total})))
}

async fn providers() -> Json<Value> {
    Json(json!({"providers": [], "total_entries": 0}))
}

async fn plugins() -> Json<Value> {
    Json(json!({"plugins": [], "total_entries": 0}))
}

async fn plugin_errors() -> Json<Value> {
    Json(json!({"import_errors": [], "total_entries": 0}))
}

async fn warnings() -> Json<Value> {
    Json(json!({"dag_warnings": [], "total_entries": 0}))
}

async fn config() -> Problem {
    let text = "the configuration is not shown by the API; run `millrace config` on the server";
    Problem::new(axum::http::StatusCode::FORBIDDEN, text)
}
