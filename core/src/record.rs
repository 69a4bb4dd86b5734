//! The rows that the engine writes and the store keeps: one plain struct a table.
//!
//! A [`Change`] is the only way state gets into the database; the store applies a batch of them in
//! one transaction, fenced by the leader's epoch. Times are instants in UTC with microseconds.

mod asset;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use asset::{
    AssetEventKey, AssetEventRow, AssetKey, AssetQueueRow, AssetReference, AssetRole, AssetRow,
    AssetRunRow, AssetSource, LastAssetEvent,
};

use crate::ids::{DagId, RunId, TaskId};
use crate::state::{RunState, RunType, TaskState, TriggeredBy};
use crate::wait::Wait;

pub use crate::backfill::{BackfillDateRow, BackfillKey, BackfillRow};

/// The number of a dag run, chosen by the leader; never reused.
pub type RunKey = i64;

/// The number of a task instance, chosen by the leader; never reused.
pub type TiKey = i64;

/// The number of a DAG version, chosen by the leader.
pub type VersionKey = i64;

/// The XCom key under which a task's metrics are kept, as one map of numbers by name.
pub const METRICS_KEY: &str = "metrics";

/// One attempt at a task instance: what leases, results and logs are fenced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The task instance.
    pub ti: TiKey,
    /// The user's try, from 1.
    pub try_number: u32,
    /// The hand-out, from 1; grows with every hand-out of this task instance.
    pub epoch: u32,
}

impl std::fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.ti, self.try_number, self.epoch)
    }
}

/// A DAG as the installation knows it: a row of `dag`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DagRow {
    /// Its name.
    pub dag_id: DagId,
    /// Whether it makes no new runs and starts no new tasks.
    pub is_paused: bool,
    /// Whether its file is gone.
    pub is_stale: bool,
    /// The file below the DAG folder, with `/`.
    pub file: String,
    /// Its newest version.
    pub version: VersionKey,
    /// The data interval of the last run that the schedule made, as the timetable's cursor.
    pub last_interval_start: Option<Timestamp>,
    /// Its end.
    pub last_interval_end: Option<Timestamp>,
    /// When the schedule makes the next run; absent when it makes none.
    pub next_run_after: Option<Timestamp>,
    /// That run's logical date.
    pub next_logical_date: Option<Timestamp>,
    /// When the file was last read.
    pub parsed_at: Timestamp,
    /// Failed runs in a row, for `max_consecutive_failed_dag_runs`.
    pub consecutive_failures: u32,
    /// What lists show and filter by; [`DagAbout::of`] its newest version.
    #[serde(default)]
    pub about: DagAbout,
}

/// What lists of DAGs show and filter by, so that they need not parse any file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DagAbout {
    /// Its name for people.
    pub display_name: String,
    /// One line about it.
    pub description: Option<String>,
    /// The schedule as written.
    pub schedule_text: Option<String>,
    /// The zone of the schedule.
    pub timezone: String,
    /// Its owner and those of its tasks, each once, in file order.
    pub owners: Vec<String>,
    /// Its tags, in file order.
    pub tags: Vec<String>,
    /// The most dag runs at once.
    pub max_active_runs: u32,
    /// The most task instances at once in one dag run.
    pub max_active_tasks: u32,
    /// Paused after so many failed runs in a row; 0 never.
    pub max_consecutive_failed_dag_runs: u32,
    /// Whether missed runs are made up for.
    pub catchup: bool,
    /// The only kinds of runs that may be made; all when absent.
    pub allowed_run_types: Option<Vec<RunType>>,
    /// Whether one of its tasks has `max_active_tis_per_dag`.
    pub has_task_concurrency_limits: bool,
}

impl DagAbout {
    /// What a DAG says about itself.
    pub fn of(dag: &crate::dag::Dag) -> Self {
        let mut owners: Vec<String> = Vec::new();
        let everybody = dag.tasks.iter().map(|task| &task.owner);
        for owner in std::iter::once(&dag.owner).chain(everybody) {
            if !owner.is_empty() && !owners.contains(owner) {
                owners.push(owner.clone());
            }
        }
        Self {
            display_name: dag.display_name().to_owned(),
            description: dag.description.clone(),
            schedule_text: dag.schedule_text.clone(),
            timezone: dag.timezone.clone(),
            owners,
            tags: dag.tags.clone(),
            max_active_runs: dag.max_active_runs,
            max_active_tasks: dag.max_active_tasks,
            max_consecutive_failed_dag_runs: dag.max_consecutive_failed_dag_runs,
            catchup: dag.catchup,
            allowed_run_types: dag.allowed_run_types.clone(),
            has_task_concurrency_limits: dag
                .tasks
                .iter()
                .any(|task| task.max_active_tis_per_dag.is_some()),
        }
    }
}

