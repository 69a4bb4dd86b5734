//! Creating a run: everything that can be wrong is told before anything is promised.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use jiff::Timestamp;
use millrace_core::engine::{Order, Trigger};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::DagRow;
use millrace_core::state::{RunType, TriggeredBy};
use millrace_store::Paging;
use millrace_store::dag_run::{self, RunFilter, RunOrder};
use millrace_store::page::Direction;
use serde_json::{Map, Value};

use super::runs_of;
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::inbox::{Placed, key_of, place, waiting_trigger};
use crate::path::{Names, shown};
use crate::problem::{Problem, invalid_conf};
use crate::routes::Routes;
use crate::shape::RunShape;

/// The longest note, in characters (Airflow: 1000).
pub(super) const NOTE_CHARS_MAX: usize = 1000;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post("/api/v2/dags/{dag_id}/dagRuns", Action::DagTrigger, trigger)
}

/// What a caller may say (Airflow: `TriggerDAGRunPostBody`).
struct Wanted {
    dag_run_id: Option<String>,
    logical_date: Option<Timestamp>,
    data_interval: Option<(Timestamp, Timestamp)>,
    run_after: Option<Timestamp>,
    conf: Option<Map<String, Value>>,
    note: Option<String>,
}

impl Wanted {
    fn read(mut body: Body) -> Result<Self, Problem> {
        let logical_date = body.required_or_null("logical_date");
        let dag_run_id: Option<String> = body.optional("dag_run_id");
        let start: Option<Timestamp> = body.optional("data_interval_start");
        let end: Option<Timestamp> = body.optional("data_interval_end");
        let run_after = body.optional("run_after");
        let conf = body.optional("conf");
        let note: Option<String> = body.optional("note");
        if body.optional::<Value>("partition_key").is_some() {
            let text = "partitioned runs are not supported";
            body.complain("value_error", "partition_key", text, Value::Null);
        }
        let data_interval = match (start, end) {
            (Some(start), Some(end)) if start <= end => Some((start, end)),
            (None, None) => None,
            _ => {
                let text = "Value error, Either both data_interval_start and data_interval_end \
                    must be provided, in order, or both must be None";
                body.complain("value_error", "data_interval_start", text, Value::Null);
                None
            }
        };
        if let Some(id) = &dag_run_id
            && let Err(error) = check_run_id(id)
        {
            body.complain("value_error", "dag_run_id", error, Value::from(shown(id)));
        }
        if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
            let text = "String should have at most 1000 characters";
            body.complain("string_too_long", "note", text, Value::Null);
        }
        body.close()?;
        Ok(Self { dag_run_id, logical_date, data_interval, run_after, conf, note })
    }
}

/// The alphabet of run ids, and the prefixes that the scheduler keeps for itself.
fn check_run_id(id: &str) -> Result<(), String> {
    RunId::new(id).map_err(|error| format!("Value error, {error}"))?;
    let reserved = RunType::ALL.iter().filter(|kind| **kind != RunType::Manual);
    match reserved.into_iter().find(|kind| id.starts_with(&format!("{kind}__"))) {
        Some(kind) => Err(format!(
            "Value error, a run id must not begin with \"{kind}__\", which is kept for other runs"
        )),
        None => Ok(()),
    }
}

