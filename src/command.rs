//! The commands, and which settings each needs.

mod answer;
mod approvals;
mod assets;
mod backfill;
mod clear;
mod completions;
mod connections;
mod dags;
mod db;
mod explain;
mod explain_schedule;
mod graph;
mod import;
mod logs;
mod mark;
mod next;
mod one_dag;
mod one_run;
mod pause;
mod pools;
mod render;
mod render_diff;
mod render_show;
mod rendering;
mod roles;
mod run;
mod runs;
mod schema;
mod selected;
mod standalone;
mod tasks;
mod test;
mod token;
mod trigger;
mod users;
mod validate;
mod variables;
mod wait;

use clap::Subcommand;

pub(crate) use one_dag::of as dags_of;

use crate::failure::Failure;
use crate::settings::Settings;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything in one process: scheduler, worker, API and dashboard
    Standalone(standalone::Standalone),
    /// Start a scheduler; workers reach it over HTTP
    Scheduler(roles::SchedulerRole),
    /// Start a worker
    Worker(roles::WorkerRole),
    /// Start the API and the dashboard
    Api(roles::ApiRole),
    /// Bring the database to this version, or check its settings
    #[command(subcommand)]
    Db(db::Db),
    /// Check DAG files and say everything that is wrong with them
    Validate(validate::Validate),
    /// Play the tests in DAG files, without a server and without running anything
    Test(test::Test),
    /// Show every template of a DAG as it would be for a date
    Render(render::Render),
    /// Show when a DAG runs next
    Next(next::Next),
    /// Rewrite DAG files of other tools: dag-factory's YAML, Airflow's own YAML
    Import(import::Import),
    /// Show the graph of a DAG, as text or for a drawing
    Graph(graph::Graph),
    /// Print the JSON Schema of DAG files, for editors
    Schema(schema::Schema),
    /// Run a whole DAG here and now, without a server
    Run(run::Run),
    /// List DAGs, or show one
    #[command(subcommand)]
    Dags(dags::Dags),
    /// Start a dag run
    Trigger(trigger::Trigger),
    /// Runs for a range of dates: plan, create, watch, pause, cancel
    #[command(subcommand)]
    Backfill(backfill::Backfill),
    /// List dag runs, show or delete one
    #[command(subcommand)]
    Runs(runs::Runs),
    /// List the task instances of a dag run
    Tasks(tasks::Tasks),
    /// Print the log of a task
    Logs(logs::LogsOf),
    /// Say why a task has not run
    Explain(explain::Explain),
    /// Run task instances again
    Clear(clear::ClearTasks),
    /// Set the state of task instances or of a run by hand
    Mark(mark::MarkState),
    /// List what people are asked
    Approvals(approvals::Approvals),
    /// Approve what an `approval` task asks
    Approve(answer::Approve),
    /// Reject what an `approval` task asks
    Reject(answer::Reject),
    /// Answer what an `approval` task asks, with one of its options
    Answer(answer::Answer),
    /// Stop a DAG from making runs and starting tasks
    Pause(pause::Pause),
    /// Let a DAG make runs and start tasks
    Unpause(pause::Unpause),
    /// Variables of templates
    #[command(subcommand)]
    Variables(variables::Variables),
    /// Connections to databases and services
    #[command(subcommand)]
    Connections(connections::Connections),
    /// Pools of slots
    #[command(subcommand)]
    Pools(pools::Pools),
    /// Assets: who writes and reads them, what happened to them
    #[command(subcommand)]
    Assets(assets::Assets),
    /// People who log in with a password
    #[command(subcommand)]
    Users(users::Users),
    /// API tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  millrace completions bash > ~/.local/share/bash-completion/completions/millrace"
    )]
    Completions(completions::Completions),
}

impl Command {
    /// Whether it serves until it is stopped.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Self::Standalone(_) | Self::Scheduler(_) | Self::Worker(_) | Self::Api(_))
    }

    /// Does it.
    pub(crate) async fn run(self, settings: Settings) -> Result<(), Failure> {
        match self {
            Self::Standalone(command) => command.run(settings).await,
            Self::Scheduler(command) => command.run(settings).await,
            Self::Worker(command) => command.run(settings).await,
            Self::Api(command) => command.run(settings).await,
            Self::Db(command) => command.run(&settings).await,
            Self::Validate(command) => command.run(&settings).await,
            Self::Test(command) => command.run(&settings),
            Self::Render(command) => command.run(&settings),
            Self::Next(command) => command.run(&settings),
            Self::Import(command) => command.run(&settings),
            Self::Graph(command) => command.run(&settings),
            Self::Schema(command) => command.run(),
            Self::Run(command) => command.run(&settings).await,
            Self::Dags(command) => command.run(&settings).await,
            Self::Trigger(command) => command.run(&settings).await,
            Self::Backfill(command) => command.run(&settings).await,
            Self::Runs(command) => command.run(&settings).await,
            Self::Tasks(command) => command.run(&settings).await,
            Self::Logs(command) => command.run(&settings).await,
            Self::Explain(command) => command.run(&settings).await,
            Self::Clear(command) => command.run(&settings).await,
            Self::Mark(command) => command.run(&settings).await,
            Self::Approvals(command) => command.run(&settings).await,
            Self::Approve(command) => command.run(&settings).await,
            Self::Reject(command) => command.run(&settings).await,
            Self::Answer(command) => command.run(&settings).await,
            Self::Pause(command) => command.run(&settings).await,
            Self::Unpause(command) => command.run(&settings).await,
            Self::Variables(command) => command.run(&settings).await,
            Self::Connections(command) => command.run(&settings).await,
            Self::Pools(command) => command.run(&settings).await,
            Self::Assets(command) => command.run(&settings).await,
            Self::Users(command) => command.run(&settings).await,
            Self::Token(command) => command.run(&settings).await,
            Self::Version => {
                crate::output::print(&format!("millrace {}", env!("CARGO_PKG_VERSION")))
            }
            Self::Completions(command) => command.run(),
        }
    }
}
