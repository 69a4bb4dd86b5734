//! What people are asked, and their answers (Airflow: human in the loop, `hitlDetails`).

use axum::Json;
use axum::extract::State;
use millrace_core::engine::{Answer, Order};
use millrace_core::operator::approval;
use millrace_core::record::TiRow;
use millrace_core::state::TaskState;
use millrace_core::wait::{Condition, Question, Reply, Wait};
use millrace_store::page::Direction;
use millrace_store::task_instance::{self, TiFilter, TiOrder};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::tis_of;
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::inbox::{Placed, place};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{At, TiShape, page};

page! {
    /// Airflow: `HITLDetailCollection`.
    HitlPage { hitl_details: HitlShape }
}

const LIST: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails";
const ONE: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/\
    {map_index}/hitlDetails";
const TRY: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/\
    {map_index}/hitlDetails/tries/{try_number}";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(LIST, Action::DagRead, list)
        .get(ONE, Action::DagRead, get)
        .patch(ONE, Action::RunMark, patch)
        .get(TRY, Action::DagRead, get_try)
}

/// Airflow: `HITLUser`.
#[derive(Debug, Serialize)]
struct UserShape {
    id: String,
    name: String,
}

impl UserShape {
    fn of(name: &str) -> Self {
        Self { id: name.to_owned(), name: name.to_owned() }
    }
}

/// Airflow: `HITLDetail`.
#[derive(Debug, Serialize)]
pub(crate) struct HitlShape {
    task_instance: TiShape,
    subject: String,
    body: Option<String>,
    options: Vec<String>,
    defaults: Option<Vec<String>>,
    multiple: bool,
    params: Map<String, Value>,
    assigned_users: Vec<UserShape>,
    created_at: At,
    response_received: bool,
    responded_by_user: Option<UserShape>,
    responded_at: Option<At>,
    chosen_options: Option<Vec<String>>,
    params_input: Map<String, Value>,
}

/// The question of a row, and what it waits by.
fn asked(row: &TiRow) -> Option<(&Wait, &Question)> {
    let wait = row.wait.as_deref()?;
    match wait.condition.as_ref()? {
        Condition::Answer(question) => Some((wait, question)),
        _ => None,
    }
}

impl HitlShape {
    fn of(row: &TiRow, task_instance: TiShape) -> Option<Self> {
        let (wait, question) = asked(row)?;
        let reply: Option<&Reply> = wait.reply.as_ref();
        let params = approval::form(&question.params);
        let shown = |name: &String| {
            let schema = params.properties.get(name).cloned().unwrap_or_default();
            json!({ "value": params.defaults.get(name), "schema": schema, "description": null })
        };
        Some(Self {
            task_instance,
            subject: question.subject.clone(),
            body: question.body.clone(),
            options: question.options.clone(),
            defaults: Some(question.defaults.clone()).filter(|defaults| !defaults.is_empty()),
            multiple: question.multiple,
            params: question.params.keys().map(|name| (name.clone(), shown(name))).collect(),
            assigned_users: question
                .assigned_users
                .iter()
                .map(|name| UserShape::of(name))
                .collect(),
            created_at: At(wait.since),
            response_received: reply.is_some(),
            responded_by_user: reply
                .and_then(|reply| reply.responded_by.as_deref())
                .map(UserShape::of),
            responded_at: reply.map(|reply| At(reply.responded_at)),
            chosen_options: reply.map(|reply| reply.chosen_options.clone()),
            params_input: reply.map(|reply| reply.params_input.clone()).unwrap_or_default(),
        })
    }
}

async fn shapes(app: &App, rows: &[TiRow]) -> Result<Vec<HitlShape>, Problem> {
    let asking: Vec<TiRow> = rows.iter().filter(|row| asked(row).is_some()).cloned().collect();
    let shapes = tis_of::shapes(app, &asking).await?;
    Ok(asking.iter().zip(shapes).filter_map(|(row, shape)| HitlShape::of(row, shape)).collect())
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<HitlPage>, Problem> {
    let received = params.flag("response_received");
    let mut filter = TiFilter {
        dag_ids: names.dag_or_any()?.map(|id| id.to_string()).into_iter().collect(),
        run_ids: names.run_or_any()?.map(|id| id.to_string()).into_iter().collect(),
        operators: vec![approval::SPEC.name.to_owned()],
        task_ids: params.text("task_id").into_iter().collect(),
        ..TiFilter::default()
    };
    filter.states = match received {
        Some(false) => vec![TaskState::AwaitingInput],
        Some(true) => vec![TaskState::Success, TaskState::Failed],
        None => vec![TaskState::AwaitingInput, TaskState::Success, TaskState::Failed],
    };
    let paging = params.paging();
    params.close()?;
    let found =
        task_instance::list(app.store(), &filter, TiOrder::Id, Direction::Descending, paging)
            .await?;
    let total_entries = found.total;
    let rows: Vec<TiRow> = found.rows.into_iter().map(|found| found.row).collect();
    Ok(Json(HitlPage { hitl_details: shapes(&app, &rows).await?, total_entries }))
}

async fn find(app: &App, names: &Names) -> Result<TiRow, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = tis_of::find(app, &dag_id, &run_id, &task_id, names.number(3)?).await?;
    if asked(&row).is_none() {
        let text = format!("Human-in-the-loop detail does not exist for Task Instance `{task_id}`");
        return Err(Problem::not_found(text));
    }
    Ok(row)
}

async fn shown(app: &App, row: TiRow) -> Result<Json<HitlShape>, Problem> {
    let found = shapes(app, std::slice::from_ref(&row)).await?.pop();
    found.map(Json).ok_or_else(|| Problem::not_found("Not Found"))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<HitlShape>, Problem> {
    let row = find(&app, &names).await?;
    shown(&app, row).await
}

/// Only the current try is kept.
async fn get_try(State(app): State<App>, names: Names) -> Result<Json<HitlShape>, Problem> {
    let row = find(&app, &names).await?;
    if row.try_number != names.number::<u32>(4)? {
        return Err(Problem::not_found("the question of that try is not kept"));
    }
    shown(&app, row).await
}

/// Airflow: `UpdateHITLDetailPayload`, answered with `HITLDetailResponse`.
async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut body: Body,
) -> Result<Json<Value>, Problem> {
    let chosen_options: Vec<Value> = body.required("chosen_options");
    let params_input: Map<String, Value> = body.optional("params_input").unwrap_or_default();
    let texts = chosen_options.iter().filter_map(Value::as_str).map(str::to_owned);
    let texts: Vec<String> = texts.collect();
    if texts.len() != chosen_options.len() || texts.is_empty() {
        let text = "Input should be a list of at least one text";
        body.complain("list_type", "chosen_options", text, chosen_options.into());
    }
    body.close()?;
    let row = find(&app, &names).await?;
    let order = Order::Answer(Answer {
        dag_id: names.dag_id()?,
        run_id: names.run_id()?,
        task_id: row.task_id,
        map_index: row.map_index,
        chosen_options: texts,
        params_input,
        actor: Some(caller.name.clone()),
    });
    match place(&app, &order, None).await? {
        Placed::Done(answer) => Ok(Json(json!({
            "responded_by": UserShape::of(&caller.name),
            "responded_at": answer["responded_at"],
            "chosen_options": answer["chosen_options"],
            "params_input": answer["params_input"],
        }))),
        Placed::Waiting(_) => {
            Err(Problem::unavailable("the answer is safe; it counts when a scheduler runs again"))
        }
    }
}
