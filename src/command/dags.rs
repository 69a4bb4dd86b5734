//! `millrace dags`: the DAGs that the installation knows.

use clap::Subcommand;
use millrace_core::dagfile::read_version;
use millrace_core::ids::DagId;
use millrace_core::record::{DagRow, RunRow, VersionRow};
use millrace_store::dag::{self, DagFilter, DagOrder};
use millrace_store::page::{Direction, LIMIT_MAX, Paging};
use millrace_store::{Store, dag_run, dag_version, import_error};
use serde_json::{Value, json};

use super::one_run::dag_of;
use super::runs::time;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print, say};
use crate::settings::Settings;

/// What to do with DAGs.
#[derive(Debug, Subcommand)]
pub(crate) enum Dags {
    /// List the DAGs
    List {
        /// With this tag
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// Also DAGs whose file is gone
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Show a DAG and its tasks
    Show {
        /// The DAG
        #[arg(value_name = "DAG")]
        dag_id: DagId,
        #[command(flatten)]
        format: Format,
    },
    /// Print a DAG's text as it was read
    Source {
        /// The DAG
        #[arg(value_name = "DAG")]
        dag_id: DagId,
        /// A version [default: the newest]
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    /// Show when a DAG runs next
    Next {
        /// The DAG
        #[arg(value_name = "DAG")]
        dag_id: DagId,
        /// How many firings
        #[arg(long, short = 'n', default_value_t = 10)]
        count: usize,
        #[command(flatten)]
        format: Format,
    },
    /// List what is wrong with the files of the DAG folder
    Errors(Format),
}

impl Dags {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List { tag, all, format } => list(&store, tag, all, format).await,
            Self::Show { dag_id, format } => {
                let row = dag_of(&store, &dag_id).await?;
                show(settings, &store, &row, format).await
            }
            Self::Source { dag_id, version } => source(&store, &dag_id, version).await,
            Self::Next { dag_id, count, format } => {
                let row = dag_of(&store, &dag_id).await?;
                let version = newest(&store, &row).await?;
                let zones = settings.zones()?;
                let dag =
                    read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)?;
                let zone = zones.zone(&dag.timezone).map_err(fault)?;
                let records = super::next::firings(&dag, local::now(), count, &zone);
                if records.is_empty() {
                    say("it has no schedule; it runs when it is triggered");
                }
                format.records(&records, &["local", "utc", "note"])
            }
            Self::Errors(format) => errors(&store, format).await,
        }
    }
}

async fn list(store: &Store, tags: Vec<String>, all: bool, format: Format) -> Result<(), Failure> {
    let wanted = DagFilter { tags, is_stale: (!all).then_some(false), ..DagFilter::default() };
    let mut rows = Vec::new();
    loop {
        let offset = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let paging = Paging { limit: LIMIT_MAX, offset };
        let page = dag::list(store, &wanted, DagOrder::DagId, Direction::Ascending, paging);
        let page = page.await.map_err(fault)?;
        let is_last = page.rows.is_empty();
        rows.extend(page.rows);
        if is_last || rows.len() as u64 >= page.total {
            break;
        }
    }
    let names: Vec<DagId> = rows.iter().map(|row| row.dag_id.clone()).collect();
    let runs = dag_run::recent(store, &names, 1).await.map_err(fault)?;
    let records: Vec<Value> = rows
        .iter()
        .map(|row| record(row, runs.get(&row.dag_id).and_then(|runs| runs.first())))
        .collect();
    let columns = ["dag_id", "schedule", "is_paused", "next_run", "last_run_state", "file"];
    format.records(&records, &columns)?;
    let broken = import_error::list(store, None, Paging { limit: 1, offset: 0 });
    let broken = broken.await.map_err(fault)?.total;
    if broken > 0 && format.output == Output::Table {
        say(&format!("\n{broken} errors in DAG files; see: millrace dags errors"));
    }
    Ok(())
}

/// A DAG as commands print it.
fn record(row: &DagRow, last: Option<&RunRow>) -> Value {
    json!({
        "dag_id": row.dag_id,
        "display_name": row.about.display_name,
        "description": row.about.description,
        "schedule": row.about.schedule_text,
        "timezone": row.about.timezone,
        "is_paused": row.is_paused,
        "is_stale": row.is_stale,
        "tags": row.about.tags,
        "owners": row.about.owners,
        "next_run": time(row.next_run_after),
        "next_logical_date": time(row.next_logical_date),
        "last_run": last.map(|run| &run.run_id),
        "last_run_state": last.map(|run| run.state),
        "max_active_runs": row.about.max_active_runs,
        "catchup": row.about.catchup,
        "file": row.file,
        "parsed_at": time(Some(row.parsed_at)),
    })
}

async fn newest(store: &Store, row: &DagRow) -> Result<VersionRow, Failure> {
    let version = dag_version::by_key(store, row.version).await.map_err(fault)?;
    version.ok_or_else(|| Failure::defect(format!("the version of dag \"{}\" is gone", row.dag_id)))
}

async fn show(
    settings: &Settings,
    store: &Store,
    row: &DagRow,
    format: Format,
) -> Result<(), Failure> {
    let version = newest(store, row).await?;
    let zones = settings.zones()?;
    let dag = read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)?;
    let runs = dag_run::recent(store, std::slice::from_ref(&row.dag_id), 1).await.map_err(fault)?;
    let mut record = record(row, runs.get(&row.dag_id).and_then(|runs| runs.first()));
    record["version"] = json!(version.version_number);
    let tasks: Vec<Value> = dag
        .tasks
        .iter()
        .enumerate()
        .map(|(index, task)| {
            let needs: Vec<_> =
                dag.upstream(index).into_iter().map(|up| &dag.tasks[up].task_id).collect();
            json!({
                "task_id": task.task_id, "operator": task.operator, "needs": needs,
                "trigger_rule": task.trigger_rule, "retries": task.retries, "pool": task.pool(),
                "queue": task.queue,
            })
        })
        .collect();
    if format.output == Output::Json {
        record["tasks"] = Value::Array(tasks);
        return format.record(&record);
    }
    format.record(&record)?;
    print("")?;
    format.records(&tasks, &["task_id", "operator", "needs", "trigger_rule", "retries", "pool"])
}

async fn source(store: &Store, dag_id: &DagId, version: Option<u32>) -> Result<(), Failure> {
    let row = dag_of(store, dag_id).await?;
    let version = match version {
        None => newest(store, &row).await?,
        Some(number) => {
            let found = dag_version::get(store, dag_id.as_str(), number).await.map_err(fault)?;
            found.ok_or_else(|| {
                Failure::wrong(format!("dag \"{dag_id}\" has no version {number}"))
            })?
        }
    };
    print(version.source.trim_end())
}

async fn errors(store: &Store, format: Format) -> Result<(), Failure> {
    let paging = Paging { limit: LIMIT_MAX, offset: 0 };
    let found = import_error::list(store, None, paging).await.map_err(fault)?.rows;
    if format.output == Output::Json {
        let records: Vec<Value> = found
            .iter()
            .map(|error| {
                json!({
                    "file": error.file, "line": error.line, "column": error.column,
                    "message": error.message, "at": time(Some(error.at)),
                })
            })
            .collect();
        return format.records(&records, &[]);
    }
    for error in &found {
        print(error.report.trim_end())?;
        print("")?;
    }
    print(&format!("{} errors", found.len()))
}
