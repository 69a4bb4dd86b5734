//! Pools: list, one, create, change, delete. The leader keeps them in memory, so changes are
//! orders.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millrace_core::dag::DEFAULT_POOL;
use millrace_core::engine::Order;
use millrace_core::record::PoolRow;
use millrace_store::pool;
use serde_json::Value;

use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::{Body, Given};
use crate::inbox::place;
use crate::path::{Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{PoolShape, page};

/// The longest name, in characters (Airflow: 256).
const NAME_CHARS_MAX: usize = 250;

page! {
    /// Airflow: `PoolCollectionResponse`.
    PoolPage { pools: PoolShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/pools", Action::PoolRead, list)
        .post("/api/v2/pools", Action::PoolWrite, create)
        .get("/api/v2/pools/{pool_name}", Action::PoolRead, get)
        .patch("/api/v2/pools/{pool_name}", Action::PoolWrite, patch)
        .delete("/api/v2/pools/{pool_name}", Action::PoolWrite, delete)
}

fn no_pool(name: &str) -> Problem {
    Problem::not_found(format!("The Pool with name: `{}` was not found", shown(name)))
}

async fn find(app: &App, name: &str) -> Result<PoolRow, Problem> {
    pool::get(app.store(), name).await?.ok_or_else(|| no_pool(name))
}

async fn shaped(app: &App, row: PoolRow) -> Result<Json<PoolShape>, Problem> {
    let usage = pool::usage(app.store()).await?;
    let of_pool = usage.get(&row.name);
    Ok(Json(PoolShape::of(row, of_pool)))
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<PoolPage>, Problem> {
    let paging = params.paging();
    let pattern = params.text("pool_name_pattern").unwrap_or_default();
    let pattern = pattern.trim_matches(['~', '%']).to_lowercase();
    params.close()?;
    let usage = pool::usage(app.store()).await?;
    let mut rows = pool::list(app.store()).await?;
    rows.retain(|row| row.name.to_lowercase().contains(&pattern));
    let total_entries = rows.len() as u64;
    let page = rows.into_iter().skip(paging.offset as usize).take(paging.limit as usize);
    let pools = page.map(|row| {
        let of_pool = usage.get(&row.name);
        PoolShape::of(row, of_pool)
    });
    Ok(Json(PoolPage { pools: pools.collect(), total_entries }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<PoolShape>, Problem> {
    let row = find(&app, names.text(0)).await?;
    shaped(&app, row).await
}

fn check_slots(body: &mut Body, slots: i64) {
    if slots < -1 {
        let text = "Input should be greater than or equal to -1";
        body.complain("greater_than_equal", "slots", text, slots.into());
    }
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    mut body: Body,
) -> Result<(StatusCode, Json<PoolShape>), Problem> {
    let row = PoolRow {
        name: body.required("name"),
        slots: body.required("slots"),
        description: body.optional("description"),
        include_deferred: body.optional("include_deferred").unwrap_or(false),
    };
    body.optional::<Value>("team_name");
    check_slots(&mut body, row.slots);
    let chars = row.name.chars().count();
    if chars > NAME_CHARS_MAX || row.name.trim().is_empty() {
        let text = "Input should have 1 to 250 characters";
        body.complain("string_length", "name", text, Value::from(shown(&row.name)));
    }
    body.close()?;
    if pool::get(app.store(), &row.name).await?.is_some() {
        let text = format!("The Pool with name: `{}` already exists", shown(&row.name));
        return Err(Problem::conflict(text));
    }
    place(&app, &Order::SetPool { row: row.clone(), actor: Some(caller.name) }, None).await?;
    Ok((StatusCode::CREATED, shaped(&app, row).await?))
}

/// Airflow asks for every field even under an update mask; here a field that is absent stays.
async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
    mut body: Body,
) -> Result<Json<PoolShape>, Problem> {
    let name = names.text(0);
    let given: Option<String> = body.optional("name").or_else(|| body.optional("pool"));
    if given.is_some_and(|given| given != name) {
        body.complain("value_error", "name", "a pool cannot be renamed", Value::Null);
    }
    let slots: Option<i64> = body.optional("slots");
    let description: Given<String> = body.nullable("description");
    let include_deferred: Option<bool> = body.optional("include_deferred");
    check_slots(&mut body, slots.unwrap_or(0));
    body.close()?;
    let mask = params.texts("update_mask");
    params.close()?;
    let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|name| name == field);
    let mut row = find(&app, name).await?;
    if name == DEFAULT_POOL && (description.is_given() && is_meant("description")) {
        let text = "Only slots and included_deferred can be modified on Default Pool";
        return Err(Problem::bad_request(text));
    }
    row.slots = slots.filter(|_| is_meant("slots")).unwrap_or(row.slots);
    let meant = include_deferred.filter(|_| is_meant("include_deferred"));
    row.include_deferred = meant.unwrap_or(row.include_deferred);
    description.only_if(is_meant("description")).set(&mut row.description);
    place(&app, &Order::SetPool { row: row.clone(), actor: Some(caller.name) }, None).await?;
    shaped(&app, row).await
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<StatusCode, Problem> {
    let name = names.text(0);
    if name == DEFAULT_POOL {
        return Err(Problem::bad_request("Default Pool can't be deleted"));
    }
    find(&app, name).await?;
    place(&app, &Order::DeletePool { name: name.to_owned(), actor: Some(caller.name) }, None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