/// The text of a DAG at one time: a row of `dag_version`. Parsing it again gives the same DAG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    /// Its number.
    pub id: VersionKey,
    /// The DAG.
    pub dag_id: DagId,
    /// 1, 2, 3 … within the DAG.
    pub version_number: u32,
    /// SHA-256 over the document and its files, hexadecimal.
    pub content_hash: String,
    /// The file it was read from.
    pub file: String,
    /// The YAML document, as written.
    pub source: Arc<str>,
    /// The text of the files that it names, by the name written.
    pub files: Arc<std::collections::BTreeMap<String, String>>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A dag run: a row of `dag_run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its number.
    pub id: RunKey,
    /// The DAG.
    pub dag_id: DagId,
    /// Its name.
    pub run_id: RunId,
    /// What made it.
    pub run_type: RunType,
    /// Its state.
    pub state: RunState,
    /// The version that it runs.
    pub version: VersionKey,
    /// Its logical date; absent for runs that nobody gave one.
    pub logical_date: Option<Timestamp>,
    /// The start of its data interval; like the logical date, absent when nobody gave one.
    pub data_interval_start: Option<Timestamp>,
    /// The end of its data interval.
    pub data_interval_end: Option<Timestamp>,
    /// No task starts before it.
    pub run_after: Timestamp,
    /// When it was created or last cleared.
    pub queued_at: Timestamp,
    /// When its first task could be scheduled.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
    /// What the trigger gave it.
    pub conf: Option<Map<String, Value>>,
    /// The params of its tasks: the defaults with `conf` on top, checked.
    pub params: Map<String, Value>,
    /// A person's note.
    pub note: Option<String>,
    /// Through which door it came.
    pub triggered_by: TriggeredBy,
    /// Who triggered it.
    pub triggering_user: Option<String>,
    /// How often it was cleared.
    pub clear_number: u32,
    /// Why it is in its state, where there is something to say ("timed out after 2h").
    pub reason: Option<String>,
    /// By when it must have ended, in the order of its DAG; fixed when it is made.
    #[serde(default)]
    pub deadlines: Vec<RunDeadline>,
}

/// A deadline of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDeadline {
    /// The name of the DAG's deadline.
    pub name: String,
    /// The instant.
    pub at: Timestamp,
    /// What became of it.
    pub state: DeadlineState,
}

/// What became of a deadline. It changes once, and a clear does not take that back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineState {
    /// The run has not ended, and the instant is to come.
    Open,
    /// The run ended before.
    Met,
    /// The instant came first.
    Missed,
}

/// A task instance: a row of `task_instance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TiRow {
    /// Its number.
    pub id: TiKey,
    /// Its dag run.
    pub run: RunKey,
    /// Its task.
    pub task_id: TaskId,
    /// Its item of a mapped task, -1 when the task is not mapped.
    pub map_index: i32,
    /// What `map_index_template` gave, after the first attempt.
    pub rendered_map_index: Option<String>,
    /// Its state.
    pub state: TaskState,
    /// The current or last try; 0 before the first.
    pub try_number: u32,
    /// `retries` of the task, plus the tries before a clear (Airflow: `max_tries`).
    pub max_tries: u32,
    /// Hand-outs so far; the fence of the current attempt.
    pub epoch: u32,
    /// Attempts lost without the task's fault, in the current try.
    pub infra_tries: u32,
    /// The version that the last attempt ran.
    pub version: VersionKey,
    /// The first pool.
    pub pool: String,
    /// Its slots there.
    pub pool_slots: u32,
    /// Its queue.
    pub queue: String,
    /// Its effective priority.
    pub priority_weight: i32,
    /// Its operator.
    pub operator: String,
    /// When its trigger rule held.
    pub scheduled_at: Option<Timestamp>,
    /// When all limits held.
    pub queued_at: Option<Timestamp>,
    /// When the last attempt was handed out.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
    /// No retry before it, in `up_for_retry`.
    pub retry_at: Option<Timestamp>,
    /// The worker of the last attempt.
    pub worker: Option<String>,
    /// The exit code of the last attempt.
    pub exit_code: Option<i32>,
    /// Why it is in its state, in words.
    pub reason: Option<String>,
    /// A person's note.
    pub note: Option<String>,
    /// What a branch followed or a short circuit skipped; kept through a clear, as in Airflow
    /// (`NotPreviouslySkippedDep`).
    pub skip_memory: Option<SkipMemory>,
    /// What it waits for, or waited for last, without a slot.
    #[serde(default)]
    pub wait: Option<Box<Wait>>,
}

