//! `millrace run`: a whole DAG here and now, on a database of its own, without a server.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use millrace_core::dag::Dag;
use millrace_core::engine::{Order, Trigger};
use millrace_core::ids::RunId;
use millrace_core::record::{PoolRow, RunRow, TiRow};
use millrace_core::state::{RunState, RunType, TaskState, TriggeredBy};
use millrace_scheduler::Scheduler;
use millrace_store::logs::Logs;
use millrace_store::{Store, connection, pool, task_attempt, variable};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::trigger::{conf, run_id_of};
use super::wait::{Watched, actor, verdict};
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::say;
use crate::settings::{Settings, Slots};

/// How much of a failed task's log is shown.
const TAIL_BYTES: usize = 4 * 1024;

/// Slots of a pool that only the DAG names.
const POOL_SLOTS: i64 = 128;

/// Options of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Variables, connections and pools come from the environment (MILLRACE_VAR_…, MILLRACE_CONN_…) and from the home's database, if there is one; nothing is written there.

Examples:
  millrace run dags/hello_millrace.yaml
  millrace run dags/daily_report.yaml --date 2025-08-22 --param region=kr"
)]
pub(crate) struct Run {
    /// The DAG file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The logical date: a day or a time in the DAG's zone, or an instant [default: now]
    #[arg(long, value_name = "DATE")]
    date: Option<String>,

    /// One DAG of the file
    #[arg(long, value_name = "DAG")]
    dag: Option<String>,

    /// What the run is given, a JSON object
    #[arg(long, short, value_name = "JSON")]
    conf: Option<String>,

    /// One param, NAME=VALUE; VALUE is JSON, or text
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    params: Vec<String>,

    /// Keep the temporary home with its database and logs, and print where it is
    #[arg(long)]
    keep: bool,
}

impl Run {
    /// Runs it; ends with 1 when the run fails.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut dags = super::one_dag::read(settings, &self.file, self.dag.as_deref())?;
        if dags.len() != 1 {
            let names: Vec<_> = dags.iter().map(|dag| dag.dag_id.to_string()).collect();
            let names = names.join(", ");
            return Err(Failure::usage(format!("the file has {names}; choose one by --dag")));
        }
        let dag = dags.remove(0);
        let zone = settings.zones()?.zone(&dag.timezone).map_err(fault)?;
        let date = match &self.date {
            Some(text) => super::one_dag::instant(text, &zone)?,
            None => local::now(),
        };
        let folder = tempfile::Builder::new().prefix("millrace-run-").tempdir();
        let mut folder =
            folder.map_err(|error| Failure::usage(format!("no temporary folder: {error}")))?;
        folder.disable_cleanup(self.keep);
        let own = own_settings(settings, folder.path(), &self.file);
        let store = local::open_to_serve(&own).await?;
        let pools = borrow(settings, &store).await?;
        let here = Here { own: &own, store: &store, dag: &dag, date, pools: &pools };
        let result = self.run_in(&here).await;
        store.close().await;
        if self.keep {
            say(&format!("kept: millrace --home {} …", folder.path().display()));
        }
        result
    }

    async fn run_in(&self, here: &Here<'_>) -> Result<(), Failure> {
        let conf = conf(self.conf.as_deref(), &self.params)?;
        let stop = CancellationToken::new();
        let mut config = local::scheduler_config(here.own)?;
        config.only = self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let scheduler = local::scheduler(config, here.own, here.store);
        let queues = here.dag.tasks.iter().map(|task| task.queue.clone()).collect();
        let slots = Slots { slots: 16, queues };
        let config = local::worker_config("here".to_owned(), &here.own.home(), &slots);
        let worker = local::worker(scheduler.link(), config, stop.child_token());
        let result = here.go(&scheduler, conf).await;
        stop.cancel();
        let _ = worker.await;
        scheduler.stop().await;
        result
    }
}

/// One run in a temporary installation.
struct Here<'a> {
    own: &'a Settings,
    store: &'a Store,
    dag: &'a Dag,
    date: Timestamp,
    pools: &'a [PoolRow],
}

