//! Runs: lists with filters, and one.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use millrace_core::ids::DagId;
use millrace_core::state::{RunState, RunType};
use millrace_store::dag_run::{self, RunFilter, RunOrder};
use millrace_store::page::Direction;
use serde_json::Value;

use super::runs_of;
use crate::access::Action;
use crate::app::App;
use crate::body::Body;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::{Params, order_of, page_of};
use crate::routes::Routes;
use crate::shape::{RunPage, RunShape};

const ORDERS: &[(&str, RunOrder)] = &[
    ("id", RunOrder::Id),
    ("run_after", RunOrder::RunAfter),
    ("logical_date", RunOrder::LogicalDate),
    ("start_date", RunOrder::StartDate),
    ("end_date", RunOrder::EndDate),
    ("state", RunOrder::State),
    ("dag_id", RunOrder::DagId),
    ("run_id", RunOrder::RunId),
    ("dag_run_id", RunOrder::RunId),
];
const DEFAULT_ORDER: (RunOrder, Direction) = (RunOrder::Id, Direction::Ascending);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/dags/{dag_id}/dagRuns", Action::DagRead, list)
        .post("/api/v2/dags/{dag_id}/dagRuns/list", Action::DagRead, list_by_body)
        .get("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}", Action::DagRead, get)
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<RunPage>, Problem> {
    let mut filter = RunFilter {
        dag_ids: of_dag(&app, &names).await?,
        dag_id_pattern: params.pattern("dag_id_pattern"),
        run_id_pattern: params.pattern("run_id_pattern"),
        states: params.words("state", RunState::from_word),
        run_types: params.words("run_type", RunType::from_word),
        triggering_user_pattern: params.pattern("triggering_user_name_pattern"),
        ..RunFilter::default()
    };
    (filter.logical_date_from, filter.logical_date_to) =
        (params.from("logical_date"), params.to("logical_date"));
    (filter.run_after_from, filter.run_after_to) =
        (params.from("run_after"), params.to("run_after"));
    (filter.start_date_from, filter.start_date_to) =
        (params.from("start_date"), params.to("start_date"));
    (filter.end_date_from, filter.end_date_to) = (params.from("end_date"), params.to("end_date"));
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, DEFAULT_ORDER)?;
    params.close()?;
    let page = dag_run::list(app.store(), &filter, order, direction, paging).await?;
    runs_of::shape_page(&app, page).await.map(Json)
}

/// The DAG of the path, which must exist, or all.
async fn of_dag(app: &App, names: &Names) -> Result<Vec<String>, Problem> {
    match names.dag_or_any()? {
        None => Ok(Vec::new()),
        Some(dag_id) => Ok(vec![app.dag(&dag_id).await?.dag_id.to_string()]),
    }
}

/// Airflow: `DAGRunsBatchBody`.
async fn list_by_body(
    State(app): State<App>,
    names: Names,
    mut body: Body,
) -> Result<Json<RunPage>, Problem> {
    if names.dag_or_any()?.is_some() {
        return Err(Problem::bad_request("write `~` for the DAG; name DAGs in `dag_ids`"));
    }
    let mut time = |name: &str| body.optional::<Timestamp>(name);
    let mut filter = RunFilter {
        logical_date_from: time("logical_date_gte"),
        logical_date_to: time("logical_date_lte"),
        run_after_from: time("run_after_gte"),
        run_after_to: time("run_after_lte"),
        start_date_from: time("start_date_gte"),
        start_date_to: time("start_date_lte"),
        end_date_from: time("end_date_gte"),
        end_date_to: time("end_date_lte"),
        ..RunFilter::default()
    };
    let dag_ids: Vec<String> = body.optional("dag_ids").unwrap_or_default();
    for dag_id in dag_ids {
        match DagId::new(&dag_id) {
            Ok(_) => filter.dag_ids.push(dag_id),
            Err(error) => {
                let text = format!("Value error, {error}");
                body.complain("value_error", "dag_ids", text, Value::Null);
            }
        }
    }
    filter.states = body.words("states", RunState::from_word);
    filter.run_types = body.words("run_types", RunType::from_word);
    let order_by: Option<String> = body.optional("order_by");
    let paging = page_of(&mut body);
    body.close()?;
    let (order, direction) = order_of(order_by.as_deref(), ORDERS, DEFAULT_ORDER)?;
    let page = dag_run::list(app.store(), &filter, order, direction, paging).await?;
    runs_of::shape_page(&app, page).await.map(Json)
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<RunShape>, Problem> {
    let (dag_id, run_id) = (names.dag_id()?, names.run_id()?);
    runs_of::find_shape(&app, &dag_id, &run_id).await.map(Json)
}
