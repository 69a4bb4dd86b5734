//! What workers and the scheduler say to each other: plain types, the same in one process and over
//! HTTP.
//!
//! The scheduler implements [`WorkerProtocol`]; `api` puts it behind routes, `worker` calls it
//! directly or through its HTTP client. Nothing here knows a transport.

mod context;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::dag::Task;
use crate::engine::Trigger;
use crate::ids::{DagId, RunId, TaskId};
use crate::record::{AttemptKey, NoticeRow, RunRow};
use crate::state::TaskState;
use crate::template::{Lookup, Lookups};
use crate::wait::Condition;

/// A future that the protocol's methods return.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProtocolError>> + Send + 'a>>;

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ProtocolError {
    /// The caller must register (again): it is unknown, or another incarnation took its place.
    #[error("worker {worker} is not registered; register again")]
    NotRegistered {
        /// The worker.
        worker: String,
    },
    /// The attempt is no longer the caller's: kill it and report nothing.
    #[error("attempt {attempt} was given to somebody else or ended; stop it")]
    Fenced {
        /// The attempt.
        attempt: AttemptKey,
    },
    /// Nobody leads, or the leader cannot reach its database; try again.
    #[error("the scheduler is not available: {reason}; try again")]
    Unavailable {
        /// Why, in words.
        reason: String,
    },
    /// The request makes no sense.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

/// What the scheduler does for workers.
pub trait WorkerProtocol: Send + Sync + 'static {
    /// A worker says who it is and what still runs there.
    fn register(&self, request: Register) -> Answer<'_, Registered>;
    /// A worker asks for work, and waits up to `wait_ms` for it. It keeps one claim open always,
    /// also without a free slot: orders to kill come by the same way.
    fn claim(&self, request: Claim) -> Answer<'_, Vec<Work>>;
    /// A worker says that it lives and what it runs; it is told what to kill.
    fn renew(&self, request: Renew) -> Answer<'_, Renewed>;
    /// A worker reports ended attempts; the answer carries the next work.
    fn finish(&self, request: Finish) -> Answer<'_, Finished>;
    /// An attempt asks for XComs, variables and connections.
    fn look_up(&self, request: LookUp) -> Answer<'_, Found>;
    /// A piece of an attempt's log.
    fn append_log(&self, request: AppendLog) -> Answer<'_, LogAppended>;
}

/// A shared protocol end.
pub type Link = Arc<dyn WorkerProtocol>;

/// See [`WorkerProtocol::register`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Register {
    /// A name that outlives restarts.
    pub worker: String,
    /// A new number for every start.
    pub incarnation: u64,
    /// The machine.
    pub hostname: String,
    /// Which queues it serves.
    pub queues: Vec<String>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// Attempts of an earlier incarnation that still run (adopted containers and processes).
    pub running: Vec<AttemptKey>,
}

/// The answer to [`Register`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registered {
    /// How often to renew, in milliseconds.
    pub renew_ms: u64,
    /// After so long without a successful renewal a worker kills its attempts, in milliseconds.
    pub self_fence_ms: u64,
    /// Adopted attempts that are to go on, each with its assignment.
    pub resume: Vec<Assignment>,
    /// Attempts to kill and forget.
    pub kill: Vec<AttemptKey>,
}

/// See [`WorkerProtocol::claim`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    /// The worker.
    pub worker: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// How many more attempts it can take.
    pub free_slots: u32,
    /// How long to wait for work, in milliseconds.
    pub wait_ms: u64,
}

/// Something to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Work {
    /// An attempt at a task.
    Attempt(Box<Assignment>),
    /// A notice to send.
    Notice(Box<NoticeWork>),
    /// An attempt to kill at once.
    Kill(Kill),
}