impl Here<'_> {
    /// Triggers the run, shows it, and gives its verdict.
    async fn go(
        &self,
        scheduler: &Scheduler,
        conf: Option<Map<String, Value>>,
    ) -> Result<(), Failure> {
        let (store, dag_id) = (self.store, &self.dag.dag_id);
        let mut leading = scheduler.leading();
        leading.wait_for(|leads| *leads).await.map_err(Failure::defect)?;
        make_pools(store, self.dag, self.pools).await?;
        let interval = self.dag.timetable.manual_interval(self.date);
        let order = Order::Trigger(Trigger {
            dag_id: dag_id.clone(),
            run_id: None,
            run_type: RunType::Manual,
            logical_date: Some(self.date),
            data_interval: Some((interval.start, interval.end)),
            run_after: None,
            conf,
            note: None,
            triggered_by: TriggeredBy::Cli,
            actor: actor(),
        });
        let run_id = run_id_of(&orders::send_now(store, &order).await?)?;
        let watched =
            Watched { store, dag_id: dag_id.clone(), run_id: run_id.clone(), is_quiet: false };
        let (run, tis) = tokio::select! {
            ended = watched.end() => ended?,
            () = local::stop_signal() => {
                say("stopping the run");
                stop_run(store, self.dag, run_id).await?;
                return Err(Failure::wrong("the run was stopped"));
            }
        };
        show_logs(self.own, store, &run, &tis).await?;
        verdict(&run, &tis)
    }
}

async fn stop_run(store: &Store, dag: &Dag, run_id: RunId) -> Result<(), Failure> {
    let dag_id = dag.dag_id.clone();
    let order = Order::MarkRun { dag_id, run_id, state: RunState::Failed, actor: actor() };
    orders::send_now(store, &order).await.map(|_| ())
}

/// The settings of the temporary installation: the file's own folder is the DAG folder, so that
/// scripts and SQL beside it are found.
fn own_settings(settings: &Settings, home: &Path, file: &Path) -> Settings {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Settings {
        home: Some(home.to_path_buf()),
        dags: Some(folder),
        database: None,
        ..settings.clone()
    }
}

/// Copies variables and connections of the home's database, if there is one; gives its pools.
async fn borrow(settings: &Settings, own: &Store) -> Result<Vec<PoolRow>, Failure> {
    if settings.database.is_none() && !settings.home().join("millrace.db").exists() {
        return Ok(Vec::new());
    }
    let theirs = local::open(settings).await?;
    let now = local::now();
    for found in variable::all(&theirs).await.map_err(fault)? {
        variable::put(own, &found, now).await.map_err(fault)?;
    }
    for found in connection::all(&theirs).await.map_err(fault)? {
        connection::put(own, &found, now).await.map_err(fault)?;
    }
    let pools = pool::list(&theirs).await.map_err(fault)?;
    theirs.close().await;
    Ok(pools)
}

/// Makes the pools that the DAG names, as wide as `known` says: here, nobody else holds them.
async fn make_pools(store: &Store, dag: &Dag, known: &[PoolRow]) -> Result<(), Failure> {
    let there: Vec<String> =
        pool::list(store).await.map_err(fault)?.into_iter().map(|pool| pool.name).collect();
    let mut missing: Vec<&String> = dag
        .tasks
        .iter()
        .flat_map(|task| task.pools.keys())
        .filter(|p| !there.contains(p))
        .collect();
    missing.sort();
    missing.dedup();
    for name in missing {
        let row = known.iter().find(|pool| pool.name == *name).cloned().unwrap_or(PoolRow {
            name: name.clone(),
            slots: POOL_SLOTS,
            description: None,
            include_deferred: false,
        });
        orders::send_now(store, &Order::SetPool { row, actor: actor() }).await?;
    }
    Ok(())
}

/// Prints the last lines of every failed task.
async fn show_logs(
    own: &Settings,
    store: &Store,
    run: &RunRow,
    tis: &[TiRow],
) -> Result<(), Failure> {
    let logs = Logs::new(own.logs());
    for ti in tis.iter().filter(|ti| ti.state == TaskState::Failed) {
        let attempt = task_attempt::of_try(store, ti.id, ti.try_number).await.map_err(fault)?;
        let Some(attempt) = attempt else { continue };
        let piece = logs.tail(run.id, attempt.key, TAIL_BYTES).map_err(fault)?;
        if !piece.text.trim().is_empty() {
            say(&format!("\n── the end of {}'s log\n{}", ti.task_id, piece.text.trim_end()));
        }
    }
    Ok(())
}
