//! Version and health, for everybody.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde_json::{Value, json};

use crate::app::App;
use crate::routes::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.public(MethodFilter::GET, "/api/v2/version", version).public(
        MethodFilter::GET,
        "/api/v2/monitor/health",
        health,
    )
}

async fn version() -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION"), "git_version": null}))
}

/// Health tells whether, never what: no names, no addresses. There is no triggerer; its place says
/// so with nulls. Heartbeats are told only where this process has the scheduler, and knows.
async fn health(State(app): State<App>) -> Json<Value> {
    let leader = app.store().leader().await;
    let database = if leader.is_ok() { "healthy" } else { "unhealthy" };
    let leads_here = app.api.leading.as_ref().map(|leading| *leading.borrow());
    let is_led = match leads_here {
        Some(true) => true,
        _ => leader.ok().flatten().is_some_and(|leader| !leader.holder.is_empty()),
    };
    let scheduler = if is_led { "healthy" } else { "unhealthy" };
    let seen = (leads_here == Some(true)).then(|| millrace_core::time::isoformat(app.now()));
    Json(json!({
        "metadatabase": {"status": database},
        "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": seen},
        "triggerer": {"status": null, "latest_triggerer_heartbeat": null},
        "dag_processor": {"status": scheduler, "latest_dag_processor_heartbeat": seen},
    }))
}
