//! What goes into the engine and what comes out: events, orders from people, effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dag::Dag;
use crate::ids::{DagId, RunId, TaskId};
use crate::mapping::Length;
use crate::operator::Place;
use crate::record::{
    AssetKey, AttemptKey, BackfillKey, Change, PoolRow, RunKey, RunRow, TiKey, TiRow,
};
use crate::state::{ReprocessBehavior, RunState, RunType, TaskState, TriggeredBy};
use crate::wait::{Seen, WhichRun};
use crate::wire::{AttemptResult, Kill};

/// Something that happened, for [`super::Engine::step`].
#[derive(Debug, Clone)]
pub enum Event {
    /// A DAG was read from its file; a new content hash makes a new version.
    DagLoaded(Box<DagLoaded>),
    /// A DAG's file is gone: it makes no new runs; its unfinished runs go on.
    DagGone(DagId),
    /// Time has passed: plan due runs, end retry delays, check timeouts.
    Tick,
    /// A queued task instance is handed to a worker (or decided in the scheduler).
    Assign {
        /// The task instance.
        ti: TiKey,
        /// The worker's name.
        worker: String,
    },
    /// An attempt ended.
    Finished(Box<AttemptResult>),
    /// An attempt was lost without its fault (its worker is gone).
    Lost {
        /// Which.
        key: AttemptKey,
        /// Why, in words.
        reason: String,
    },
    /// A run that ended is needed again (for a clear or a mark): its rows and its DAG.
    RunLoaded {
        /// The run.
        run: Box<RunRow>,
        /// Its task instances.
        tis: Vec<TiRow>,
        /// The DAG of its version.
        dag: Arc<Dag>,
    },
    /// The states of the previous run's task instances by task and map index, for `depends_on_past`: the answer to
    /// [`Effects::past_wanted`]. What looks back waits for it.
    PastLoaded {
        /// The run that looks back.
        run: RunKey,
        /// The run it looks back to; absent when there is none.
        previous: Option<RunKey>,
        /// The states there.
        states: BTreeMap<(TaskId, i32), TaskState>,
    },
    /// How many elements something has that tasks are mapped over: the answer to
    /// [`Effects::lengths_wanted`]. What is mapped over it waits for it.
    LengthLoaded {
        /// What was asked.
        wanted: LengthWanted,
        /// The answer.
        length: Length,
    },
    /// Which runs some dates have: the answer to [`Effects::dates_wanted`]. Nothing else may have
    /// happened between the look at the database and this; runs that are to run again were sent as
    /// [`Event::RunLoaded`] just before.
    DatesLoaded {
        /// What was asked.
        wanted: DatesWanted,
        /// Every run of the DAG with one of the dates or names, unfinished ones included.
        found: Vec<RunRow>,
        /// Those that were to be loaded and cannot be read.
        unreadable: Vec<RunKey>,
    },
    /// The state of a run that is not in memory: the answer to [`Effects::runs_wanted`].
    RunSeen {
        /// Which.
        wanted: RunWanted,
        /// It; absent when there is none.
        seen: Option<Seen>,
    },
    /// An order of a person, a script or the API.
    Order(Box<Order>),
}

/// See [`Event::DagLoaded`].
#[derive(Debug, Clone)]
pub struct DagLoaded {
    /// The DAG.
    pub dag: Arc<Dag>,
    /// SHA-256 over the document and its files, hexadecimal.
    pub content_hash: String,
    /// The file below the DAG folder.
    pub file: String,
    /// The document as written.
    pub source: Arc<str>,
    /// The text of the files that it names.
    pub files: Arc<BTreeMap<String, String>>,
    /// Whether a DAG seen for the first time starts paused when its file does not say.
    pub paused_by_default: bool,
}