impl TiRow {
    /// The hand-out under which the current try is recorded: its attempt row and its log. All pokes
    /// of a sensor's try have one.
    pub fn record_epoch(&self) -> u32 {
        self.wait.as_ref().map(|wait| wait.epoch).filter(|epoch| *epoch > 0).unwrap_or(self.epoch)
    }
}

/// What a decision task did to its direct downstream tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipMemory {
    /// A branch: only these go on.
    Followed(Vec<TaskId>),
    /// A short circuit: these were skipped.
    Skipped(Vec<TaskId>),
}

/// One attempt, kept for ever: a row of `task_attempt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Which attempt.
    pub key: AttemptKey,
    /// Its dag run.
    pub run: RunKey,
    /// The version that it ran.
    pub version: VersionKey,
    /// The worker that had it; `scheduler` for those decided there.
    pub worker: String,
    /// The state that it ended in: success, failed, skipped, up_for_retry; absent while it runs;
    /// `no_status` when it was lost without the task's fault.
    pub outcome: Option<TaskState>,
    /// When it was handed out.
    pub start_date: Timestamp,
    /// When its end was accepted.
    pub end_date: Option<Timestamp>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Why it ended so, in words.
    pub reason: Option<String>,
    /// The rendered fields, secrets masked, as the worker reported them.
    pub rendered: Option<Value>,
}

/// An XCom: a row of `xcom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct XComRow {
    /// The task instance that gave it.
    pub ti: TiKey,
    /// Its dag run.
    pub run: RunKey,
    /// The task.
    pub task_id: TaskId,
    /// The mapped item, -1 when the task is not mapped.
    pub map_index: i32,
    /// `return_value` or a name of the author's.
    pub key: String,
    /// The value.
    pub value: Value,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// A pool: a row of `pool`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// Its slots; -1 is without limit.
    pub slots: i64,
    /// What it is for.
    pub description: Option<String>,
    /// Whether deferred instances occupy slots (Airflow: `include_deferred`).
    pub include_deferred: bool,
}

/// Something that happened: a row of `event`, append-only. Folding them gives every state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// When.
    pub at: Timestamp,
    /// The DAG, if it is about one.
    pub dag_id: Option<DagId>,
    /// The dag run, if it is about one.
    pub run: Option<RunKey>,
    /// The task instance, if it is about one.
    pub ti: Option<TiKey>,
    /// What: `run_created`, `ti_state`, `run_state`, `cleared`, `paused` …
    pub kind: String,
    /// The state before, for a change of state.
    pub from: Option<String>,
    /// The state after.
    pub to: Option<String>,
    /// The try and hand-out, for task instances.
    pub try_number: Option<u32>,
    /// See `try_number`.
    pub epoch: Option<u32>,
    /// Who did it, when it was a person or a token.
    pub actor: Option<String>,
    /// More about it.
    pub detail: Option<Value>,
}

/// A notice to be sent: a row of `notice`, deleted when it has been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// Its number, chosen by the leader.
    pub id: i64,
    /// The dag run.
    pub run: RunKey,
    /// The task instance; absent for a notice about the run.
    pub ti: Option<TiKey>,
    /// `success`, `failure`, `retry`, `execute`, `skipped` or `deadline`.
    pub occasion: String,
    /// Of a notice about a run, why it ended, in Airflow's words (`success`, `task_failure`,
    /// `timed_out`, `all_tasks_deadlocked`), or the name of the deadline.
    #[serde(default)]
    pub cause: Option<String>,
    /// The place of the callback in the DAG's, task's or deadline's list for that occasion.
    pub position: u32,
    /// The try it speaks of.
    pub try_number: u32,
    /// Why, for failures.
    pub reason: Option<String>,
    /// When it came about.
    pub created_at: Timestamp,
}

