//! Task instances: lists with filters, and one.

use axum::Json;
use axum::extract::State;
use millrace_core::engine::Reason;
use millrace_core::state::TaskState;
use millrace_store::page::Direction;
use millrace_store::task_instance::{self, TiFilter, TiOrder};
use serde_json::{Value, json};

use super::{runs_of, tis_of};
use crate::access::Action;
use crate::app::App;
use crate::body::Body;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::{Params, order_of, page_of};
use crate::routes::Routes;
use crate::shape::{TiPage, TiShape};

const ORDERS: &[(&str, TiOrder)] = &[
    ("id", TiOrder::Id),
    ("task_id", TiOrder::TaskId),
    ("map_index", TiOrder::MapIndex),
    ("state", TiOrder::State),
    ("start_date", TiOrder::StartDate),
    ("end_date", TiOrder::EndDate),
    ("logical_date", TiOrder::LogicalDate),
    ("run_after", TiOrder::RunAfter),
];
const DEFAULT_ORDER: (TiOrder, Direction) = (TiOrder::Id, Direction::Ascending);

const LIST: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances";
const LIST_BY_BODY: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list";
const ONE: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}";
const MAPPED: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}";
const LIST_MAPPED: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped";
const DEPENDENCIES: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(LIST, Action::DagRead, list)
        .post(LIST_BY_BODY, Action::DagRead, list_by_body)
        .get(ONE, Action::DagRead, get)
        .get(MAPPED, Action::DagRead, get_mapped)
        .get(LIST_MAPPED, Action::DagRead, list_mapped)
        .get(DEPENDENCIES, Action::DagRead, dependencies)
}

/// A state; `null` and `none` are no state.
fn state_of(word: &str) -> Option<TaskState> {
    match word {
        "null" | "none" | "no_status" => Some(TaskState::NoStatus),
        word => TaskState::from_word(word),
    }
}

/// The filter of a path: the run and the DAG of it, which must exist, or all.
async fn of_path(app: &App, names: &Names) -> Result<TiFilter, Problem> {
    let mut filter = TiFilter::default();
    let (dag_id, run_id) = (names.dag_or_any()?, names.run_or_any()?);
    match (dag_id, run_id) {
        (Some(dag_id), Some(run_id)) => {
            filter.runs = vec![runs_of::find(app, &dag_id, &run_id).await?.id];
        }
        (Some(dag_id), None) => filter.dag_ids = vec![app.dag(&dag_id).await?.dag_id.to_string()],
        (None, Some(run_id)) => filter.run_ids = vec![run_id.to_string()],
        (None, None) => {}
    }
    Ok(filter)
}

fn read_filter(filter: &mut TiFilter, params: &mut Params) {
    filter.task_ids = params.texts("task_id");
    filter.task_id_pattern = params.pattern("task_display_name_pattern");
    filter.states = params.words("state", state_of);
    filter.pools = params.texts("pool");
    filter.queues = params.texts("queue");
    filter.operators = params.texts("operator");
    filter.map_index = params.number("map_index");
    (filter.run_after_from, filter.run_after_to) =
        (params.from("run_after"), params.to("run_after"));
    (filter.logical_date_from, filter.logical_date_to) =
        (params.from("logical_date"), params.to("logical_date"));
    (filter.start_date_from, filter.start_date_to) =
        (params.from("start_date"), params.to("start_date"));
    (filter.end_date_from, filter.end_date_to) = (params.from("end_date"), params.to("end_date"));
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<TiPage>, Problem> {
    let mut filter = of_path(&app, &names).await?;
    read_filter(&mut filter, &mut params);
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, DEFAULT_ORDER)?;
    params.close()?;
    let page = task_instance::list(app.store(), &filter, order, direction, paging).await?;
    tis_of::shape_page(&app, page).await.map(Json)
}

/// Airflow: `TaskInstancesBatchBody`.
async fn list_by_body(
    State(app): State<App>,
    names: Names,
    mut body: Body,
) -> Result<Json<TiPage>, Problem> {
    let path = of_path(&app, &names).await?;
    let mut texts = |name: &str| body.optional::<Vec<String>>(name).unwrap_or_default();
    let (dag_ids, run_ids) = (texts("dag_ids"), texts("dag_run_ids"));
    let (task_ids, pools) = (texts("task_ids"), texts("pool"));
    let (queues, operators) = (texts("queue"), texts("operator"));
    let states = body.words("state", state_of);
    let filter = TiFilter {
        dag_ids: if dag_ids.is_empty() { path.dag_ids } else { dag_ids },
        run_ids: if run_ids.is_empty() { path.run_ids } else { run_ids },
        runs: path.runs,
        task_ids,
        states,
        pools,
        queues,
        operators,
        run_after_from: body.optional("run_after_gte"),
        run_after_to: body.optional("run_after_lte"),
        logical_date_from: body.optional("logical_date_gte"),
        logical_date_to: body.optional("logical_date_lte"),
        start_date_from: body.optional("start_date_gte"),
        start_date_to: body.optional("start_date_lte"),
        end_date_from: body.optional("end_date_gte"),
        end_date_to: body.optional("end_date_lte"),
        ..TiFilter::default()
    };
    let order_by: Option<String> = body.optional("order_by");
    let paging = page_of(&mut body);
    body.close()?;
    let (order, direction) = order_of(order_by.as_deref(), ORDERS, DEFAULT_ORDER)?;
    let page = task_instance::list(app.store(), &filter, order, direction, paging).await?;
    tis_of::shape_page(&app, page).await.map(Json)
}

async fn one(app: &App, names: &Names, map_index: i32) -> Result<Json<TiShape>, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = tis_of::find(app, &dag_id, &run_id, &task_id, map_index).await?;
    let mut shapes = tis_of::shapes(app, std::slice::from_ref(&row)).await?;
    shapes.pop().map(Json).ok_or_else(Problem::defect)
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<TiShape>, Problem> {
    one(&app, &names, -1).await
}

async fn get_mapped(State(app): State<App>, names: Names) -> Result<Json<TiShape>, Problem> {
    one(&app, &names, names.number(3)?).await
}

async fn list_mapped(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<TiPage>, Problem> {
    let mut filter = of_path(&app, &names).await?;
    let task_id = names.task_id()?;
    read_filter(&mut filter, &mut params);
    filter.task_ids = vec![task_id.to_string()];
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, (TiOrder::MapIndex, Direction::Ascending))?;
    params.close()?;
    let page = task_instance::list(app.store(), &filter, order, direction, paging).await?;
    tis_of::shape_page(&app, page).await.map(Json)
}

/// Airflow: why a task instance does not run; `/api/v1/…/explain` tells more.
async fn dependencies(State(app): State<App>, names: Names) -> Result<Json<Value>, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = tis_of::find(&app, &dag_id, &run_id, &task_id, -1).await?;
    let waits = matches!(row.state, TaskState::NoStatus | TaskState::Scheduled);
    let reasons =
        if waits { crate::v1::explanation(&app, &row).await?.reasons } else { Vec::new() };
    let of = |reason: Reason| json!({"name": reason.code, "reason": reason.text});
    let found: Vec<Value> = reasons.into_iter().map(of).collect();
    Ok(Json(json!({"dependencies": found})))
}
