//! Waiting for a run: one JSON line at once and each interval, the last one when it has ended,
//! with the XComs asked for. Scripts block on it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use millrace_core::record::RunRow;
use millrace_store::{dag_run, xcom};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::runs_of;
use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;

/// The longest interval, in seconds.
const INTERVAL_SECS_MAX: f64 = 3600.0;
/// How often the run is looked at when commits are announced.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait", Action::DagRead, wait)
}

struct Waiting {
    app: App,
    run: RunRow,
    interval: Duration,
    tasks: Vec<String>,
    /// Whether a line was sent.
    has_begun: bool,
    has_ended: bool,
}

async fn wait(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Response, Problem> {
    let interval: f64 = params.number("interval").unwrap_or(1.0);
    let tasks = params.texts("result");
    params.close()?;
    if !(interval > 0.0 && interval <= INTERVAL_SECS_MAX) {
        return Err(Problem::bad_request(
            "`interval` must be more than 0 and at most 3600 seconds",
        ));
    }
    let run = runs_of::find(&app, &names.dag_id()?, &names.run_id()?).await?;
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many open streams; try again"))?;
    let interval = Duration::from_secs_f64(interval);
    let waiting = Waiting { app, run, interval, tasks, has_begun: false, has_ended: false };
    let lines = stream::unfold((waiting, permit), |(mut waiting, permit)| async move {
        let line = waiting.next().await?;
        Some((line, (waiting, permit)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

impl Waiting {
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        if self.has_ended {
            return None;
        }
        if self.has_begun && !self.pause().await {
            return None;
        }
        self.has_begun = true;
        match self.line().await {
            Ok(line) => Some(Ok(Bytes::from(format!("{line}\n")))),
            // The status was sent long ago: only a broken stream can tell of the failure.
            Err(_) => Some(Err(std::io::Error::other("the run cannot be read"))),
        }
    }

    /// Waits for the interval, or less when the run ends; `false` when the server stops.
    async fn pause(&mut self) -> bool {
        let until = Instant::now() + self.interval;
        let mut committed = self.app.api.committed.clone();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let Some(committed) = &mut committed else {
                tokio::select! {
                    () = tokio::time::sleep(left) => return true,
                    () = self.app.stop.cancelled() => return false,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(left) => return true,
                () = self.app.stop.cancelled() => return false,
                changed = committed.changed() => {
                    tokio::time::sleep(LOOK.min(left)).await;
                    if changed.is_err() || self.is_over().await {
                        return true;
                    }
                }
            }
        }
    }

    async fn is_over(&mut self) -> bool {
        match dag_run::by_key(self.app.store(), self.run.id).await {
            Ok(Some(run)) => run.state.is_terminal(),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    async fn line(&mut self) -> Result<Value, Problem> {
        let found = dag_run::by_key(self.app.store(), self.run.id).await?;
        let Some(run) = found else {
            self.has_ended = true;
            return Ok(json!({"state": null, "detail": "the run was deleted"}));
        };
        self.has_ended = run.state.is_terminal();
        self.run = run;
        if !self.has_ended || self.tasks.is_empty() {
            return Ok(json!({"state": self.run.state}));
        }
        let mut results = Map::new();
        for task in &self.tasks {
            let rows = xcom::pull(self.app.store(), self.run.id, task, "return_value").await?;
            let mut values: Vec<Value> = rows.into_iter().map(|row| row.value).collect();
            let value = match values.len() {
                0 => Value::Null,
                1 => values.remove(0),
                _ => Value::Array(values),
            };
            results.insert(task.clone(), value);
        }
        Ok(json!({"state": self.run.state, "results": results}))
    }
}