/// An attempt handed to a worker. The context of its templates is made from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// Which attempt.
    pub key: AttemptKey,
    /// The mapped item, -1 when the task is not mapped.
    pub map_index: i32,
    /// `retries` plus the tries before a clear.
    pub max_tries: u32,
    /// The task, unrendered.
    pub task: Arc<Task>,
    /// What its templates may know of the DAG.
    pub dag: Arc<DagBrief>,
    /// Its dag run.
    pub run: RunRow,
    /// The previous successful run of the DAG, for `prev_*_success`.
    pub previous_success: Option<PreviousSuccess>,
    /// The names of the tasks directly downstream, for the check of what a branch returns.
    pub downstream: Vec<TaskId>,
    /// How many instances its mapped task has; absent when it is not mapped.
    #[serde(default)]
    pub expanded_count: Option<u32>,
    /// The tasks of its mapped task group: `xcom('sibling')` means the one of the same item.
    #[serde(default)]
    pub siblings: Vec<TaskId>,
    /// Lookups that the scheduler answered beforehand.
    pub lookups: Lookups,
    /// Texts to mask in the log and in rendered fields.
    pub secrets: Vec<SecretText>,
}

/// What templates may know of a DAG.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DagBrief {
    /// Its name.
    pub dag_id: DagId,
    /// Its name for people.
    pub display_name: String,
    /// Its owner.
    pub owner: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its schedule as written.
    pub schedule_text: Option<String>,
    /// Its zone.
    pub timezone: String,
    /// Its macros.
    pub macros: IndexMap<String, String>,
    /// The names of its tasks.
    pub task_ids: Vec<TaskId>,
    /// Whether rendered values keep their types.
    pub render_template_as_native_obj: bool,
    /// The folder of its file, where relative template files and scripts are found.
    pub folder: String,
}

/// See [`Assignment::previous_success`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousSuccess {
    /// The start of its data interval.
    pub data_interval_start: Option<jiff::Timestamp>,
    /// The end of its data interval.
    pub data_interval_end: Option<jiff::Timestamp>,
    /// When it started.
    pub start_date: Option<jiff::Timestamp>,
    /// When it ended.
    pub end_date: Option<jiff::Timestamp>,
}

/// A text that must not be seen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretText(pub String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A notice handed to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NoticeWork {
    /// The notice.
    pub notice: NoticeRow,
    /// What to send, unrendered.
    pub callback: crate::dag::Callback,
    /// The attempt that it speaks of (for a notice about a run, the run's last).
    pub about: Assignment,
    /// How that attempt ended.
    #[serde(default)]
    pub ti: NoticeTi,
}

/// A task instance as a notice shows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NoticeTi {
    /// Its state when the notice came about.
    pub state: String,
    /// When the attempt started.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
}

/// See [`WorkerProtocol::renew`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renew {
    /// The worker.
    pub worker: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// What runs there.
    pub running: Vec<AttemptKey>,
}

/// The answer to [`Renew`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewed {
    /// Attempts to kill: cleared, marked, timed out with their run, or no longer the worker's.
    pub kill: Vec<Kill>,
}

/// An order to kill an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kill {
    /// Which.
    pub key: AttemptKey,
    /// Why, for its log.
    pub reason: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Success,
    /// Badly, by the task's fault; retried while its retries last.
    Failed,
    /// Badly, and a retry is useless.
    FailedForGood,
    /// It said that it is to be skipped.
    Skipped,
    /// Without the task's fault; retried from the infrastructure's budget.
    Lost,
    /// It was killed on the scheduler's order.
    Killed,
    /// A poke found nothing yet: it looks again later and holds nothing until then.
    NotYet,
    /// A decision to wait: see [`AttemptResult::demand`].
    Deferred,
}

/// What a decision of the scheduler asks of the engine, with [`Outcome::Deferred`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "demand", rename_all = "snake_case")]
pub enum Demand {
    /// To wait.
    Wait {
        /// For what.
        condition: Box<Condition>,
        /// How long at most, in seconds.
        timeout_secs: Option<f64>,
    },
    /// To start a run of another DAG.
    Trigger(Box<TriggerDemand>),
}