/// What people order; it travels through the inbox as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Create a dag run.
    Trigger(Trigger),
    /// Run task instances again.
    Clear(Clear),
    /// Set states by hand.
    Mark(Mark),
    /// Set a run's state by hand (Airflow: PATCH of a dag run); `queued` starts it again.
    MarkRun {
        /// The DAG.
        dag_id: DagId,
        /// The run.
        run_id: RunId,
        /// `queued`, `success` or `failed`.
        state: RunState,
        /// Who.
        actor: Option<String>,
    },
    /// Pause or unpause a DAG.
    Pause {
        /// The DAG.
        dag_id: DagId,
        /// Which.
        is_paused: bool,
        /// Who.
        actor: Option<String>,
    },
    /// Create or change a backfill.
    Backfill(BackfillOrder),
    /// A pool was created or changed.
    SetPool {
        /// The pool as it is to be.
        row: PoolRow,
        /// Who.
        actor: Option<String>,
    },
    /// A pool was deleted.
    DeletePool {
        /// Its name.
        name: String,
        /// Who.
        actor: Option<String>,
    },
    /// A variable or a connection was changed, in the same transaction as this was ordered. Only
    /// the event is left to write.
    Changed {
        /// What.
        what: Setting,
        /// Its name; its value is nobody's business.
        name: String,
        /// Whether it is gone.
        is_deleted: bool,
        /// Who.
        actor: Option<String>,
    },
    /// Delete a run and everything that belongs to it.
    DeleteRun {
        /// The DAG.
        dag_id: DagId,
        /// The run.
        run_id: RunId,
        /// Who.
        actor: Option<String>,
    },
    /// Answer what a task instance asks.
    Answer(Answer),
    /// Say that an asset has changed.
    AssetEvent {
        /// The asset.
        asset: AssetKey,
        /// What is said of it.
        extra: Map<String, Value>,
        /// Who.
        actor: Option<String>,
    },
    /// Have asset events that wait for a run of a DAG not count (Airflow: delete queued events).
    ClearAssetQueue {
        /// Only those of this DAG.
        dag_id: Option<DagId>,
        /// Only those of this asset.
        asset: Option<AssetKey>,
        /// Only those that began to wait before.
        before: Option<Timestamp>,
        /// Who.
        actor: Option<String>,
    },
    /// Set the note of a run or a task instance.
    Note {
        /// The DAG.
        dag_id: DagId,
        /// The run.
        run_id: RunId,
        /// The task, for a task instance's note.
        task_id: Option<TaskId>,
        /// Its mapped item, -1 when the task is not mapped.
        map_index: i32,
        /// The note; none removes it.
        note: Option<String>,
        /// Who.
        actor: Option<String>,
    },
}

/// A person's answer to an `approval` task that waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// Its mapped item, -1 when the task is not mapped.
    pub map_index: i32,
    /// The chosen options.
    pub chosen_options: Vec<String>,
    /// What the form is filled with.
    #[serde(default)]
    pub params_input: Map<String, Value>,
    /// Who.
    pub actor: Option<String>,
}

/// What people keep beside their DAGs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// A variable.
    Variable,
    /// A connection.
    Connection,
}

/// Creation of a dag run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// The DAG.
    pub dag_id: DagId,
    /// The run's name; made from `run_type` and `run_after` when absent.
    pub run_id: Option<RunId>,
    /// What made it.
    pub run_type: RunType,
    /// Its logical date.
    pub logical_date: Option<Timestamp>,
    /// Its data interval; inferred from the logical date when absent.
    pub data_interval: Option<(Timestamp, Timestamp)>,
    /// No task starts before it; now when absent.
    pub run_after: Option<Timestamp>,
    /// What it is given; checked against the params before anything starts.
    pub conf: Option<Map<String, Value>>,
    /// A note.
    pub note: Option<String>,
    /// Through which door.
    pub triggered_by: TriggeredBy,
    /// Who.
    pub actor: Option<String>,
}

/// The most dag runs that one clear or mark is about.
pub const RUNS_PER_ORDER_MAX: usize = 100;

