//! The event log (Airflow: the audit log): what happened, and who did it.

use axum::Json;
use axum::extract::State;
use millrace_store::event::{self, EventFilter};
use millrace_store::page::Direction;

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{EventShape, page};

page! {
    /// Airflow: `EventLogCollectionResponse`.
    EventPage { event_logs: EventShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v2/eventLogs", Action::AuditRead, list).get(
        "/api/v2/eventLogs/{event_log_id}",
        Action::AuditRead,
        get,
    )
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<EventPage>, Problem> {
    let filter = EventFilter {
        dag_id: params.text("dag_id"),
        run_id: params.text("run_id"),
        task_id: params.text("task_id"),
        kinds: params.texts("event").into_iter().filter(|kind| !kind.is_empty()).collect(),
        actor: params.text("owner"),
        at_from: params.time("after"),
        at_to: params.time("before"),
        ..EventFilter::default()
    };
    let paging = params.paging();
    let names = [("event_log_id", ()), ("id", ()), ("when", ()), ("dttm", ())];
    let ((), direction) = params.order(&names, ((), Direction::Ascending))?;
    params.close()?;
    let page = event::list(app.store(), &filter, direction, paging).await?;
    let event_logs = page.rows.into_iter().map(EventShape::of).collect();
    Ok(Json(EventPage { event_logs, total_entries: page.total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<EventShape>, Problem> {
    let id: i64 = names.number(0)?;
    let found = event::after(app.store(), id.saturating_sub(1), 1).await?;
    let found = found.into_iter().find(|event| event.id == id);
    found
        .map(|event| Json(EventShape::of(event)))
        .ok_or_else(|| Problem::not_found(format!("The Event Log with id: `{id}` not found")))
}
