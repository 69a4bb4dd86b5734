//! The text of DAGs and their versions.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use millrace_core::record::VersionRow;
use millrace_store::dag_version;
use serde_json::{Value, json};

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{VersionShape, page};

page! {
    /// Airflow: `DAGVersionCollectionResponse`.
    VersionPage { dag_versions: VersionShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/dagSources/{dag_id}", Action::DagRead, source)
        .get("/api/v2/dags/{dag_id}/dagVersions", Action::DagRead, list)
        .get("/api/v2/dags/{dag_id}/dagVersions/{version_number}", Action::DagRead, get)
}

/// The newest version, or that of a number.
async fn find(
    app: &App,
    names: &Names,
    number: Option<u32>,
) -> Result<(VersionRow, String), Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    let found = match number {
        None => dag_version::by_key(app.store(), row.version).await?,
        Some(number) => dag_version::get(app.store(), row.dag_id.as_str(), number).await?,
    };
    let version = found.ok_or_else(|| {
        Problem::not_found(format!(
            "The DagVersion with dag_id: `{}` and version_number: `{}` was not found",
            row.dag_id,
            number.unwrap_or_default()
        ))
    })?;
    Ok((version, row.about.display_name))
}

/// As JSON, or as text for those who ask for text.
async fn source(
    State(app): State<App>,
    names: Names,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = params.number("version_number");
    params.close()?;
    let (version, display_name) = find(&app, &names, number).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.starts_with("text/plain")) {
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((kind, version.source.to_string()).into_response());
    }
    let body: Value = json!({
        "content": version.source,
        "dag_id": version.dag_id,
        "version_number": version.version_number,
        "dag_display_name": display_name,
    });
    Ok(Json(body).into_response())
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<VersionPage>, Problem> {
    let paging = params.paging();
    params.close()?;
    let row = app.dag(&names.dag_id()?).await?;
    let mut versions = dag_version::list(app.store(), row.dag_id.as_str()).await?;
    versions.sort_by_key(|version| version.version_number);
    let total = versions.len() as u64;
    let page = versions.iter().skip(paging.offset as usize).take(paging.limit as usize);
    let name = &row.about.display_name;
    let dag_versions = page.map(|version| VersionShape::of(version, name)).collect();
    Ok(Json(VersionPage { dag_versions, total_entries: total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<VersionShape>, Problem> {
    let (version, name) = find(&app, &names, Some(names.number(1)?)).await?;
    Ok(Json(VersionShape::of(&version, &name)))
}