async fn trigger(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RunShape>, Problem> {
    let dag_id = names.dag_id();
    let key = key_of(&headers, &caller)?;
    let wanted = Wanted::read(body)?;
    let row = find_dag(&app, dag_id, names.text(0)).await?;
    check_run(&app, &row, RunType::Manual, wanted.conf.as_ref()).await?;
    let now = app.unique_now();
    let run_after = wanted.run_after.unwrap_or(now);
    let name = wanted.dag_run_id.unwrap_or_else(|| {
        let unique = if wanted.run_after.is_some() { now } else { run_after };
        format!("{}__{}", RunType::Manual, millrace_core::time::isoformat(unique))
    });
    let run_id = RunId::new(&name).map_err(|error| Problem::bad_request(error.to_string()))?;
    let order = Trigger {
        dag_id: row.dag_id.clone(),
        run_id: Some(run_id),
        run_type: RunType::Manual,
        logical_date: wanted.logical_date,
        data_interval: wanted.data_interval,
        run_after: Some(run_after),
        conf: wanted.conf,
        note: wanted.note,
        triggered_by: triggered_by(&headers),
        actor: Some(caller.name.clone()),
    };
    if key.is_none() {
        refuse_double(&app, &order).await?;
    }
    let placed = place(&app, &Order::Trigger(order.clone()), key.as_deref()).await?;
    answer(&app, placed, &order, now).await.map(Json)
}

/// The dashboard names itself, so that its runs can be told from those of scripts.
pub(super) fn triggered_by(headers: &HeaderMap) -> TriggeredBy {
    let client = headers.get("x-millrace-client").and_then(|value| value.to_str().ok());
    match client {
        Some("ui") => TriggeredBy::Ui,
        Some("cli") => TriggeredBy::Cli,
        _ => TriggeredBy::RestApi,
    }
}

pub(super) async fn find_dag(
    app: &App,
    dag_id: Result<DagId, Problem>,
    text: &str,
) -> Result<DagRow, Problem> {
    // Airflow words this 404 differently from the others.
    let missing = || Problem::not_found(format!("Dag with dag_id: '{}' not found", shown(text)));
    let dag_id = dag_id.map_err(|_| missing())?;
    let row = millrace_store::dag::get(app.store(), dag_id.as_str()).await?;
    let row = row.ok_or_else(missing)?;
    if row.is_stale {
        let text = format!("the file of dag \"{dag_id}\" is gone; put it back to run it");
        return Err(Problem::conflict(text));
    }
    Ok(row)
}

/// A run of that kind must be allowed, and its conf must keep the params' schema.
pub(super) async fn check_run(
    app: &App,
    row: &DagRow,
    kind: RunType,
    conf: Option<&Map<String, Value>>,
) -> Result<(), Problem> {
    let version = app.version(row.version).await?;
    let dag = version.dag(app)?;
    if !dag.allows(kind) {
        let text = format!("Dag with dag_id: '{}' does not allow {kind} runs", row.dag_id);
        return Err(Problem::bad_request(text));
    }
    let conf = conf.cloned().unwrap_or_default();
    let merged = dag.params.merge(&conf);
    merged.map(|_| ()).map_err(|problems| invalid_conf(problems, &Value::Object(conf)))
}

/// A run of the same name or logical date exists.
async fn refuse_double(app: &App, order: &Trigger) -> Result<(), Problem> {
    let dag_id = order.dag_id.as_str();
    if let Some(run_id) = &order.run_id
        && dag_run::get(app.store(), dag_id, run_id.as_str()).await?.is_some()
    {
        let text = format!("dag \"{dag_id}\" has a dag run \"{run_id}\" already");
        return Err(Problem::duplicate(text));
    }
    let Some(date) = order.logical_date else { return Ok(()) };
    let wanted = RunFilter {
        dag_ids: vec![dag_id.to_owned()],
        logical_date_from: Some(date),
        logical_date_to: Some(date),
        ..RunFilter::default()
    };
    let one = Paging { limit: 1, offset: 0 };
    let page = dag_run::list(app.store(), &wanted, RunOrder::Id, Direction::Ascending, one).await?;
    match page.rows.first() {
        None => Ok(()),
        Some(run) => Err(Problem::duplicate(format!(
            "dag \"{dag_id}\" has a dag run for the logical date {} already: \"{}\"",
            millrace_core::time::isoformat(date),
            run.run_id
        ))),
    }
}

pub(super) async fn answer(
    app: &App,
    placed: Placed,
    order: &Trigger,
    now: Timestamp,
) -> Result<RunShape, Problem> {
    match placed {
        Placed::Done(value) => {
            let named = value.as_str().or_else(|| value.get("run_id")?.as_str());
            let run_id = named.and_then(|name| RunId::new(name).ok()).or(order.run_id.clone());
            let run_id = run_id.ok_or_else(Problem::defect)?;
            runs_of::find_shape(app, &order.dag_id, &run_id).await
        }
        Placed::Waiting(id) => {
            // With a repeated idempotency key the entry may hold an earlier order.
            let found = waiting_trigger(app, |entry, _| entry == id).await?;
            let (trigger, at) = found.unwrap_or_else(|| (order.clone(), now));
            runs_of::waiting(app, trigger, at).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_keep_to_their_alphabet_and_prefix() {
        let check = |id: &str, expected: Option<&str>| match (check_run_id(id), expected) {
            (Ok(()), None) => {}
            (Err(got), Some(part)) => assert!(got.contains(part), "{id}: {got}"),
            (got, expected) => panic!("{id}: {got:?}, expected {expected:?}"),
        };
        check("my_run-1", None);
        check("manual__2025-01-01T00:00:00+00:00", None);
        check("scheduled__x", Some("must not begin"));
        check("backfill__x", Some("must not begin"));
        check("../x", Some("character '/'"));
        check("a b", Some("character ' '"));
        check("$(id)", Some("character '$'"));
    }
}
