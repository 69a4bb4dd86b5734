//! Names in paths, checked where they enter; a name that cannot exist is answered like one that
//! does not.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use millrace_core::ids::{DagId, RunId, TaskId};

use crate::problem::Problem;

/// What stands for "any" in a path (Airflow).
pub(crate) const ANY: &str = "~";

/// The variable parts of a path, in order.
#[derive(Debug)]
pub(crate) struct Names(Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(pairs) = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("Not Found"))?;
        Ok(Self(pairs.into_iter().map(|(_, value)| value).collect()))
    }
}

impl Names {
    /// A part as it is.
    pub(crate) fn text(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }

    /// The DAG's name, the first part.
    pub(crate) fn dag_id(&self) -> Result<DagId, Problem> {
        DagId::new(self.text(0)).map_err(|_| no_dag(self.text(0)))
    }

    /// The run's name, the second part.
    pub(crate) fn run_id(&self) -> Result<RunId, Problem> {
        RunId::new(self.text(1)).map_err(|_| no_run(self.text(0), self.text(1)))
    }

    /// The task's name, the third part.
    pub(crate) fn task_id(&self) -> Result<TaskId, Problem> {
        TaskId::new(self.text(2)).map_err(|_| no_ti(self.text(0), self.text(1), self.text(2)))
    }

    /// A number.
    pub(crate) fn number<T: std::str::FromStr>(&self, place: usize) -> Result<T, Problem> {
        self.text(place).parse().map_err(|_| Problem::not_found("Not Found"))
    }

    /// The DAG's name, or none for any.
    pub(crate) fn dag_or_any(&self) -> Result<Option<DagId>, Problem> {
        if self.text(0) == ANY { Ok(None) } else { self.dag_id().map(Some) }
    }

    /// The run's name, or none for any.
    pub(crate) fn run_or_any(&self) -> Result<Option<RunId>, Problem> {
        if self.text(1) == ANY { Ok(None) } else { self.run_id().map(Some) }
    }
}

pub(crate) fn no_dag(dag_id: &str) -> Problem {
    Problem::not_found(format!("The Dag with ID: `{}` was not found", shown(dag_id)))
}

pub(crate) fn no_run(dag_id: &str, run_id: &str) -> Problem {
    Problem::not_found(format!(
        "The DagRun with dag_id: `{}` and run_id: `{}` was not found",
        shown(dag_id),
        shown(run_id)
    ))
}

pub(crate) fn no_ti(dag_id: &str, run_id: &str, task_id: &str) -> Problem {
    Problem::not_found(format!(
        "The Task Instance with dag_id: `{}`, run_id: `{}` and task_id: `{}` was not found",
        shown(dag_id),
        shown(run_id),
        shown(task_id)
    ))
}

/// A name from outside in an answer: not longer than a name can be, without control characters.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(250).map(|c| if c.is_control() { '?' } else { c }).collect()
}
