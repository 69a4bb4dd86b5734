//! The rendered fields of a try, as the worker reported them: secrets are masked there.

use axum::Json;
use axum::extract::State;
use millrace_store::task_attempt;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::v2::find_ti;

#[derive(Debug, Serialize)]
struct Rendered {
    fields: Map<String, Value>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    let path = "/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/rendered";
    routes.get(path, Action::LogRead, rendered)
}

async fn rendered(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Rendered>, Problem> {
    let map_index = params.number("map_index").unwrap_or(-1);
    let try_number: Option<u32> = params.number("try_number");
    params.close()?;
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = find_ti(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let try_number = try_number.unwrap_or(row.try_number);
    let attempt = task_attempt::of_try(app.store(), row.id, try_number).await?;
    let mut fields = Map::new();
    if let Some(Value::Object(found)) = attempt.and_then(|attempt| attempt.rendered) {
        for (name, value) in found {
            flatten(&mut fields, name, value);
        }
    }
    Ok(Json(Rendered { fields }))
}

/// Texts as they are, maps of texts with dotted names (`env.HOME`), everything else as JSON.
fn flatten(fields: &mut Map<String, Value>, name: String, value: Value) {
    match value {
        Value::Null => {}
        Value::String(_) => {
            fields.insert(name, value);
        }
        Value::Object(map) if !map.is_empty() && map.values().all(Value::is_string) => {
            for (key, value) in map {
                fields.insert(format!("{name}.{key}"), value);
            }
        }
        other => {
            let text = serde_json::to_string_pretty(&other).unwrap_or_default();
            fields.insert(name, text.into());
        }
    }
}