/// What one row becomes. The store applies them in order, in one transaction; an update of a task
/// instance is a compare-and-set, and a mismatch fails the whole batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new or changed DAG row (upsert).
    Dag(DagRow),
    /// A new version.
    Version(VersionRow),
    /// A new run with all its task instances.
    RunCreated(Box<RunRow>, Vec<TiRow>),
    /// A run as it is now, if it was in `from`.
    Run {
        /// The state that the row must have.
        from: RunState,
        /// The row afterwards.
        row: Box<RunRow>,
    },
    /// A task instance as it is now, if it was in (`from`, `from_try`, `from_epoch`).
    Ti {
        /// The state that the row must have.
        from: TaskState,
        /// Its try number before.
        from_try: u32,
        /// Its epoch before.
        from_epoch: u32,
        /// The row afterwards.
        row: Box<TiRow>,
    },
    /// A new task instance of a run that exists (a task added by a newer version).
    TiCreated(Box<TiRow>),
    /// An attempt, new or ended (upsert by key).
    Attempt(Box<AttemptRow>),
    /// An XCom, new or replaced.
    XCom(XComRow),
    /// All XComs of a task instance are gone (a new try starts).
    XComsCleared(TiKey),
    /// Something to remember.
    Event(EventRow),
    /// A notice to send.
    Notice(NoticeRow),
    /// A notice was sent, or given up; its row goes.
    NoticeDone(i64),
    /// The pool of a name as it is now (upsert).
    Pool(PoolRow),
    /// The pool of a name is gone.
    PoolDeleted(String),
    /// A note of a run or, with a task instance, of that.
    Note {
        /// The run.
        run: RunKey,
        /// The task instance.
        ti: Option<TiKey>,
        /// The note; none removes it.
        note: Option<String>,
    },
    /// A new backfill with all its dates.
    BackfillCreated(Box<BackfillRow>, Vec<BackfillDateRow>),
    /// A backfill as it is now.
    Backfill(Box<BackfillRow>),
    /// A date of a backfill as it is now.
    BackfillDate(BackfillDateRow),
    /// A run and all that belongs to it is gone.
    RunDeleted(RunKey),
    /// An asset, new or said otherwise (upsert).
    Asset(AssetRow),
    /// What a DAG does with assets, as it is now; what it did before and does no more is gone.
    AssetReferences {
        /// The DAG.
        dag_id: DagId,
        /// All uses, each once.
        references: Vec<AssetReference>,
        /// Now.
        at: Timestamp,
    },
    /// Something happened to an asset.
    AssetEvent(Box<AssetEventRow>),
    /// How far a DAG has read an asset's events (upsert).
    AssetQueue(AssetQueueRow),
    /// The events of an asset that a new run consumes.
    AssetRun(AssetRunRow),
    /// An entry of the inbox is done, in the same transaction as its effect; with what it answered.
    InboxDone {
        /// The entry.
        id: i64,
        /// What its sender is told: `{"ok": …}` or `{"error": …}`.
        answer: Value,
    },
}

/// Everything the engine needs to go on after a restart.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every DAG.
    pub dags: Vec<DagRow>,
    /// The newest version of every DAG, and every version that an unfinished run or an open
    /// backfill has.
    pub versions: Vec<VersionRow>,
    /// Every unfinished run.
    pub runs: Vec<RunRow>,
    /// Their task instances.
    pub tis: Vec<TiRow>,
    /// Every pool.
    pub pools: Vec<PoolRow>,
    /// Every open backfill.
    pub backfills: Vec<BackfillRow>,
    /// Their dates that wait or have an unfinished run, in their order.
    pub backfill_dates: Vec<BackfillDateRow>,
    /// The newest runs of every DAG that has any.
    pub newest: Vec<NewestRun>,
    /// Every asset.
    pub assets: Vec<AssetRow>,
    /// The newest event of every asset that has had one.
    pub last_asset_events: Vec<LastAssetEvent>,
    /// How far the DAGs have read the assets that they wait for, or once waited for.
    pub asset_queues: Vec<AssetQueueRow>,
    /// The highest numbers given out so far.
    pub last_run: RunKey,
    /// See `last_run`.
    pub last_ti: TiKey,
    /// See `last_run`.
    pub last_version: VersionKey,
    /// See `last_run`.
    pub last_notice: i64,
    /// See `last_run`.
    pub last_backfill: BackfillKey,
    /// See `last_run`.
    pub last_asset_event: AssetEventKey,
}

/// How far into time the runs of a DAG reach: a planned run beyond has no run in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestRun {
    /// The DAG.
    pub dag_id: DagId,
    /// The greatest logical date of any of its runs.
    pub logical_date: Option<Timestamp>,
    /// The greatest `run_after` of any of its runs.
    pub run_after: Option<Timestamp>,
}
