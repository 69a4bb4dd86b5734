//! The graph of a DAG version, laid out by the server.

use axum::Json;
use axum::extract::State;
use millrace_store::dag_version;
use serde::Serialize;

use crate::access::Action;
use crate::app::App;
use crate::graph::{EdgeShape, NodeShape};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;

#[derive(Debug, Serialize)]
struct Graph {
    version_number: u32,
    width: u32,
    height: u32,
    nodes: Vec<NodeShape>,
    edges: Vec<EdgeShape>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/dags/{dag_id}/graph", Action::DagRead, graph)
}

async fn graph(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Graph>, Problem> {
    let number: Option<u32> = params.number("version");
    params.close()?;
    let row = app.dag(&names.dag_id()?).await?;
    let version = match number {
        None => app.version(row.version).await?,
        Some(number) => {
            let found = dag_version::get(app.store(), row.dag_id.as_str(), number).await?;
            let missing = || Problem::not_found(format!("the DAG has no version {number}"));
            app.keep(found.ok_or_else(missing)?)
        }
    };
    let layout = version.layout(&app)?;
    Ok(Json(Graph {
        version_number: version.row.version_number,
        width: layout.width,
        height: layout.height,
        nodes: layout.nodes.clone(),
        edges: layout.edges.clone(),
    }))
}