/// See [`Demand::Trigger`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TriggerDemand {
    /// The run.
    pub trigger: Trigger,
    /// Whether its logical date is the instant at which it is created.
    pub is_dated_now: bool,
    /// The name of a run of that name or date which the database has and the engine does not.
    pub known: Option<RunId>,
    /// Whether a run that exists already is cleared.
    pub reset: bool,
    /// Whether the task is skipped when the run exists already.
    pub skip_known: bool,
    /// Whether a paused DAG is a failure.
    pub fail_paused: bool,
    /// What to wait for afterwards: the states of the run that are good, and those that are bad.
    pub wait: Option<(Vec<TaskState>, Vec<TaskState>)>,
    /// How long at most, in seconds.
    pub timeout_secs: Option<f64>,
}

/// The end of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptResult {
    /// Which.
    pub key: AttemptKey,
    /// How.
    pub outcome: Outcome,
    /// The exit code, where there is one.
    pub exit_code: Option<i32>,
    /// Why, in words: what people read first.
    pub reason: Option<String>,
    /// XComs by key; `return_value` among them.
    pub xcoms: Map<String, Value>,
    /// Numbers that the task reported.
    pub metrics: Map<String, Value>,
    /// What the task says of the assets that it wrote: extras by name or URI.
    #[serde(default)]
    pub assets: Map<String, Value>,
    /// The rendered fields, secrets masked.
    pub rendered: Option<Value>,
    /// What `map_index_template` gave.
    #[serde(default)]
    pub rendered_map_index: Option<String>,
    /// For a branch: the chosen task ids. For a short circuit: see `go_on`.
    pub chosen: Option<Vec<String>>,
    /// For a short circuit: whether what is downstream goes on.
    pub go_on: Option<bool>,
    /// For [`Outcome::Deferred`]: what is to be done.
    #[serde(default)]
    pub demand: Option<Box<Demand>>,
}

impl AttemptResult {
    /// A result with nothing but its outcome.
    pub fn new(key: AttemptKey, outcome: Outcome) -> Self {
        Self {
            key,
            outcome,
            exit_code: None,
            reason: None,
            xcoms: Map::new(),
            metrics: Map::new(),
            assets: Map::new(),
            rendered: None,
            rendered_map_index: None,
            chosen: None,
            go_on: None,
            demand: None,
        }
    }
}

/// See [`WorkerProtocol::finish`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finish {
    /// The worker.
    pub worker: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Ended attempts.
    pub results: Vec<AttemptResult>,
    /// Notices that are done: their number, and what went wrong if something did.
    pub notices: Vec<(i64, Option<String>)>,
    /// How many more attempts it can take now.
    pub free_slots: u32,
}

/// The answer to [`Finish`], sent after everything in it was committed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finished {
    /// Results that came too late and changed nothing.
    pub fenced: Vec<AttemptKey>,
    /// The next work.
    pub next: Vec<Work>,
}

/// See [`WorkerProtocol::look_up`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookUp {
    /// On whose behalf.
    pub key: AttemptKey,
    /// What.
    pub wanted: Vec<Lookup>,
    /// Connections wanted whole, by operators.
    pub connections: Vec<String>,
}

/// The answer to [`LookUp`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// The answers.
    pub lookups: Lookups,
    /// Connections by id; a missing one is absent.
    pub connections: IndexMap<String, Connection>,
    /// Texts to mask from now on.
    pub secrets: Vec<SecretText>,
}

/// See [`WorkerProtocol::append_log`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppendLog {
    /// Whose log.
    pub key: AttemptKey,
    /// Where the piece begins; a piece that was already written is accepted and dropped.
    pub offset: u64,
    /// The text, secrets masked: whole lines in the form of [`crate::log_line`].
    pub text: String,
    /// Whether the log ends here.
    pub last: bool,
}

/// The answer to [`AppendLog`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogAppended {
    /// Where the next piece begins.
    pub next_offset: u64,
}
