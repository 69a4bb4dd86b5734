//! Variables: list, one, create, change, delete, many at once. Secret values are never shown.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millrace_store::page::Direction;
use millrace_store::variable::{self, Variable};
use serde_json::{Value, json};

use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::path::{Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{VariableShape, page};

/// The longest key, in characters (Airflow: 250).
const KEY_CHARS_MAX: usize = 250;
/// The most variables of one bulk request.
const BULK_MAX: usize = 1000;

page! {
    /// Airflow: `VariableCollectionResponse`.
    VariablePage { variables: VariableShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/variables", Action::VariableRead, list)
        .post("/api/v2/variables", Action::VariableWrite, create)
        .patch("/api/v2/variables", Action::VariableWrite, bulk)
        .get("/api/v2/variables/{variable_key}", Action::VariableRead, get)
        .patch("/api/v2/variables/{variable_key}", Action::VariableWrite, patch)
        .delete("/api/v2/variables/{variable_key}", Action::VariableWrite, delete)
}

fn missing(key: &str) -> String {
    format!("The Variable with key: `{}` was not found", shown(key))
}

async fn find(app: &App, key: &str) -> Result<Variable, Problem> {
    let found = variable::get(app.store(), key).await?;
    found.ok_or_else(|| Problem::not_found(missing(key)))
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<VariablePage>, Problem> {
    let paging = params.paging();
    let pattern = params.pattern("variable_key_pattern");
    let ((), direction) = params.order(&[("key", ()), ("_key", ())], ((), Direction::Ascending))?;
    params.close()?;
    let page = variable::list(app.store(), pattern.as_deref(), direction, paging).await?;
    let variables = page.rows.into_iter().map(VariableShape::of).collect();
    Ok(Json(VariablePage { variables, total_entries: page.total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<VariableShape>, Problem> {
    find(&app, names.text(0)).await.map(|found| Json(VariableShape::of(found)))
}

/// A value: a text, or JSON that is kept as text.
fn value_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn read(body: &mut Body) -> Variable {
    let name: String = body.required("key");
    let value = value_of(body.required::<Value>("value"));
    let description = body.optional("description");
    body.optional::<Value>("team_name");
    if name.trim().is_empty() || name.chars().count() > KEY_CHARS_MAX {
        let text = "Input should have 1 to 250 characters";
        body.complain("string_length", "key", text, Value::from(shown(&name)));
    }
    Variable { name, value, description }
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    mut body: Body,
) -> Result<(StatusCode, Json<VariableShape>), Problem> {
    let new = read(&mut body);
    body.close()?;
    if variable::get(app.store(), &new.name).await?.is_some() {
        let text = format!("The Variable with key: `{}` already exists", shown(&new.name));
        return Err(Problem::conflict(text));
    }
    variable::set(app.store(), &new, Some(&caller.name), app.now()).await?;
    app.nudge();
    Ok((StatusCode::CREATED, Json(VariableShape::of(new))))
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
    mut body: Body,
) -> Result<Json<VariableShape>, Problem> {
    let new = read(&mut body);
    body.close()?;
    let mask = params.texts("update_mask");
    params.close()?;
    let is_meant = |field: &str| mask.is_empty() || mask.iter().any(|name| name == field);
    if new.name != names.text(0) {
        return Err(Problem::bad_request(
            "Invalid body, key from request body doesn't match uri parameter",
        ));
    }
    let mut row = find(&app, names.text(0)).await?;
    if is_meant("value") {
        row.value = new.value;
    }
    if new.description.is_some() && is_meant("description") {
        row.description = new.description;
    }
    variable::set(app.store(), &row, Some(&caller.name), app.now()).await?;
    app.nudge();
    Ok(Json(VariableShape::of(row)))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<StatusCode, Problem> {
    let key = names.text(0);
    if variable::delete(app.store(), key, Some(&caller.name), app.now()).await? {
        app.nudge();
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(missing(key)))
}

/// Airflow: `BulkBody`; each action answers for itself.
async fn bulk(
    State(app): State<App>,
    caller: Caller,
    mut body: Body,
) -> Result<Json<Value>, Problem> {
    let actions: Vec<Value> = body.required("actions");
    body.close()?;
    let mut answer = json!({"create": null, "update": null, "delete": null});
    for (index, action) in actions.into_iter().enumerate() {
        let at = vec!["body".into(), "actions".into(), index.into()];
        let (word, done) = carry_out(&app, &caller, Body::of(action, at)?).await?;
        answer[word] = done;
    }
    Ok(Json(answer))
}

async fn carry_out(
    app: &App,
    caller: &Caller,
    mut action: Body,
) -> Result<(&'static str, Value), Problem> {
    let word: String = action.required("action");
    let entities: Vec<Value> = action.required("entities");
    let if_exists: Option<String> = action.optional("action_on_existence");
    let if_missing: Option<String> = action.optional("action_on_non_existence");
    let words = ["create", "update", "delete"];
    let Some(word) = words.into_iter().find(|known| *known == word) else {
        action.complain("enum", "action", "Input should be create, update or delete", word.into());
        action.close()?;
        return Err(Problem::defect());
    };
    if entities.len() > BULK_MAX {
        action.complain("too_long", "entities", "at most 1000 are allowed", Value::Null);
    }
    action.close()?;
    let (mut success, mut errors) = (Vec::new(), Vec::new());
    for entity in entities {
        let key = match &entity {
            Value::String(key) => key.clone(),
            other => other.get("key").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let exists = variable::get(app.store(), &key).await?.is_some();
        let policy = if word == "create" { &if_exists } else { &if_missing };
        let skips = policy.as_deref() == Some("skip");
        let overwrites = policy.as_deref() == Some("overwrite");
        let fails = match word {
            "create" => exists && !overwrites,
            _ => !exists,
        };
        if fails && !skips {
            let (status, text) = match word {
                "create" => {
                    (409, format!("The Variable with key: `{}` already exists", shown(&key)))
                }
                _ => (404, missing(&key)),
            };
            errors.push(json!({"error": text, "status_code": status}));
        }
        if fails {
            continue;
        }
        if word == "delete" {
            variable::delete(app.store(), &key, Some(&caller.name), app.now()).await?;
            app.nudge();
        } else {
            let mut entity = Body::of(entity, vec!["body".into(), "actions".into()])?;
            let new = read(&mut entity);
            entity.close()?;
            variable::set(app.store(), &new, Some(&caller.name), app.now()).await?;
            app.nudge();
        }
        success.push(key);
    }
    Ok((word, json!({"success": success, "errors": errors})))
}
