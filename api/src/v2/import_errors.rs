//! What is wrong in DAG files.

use axum::Json;
use axum::extract::State;
use millrace_store::import_error;

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{ImportErrorShape, page};

page! {
    /// Airflow: `ImportErrorCollectionResponse`.
    ImportErrorPage { import_errors: ImportErrorShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v2/importErrors", Action::DagRead, list).get(
        "/api/v2/importErrors/{import_error_id}",
        Action::DagRead,
        get,
    )
}

async fn list(
    State(app): State<App>,
    mut params: Params,
) -> Result<Json<ImportErrorPage>, Problem> {
    let paging = params.paging();
    let pattern = params.pattern("filename_pattern");
    params.close()?;
    let page = import_error::list(app.store(), pattern.as_deref(), paging).await?;
    let import_errors = page.rows.into_iter().map(ImportErrorShape::of).collect();
    Ok(Json(ImportErrorPage { import_errors, total_entries: page.total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<ImportErrorShape>, Problem> {
    let id: i64 = names.number(0)?;
    let found = import_error::get(app.store(), id).await?;
    found.map(|error| Json(ImportErrorShape::of(error))).ok_or_else(|| {
        Problem::not_found(format!("The ImportError with import_error_id: `{id}` was not found"))
    })
}
