//! The table of operators on a worker: one line here and one file below make an operator run.

mod bash;
mod decide;
pub(crate) mod docker;
pub(crate) mod http;
mod notify;
mod python;
mod sensor;
mod shell;
pub(crate) mod sql;

use std::sync::Arc;

use millrace_core::connection::Connection;
use millrace_core::dag::Task;
use millrace_core::operator::Config;
use millrace_core::wire::{Assignment, Link};
use serde::de::DeserializeOwned;

use crate::config::WorkerConfig;
use crate::environment::Variables;
use crate::folder::{AttemptFolder, Note};
use crate::log::AttemptLog;
use crate::render::{self, Source, Templates};
use crate::report::{Failure, Report};
use crate::stop::Stop;

/// What an operator works with.
pub(crate) struct Context {
    /// The attempt.
    pub(crate) assignment: Arc<Assignment>,
    /// The operator's keys, rendered.
    pub(crate) config: Config,
    /// The task's variables, rendered, without inherited ones and ids.
    pub(crate) variables: Variables,
    /// The `env_file`, rendered.
    pub(crate) env_file: Option<String>,
    /// What evaluates further templates.
    pub(crate) templates: tokio::sync::Mutex<Templates>,
    /// The attempt's log.
    pub(crate) log: AttemptLog,
    /// The news that it must end.
    pub(crate) stop: Stop,
    /// The scheduler.
    pub(crate) link: Link,
    /// The attempt's folder.
    pub(crate) folder: AttemptFolder,
    /// The worker's settings.
    pub(crate) settings: Arc<WorkerConfig>,
    /// What an earlier incarnation noted, when its container is taken over.
    pub(crate) former: Option<Note>,
}

impl Context {
    /// The task.
    pub(crate) fn task(&self) -> &Task {
        &self.assignment.task
    }

    /// Where answers come from.
    pub(crate) fn source(&self) -> Source {
        Source {
            link: self.link.clone(),
            assignment: Arc::clone(&self.assignment),
            log: self.log.clone(),
        }
    }

    /// A connection that the task names.
    pub(crate) async fn connection(&self, conn_id: &str) -> Result<Connection, Failure> {
        let mut found =
            render::look_up(&self.source(), Vec::new(), vec![conn_id.to_owned()]).await?;
        found.connections.swap_remove(conn_id).ok_or_else(|| {
            Failure::failed(format!(
                "connection \"{conn_id}\" does not exist; create it under Admin → Connections, \
                 with `millrace connections add`, or as MILLRACE_CONN_{}",
                conn_id.to_uppercase()
            ))
        })
    }

    /// The operator's typed config.
    pub(crate) fn config<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(serde_json::Value::Object(self.config.clone())).map_err(|error| {
            Failure::for_good(format!("operator {}: {error}", self.task().operator))
        })
    }
}

/// Runs a task's operator to its end.
pub(crate) async fn run(context: &Context) -> Report {
    let ended = match context.task().operator.as_str() {
        "bash" => bash::run(context).await,
        "sql" => sql::run(context).await,
        "docker" => docker::run(context).await,
        "http" if context.config.contains_key("poke_interval") => sensor::ask_again(context).await,
        "http" => http::run(context).await,
        "python" => python::run(context).await,
        "notify" => notify::run(context).await,
        "sensor" => sensor::run(context).await,
        "branch" => decide::branch(context).await,
        "short_circuit" => decide::short_circuit(context).await,
        other => Err(Failure::for_good(format!(
            "this worker does not know the operator \"{other}\"; give the task a queue whose \
             workers do"
        ))),
    };
    ended.unwrap_or_else(Report::from)
}
