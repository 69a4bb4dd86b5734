//! What a run of a DAG may be given: the JSON Schema and the defaults, for the trigger form.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::routes::Routes;

#[derive(Debug, Serialize)]
struct ParamsShape {
    schema: Value,
    defaults: Map<String, Value>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/dags/{dag_id}/params", Action::DagRead, params)
}

async fn params(State(app): State<App>, names: Names) -> Result<Json<ParamsShape>, Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let params = &version.dag(&app)?.params;
    Ok(Json(ParamsShape { schema: params.json_schema(), defaults: params.defaults.clone() }))
}
