//! The tasks of a DAG's newest version.

use axum::Json;
use axum::extract::State;

use crate::access::Action;
use crate::app::App;
use crate::path::{Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{TaskShape, page};

page! {
    /// Airflow: `TaskCollectionResponse`.
    TaskPage { tasks: TaskShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v2/dags/{dag_id}/tasks", Action::DagRead, list).get(
        "/api/v2/dags/{dag_id}/tasks/{task_id}",
        Action::DagRead,
        get,
    )
}

async fn list(
    State(app): State<App>,
    names: Names,
    params: Params,
) -> Result<Json<TaskPage>, Problem> {
    type Sort = fn(&millrace_core::dag::Task) -> String;
    const ORDERS: &[(&str, Sort)] = &[
        ("task_id", |task| task.task_id.to_string()),
        ("operator_name", |task| task.operator.clone()),
        ("task_display_name", |task| task.display_name().to_owned()),
    ];
    let by = params.order(ORDERS, (ORDERS[0].1, millrace_store::page::Direction::Ascending))?;
    params.close()?;
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let dag = version.dag(&app)?;
    let mut found: Vec<_> = dag.tasks.iter().enumerate().collect();
    found.sort_by_cached_key(|(_, task)| by.0(task));
    if by.1 == millrace_store::page::Direction::Descending {
        found.reverse();
    }
    let tasks: Vec<_> =
        found.into_iter().map(|(index, task)| TaskShape::of(dag, index, task)).collect();
    let total_entries = tasks.len() as u64;
    Ok(Json(TaskPage { tasks, total_entries }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<TaskShape>, Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let dag = version.dag(&app)?;
    let found = dag.task(names.text(1));
    let (index, task) = found.ok_or_else(|| {
        Problem::not_found(format!("Task with id {} was not found", shown(names.text(1))))
    })?;
    Ok(Json(TaskShape::of(dag, index, task)))
}