impl Order {
    /// The runs that must be in memory before the order is given to the engine.
    pub fn runs(&self) -> Option<(&DagId, Vec<&RunId>)> {
        fn several<'a>(first: &'a RunId, more: &'a [RunId]) -> Vec<&'a RunId> {
            std::iter::once(first).chain(more).collect()
        }
        match self {
            Self::Clear(clear) => Some((&clear.dag_id, several(&clear.run_id, &clear.more_runs))),
            Self::Mark(mark) => Some((&mark.dag_id, several(&mark.run_id, &mark.more_runs))),
            Self::MarkRun { dag_id, run_id, .. }
            | Self::DeleteRun { dag_id, run_id, .. }
            | Self::Note { dag_id, run_id, .. } => Some((dag_id, vec![run_id])),
            Self::Answer(answer) => Some((&answer.dag_id, vec![&answer.run_id])),
            Self::Trigger(_)
            | Self::Pause { .. }
            | Self::SetPool { .. }
            | Self::DeletePool { .. }
            | Self::Changed { .. }
            | Self::Backfill(_)
            | Self::AssetEvent { .. }
            | Self::ClearAssetQueue { .. } => None,
        }
    }
}

/// What is ordered of a backfill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum BackfillOrder {
    /// Create one.
    Create(NewBackfill),
    /// Pause or unpause one: no further run starts, running ones go on.
    Pause {
        /// Which.
        id: BackfillKey,
        /// Whether it is to be paused.
        is_paused: bool,
        /// Who.
        actor: Option<String>,
    },
    /// End one: dates whose turn has not come are dropped, queued runs fail.
    Cancel {
        /// Which.
        id: BackfillKey,
        /// Whether its running runs are failed too; else they go on.
        stop_running: bool,
        /// Who.
        actor: Option<String>,
    },
}

/// Creation of a backfill (Airflow: `BackfillPostBody`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewBackfill {
    /// The DAG.
    pub dag_id: DagId,
    /// The first logical date.
    pub from_date: Timestamp,
    /// The last logical date.
    pub to_date: Timestamp,
    /// Whether the newest date comes first.
    pub run_backwards: bool,
    /// What is done with dates that have a run.
    pub reprocess_behavior: ReprocessBehavior,
    /// The most of its runs unfinished at once.
    pub max_active_runs: u32,
    /// It stops after so many failed runs; 0 never.
    pub stop_after_failures: u32,
    /// Whether runs that exist move to the newest version when they run again.
    pub run_on_latest_version: bool,
    /// What its runs are given; checked against the params before anything starts.
    pub conf: Option<Map<String, Value>>,
    /// Who.
    pub actor: Option<String>,
}

/// Which task instances of a run, relative to named tasks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// The tasks and task groups named; all tasks when this and `items` are empty.
    pub task_ids: Vec<TaskId>,
    /// Single mapped items: a task and its map index, -1 where it is not mapped.
    pub items: Vec<(TaskId, i32)>,
    /// Also everything upstream of them.
    pub include_upstream: bool,
    /// Also everything downstream of them.
    pub include_downstream: bool,
    /// Only instances that failed (failed or upstream_failed).
    pub only_failed: bool,
    /// Only instances that run.
    pub only_running: bool,
    /// None of the run's instances: only those that a newer version adds.
    pub only_new: bool,
}

impl Selection {
    /// Whether it names nothing, and so means every task.
    pub fn is_all(&self) -> bool {
        self.task_ids.is_empty() && self.items.is_empty()
    }
}

/// A clear: the selected task instances run again, their tries and logs are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clear {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// Further runs in which the same is cleared, in the same transaction; with the first at most
    /// [`RUNS_PER_ORDER_MAX`].
    #[serde(default)]
    pub more_runs: Vec<RunId>,
    /// Which task instances.
    pub selection: Selection,
    /// Whether it is refused when a selected task instance runs (Airflow: `prevent_running_task`).
    #[serde(default)]
    pub prevent_running_task: bool,
    /// A note for the cleared task instances.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether a finished run is queued again (Airflow: `reset_dag_runs`).
    pub reset_dag_run: bool,
    /// Whether the run moves to the newest version of the DAG; else it keeps its own.
    pub run_on_latest_version: bool,
    /// Who.
    pub actor: Option<String>,
}

