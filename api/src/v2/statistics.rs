//! Counts of runs by DAG, and tags.

use axum::Json;
use axum::extract::State;
use millrace_core::state::RunState;
use millrace_store::dag::{self, DagFilter, DagOrder};
use millrace_store::page::Direction;
use millrace_store::{Paging, dag_run};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Action;
use crate::app::App;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;

/// The most DAGs of one answer.
const DAGS_MAX: u32 = 100;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v2/dagStats", Action::DagRead, stats).get(
        "/api/v2/dagTags",
        Action::DagRead,
        tags,
    )
}

#[derive(Debug, Serialize)]
struct Count {
    state: &'static str,
    count: u64,
}

async fn stats(State(app): State<App>, mut params: Params) -> Result<Json<Value>, Problem> {
    let filter = DagFilter { dag_ids: params.texts("dag_ids"), ..DagFilter::default() };
    params.close()?;
    let paging = Paging { limit: DAGS_MAX, offset: 0 };
    let by = (DagOrder::DagId, Direction::Ascending);
    let page = dag::list(app.store(), &filter, by.0, by.1, paging).await?;
    let mut dags = Vec::new();
    for row in page.rows {
        let counts = dag_run::count_by_state(app.store(), Some(row.dag_id.as_str()), None).await?;
        let count = |state: &RunState| Count {
            state: state.as_str(),
            count: counts.get(state).copied().unwrap_or(0),
        };
        let stats: Vec<Count> = RunState::ALL.iter().map(count).collect();
        dags.push(json!({
            "dag_id": row.dag_id,
            "dag_display_name": row.about.display_name,
            "stats": stats,
        }));
    }
    Ok(Json(json!({"dags": dags, "total_entries": page.total})))
}

async fn tags(State(app): State<App>, mut params: Params) -> Result<Json<Value>, Problem> {
    let paging = params.paging();
    let pattern = params.text("tag_name_pattern").unwrap_or_default().to_lowercase();
    let pattern = pattern.trim_matches(['~', '%']).to_owned();
    params.close()?;
    let mut tags = dag::tags(app.store()).await?;
    tags.retain(|tag| tag.to_lowercase().contains(&pattern));
    let total = tags.len();
    let page = tags.into_iter().skip(paging.offset as usize).take(paging.limit as usize);
    Ok(Json(json!({"tags": page.collect::<Vec<_>>(), "total_entries": total})))
}