/// A mark: the selected task instances get a state by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run_id: RunId,
    /// Further runs in which the same is marked, as for a clear.
    #[serde(default)]
    pub more_runs: Vec<RunId>,
    /// Which task instances.
    pub selection: Selection,
    /// `success`, `failed` or `skipped`.
    pub state: TaskState,
    /// Who.
    pub actor: Option<String>,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// The thing named does not exist.
    #[error("{what}")]
    NotFound {
        /// What, in words.
        what: String,
    },
    /// It exists already, or the state does not allow it.
    #[error("{what}")]
    Conflict {
        /// What, in words.
        what: String,
    },
    /// It is not this person's to do.
    #[error("{what}")]
    Forbidden {
        /// What, in words.
        what: String,
    },
    /// The order itself is wrong; each problem has a JSON path into `conf` or the body.
    #[error("{}", problems.iter().map(|(path, text)| format!("{path}: {text}")).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// Pairs of path (`conf.grid.depth[0]`) and text.
        problems: Vec<(String, String)>,
    },
}

/// A task instance that waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedTi {
    /// Which.
    pub ti: TiKey,
    /// Its queue.
    pub queue: String,
    /// Where it runs.
    pub place: Place,
}

/// What follows from an event. Nothing may be done before `changes` are committed.
#[derive(Debug, Default)]
pub struct Effects {
    /// The rows to write, in order.
    pub changes: Vec<Change>,
    /// Attempts that must be killed where they run.
    pub kills: Vec<Kill>,
    /// When to send [`Event::Tick`] next; absent when nothing is due by itself.
    pub wake_at: Option<Timestamp>,
    /// The attempt that an [`Event::Assign`] started.
    pub assigned: Option<AttemptKey>,
    /// What an order answers: JSON on success (for a trigger the run id, for a clear or a mark the
    /// affected task instances), or why it was refused.
    pub answer: Option<Result<Value, Refusal>>,
    /// A result or loss that came for an attempt which is no longer current: nothing changed.
    pub fenced: bool,
    /// Previous runs to look up once `changes` are committed; each is answered by
    /// [`Event::PastLoaded`].
    pub past_wanted: Vec<PastWanted>,
    /// Dates whose runs are to be looked up once `changes` are committed and before any other
    /// event; each is answered by [`Event::DatesLoaded`].
    pub dates_wanted: Vec<DatesWanted>,
    /// Runs that somebody waits for and that are not in memory, to look up once `changes` are
    /// committed; each is answered by [`Event::RunSeen`].
    pub runs_wanted: Vec<RunWanted>,
    /// Lengths to look up once `changes` are committed; each is answered by
    /// [`Event::LengthLoaded`].
    pub lengths_wanted: Vec<LengthWanted>,
}

/// A run that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunWanted {
    /// Its DAG.
    pub dag_id: DagId,
    /// Which run of it.
    pub run: WhichRun,
}

/// How many elements a task gave that others are mapped over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LengthWanted {
    /// The run.
    pub run: RunKey,
    /// The task that gave it.
    pub task_id: TaskId,
    /// Under which key.
    pub key: String,
    /// How often that task was handed out; an answer to an older question does not count.
    pub hand_outs: u64,
}

/// A run with tasks that look back (`depends_on_past`) asks for the run before it: of the same
/// DAG, with the greatest logical date (`run_after` where it has none) earlier than `before`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastWanted {
    /// The run that looks back.
    pub run: RunKey,
    /// Its DAG.
    pub dag_id: DagId,
    /// Its own date.
    pub before: Timestamp,
    /// Only runs made by the schedule count (Airflow: so with `catchup`).
    pub scheduled_only: bool,
}

/// Dates of a DAG that may have runs already, which the engine does not keep when they have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatesWanted {
    /// The DAG.
    pub dag_id: DagId,
    /// The logical dates, at most [`DATES_AT_ONCE`].
    pub dates: Vec<Timestamp>,
    /// The names that runs of those dates would get.
    pub run_ids: Vec<RunId>,
    /// The backfill that asks; the schedule when absent.
    pub backfill: Option<BackfillKey>,
    /// What the backfill does with runs that exist; those that run again are loaded.
    pub reprocess_behavior: ReprocessBehavior,
    /// The most runs to load.
    pub loads_max: usize,
}

/// The most dates that are looked up at once.
pub const DATES_AT_ONCE: usize = 64;
