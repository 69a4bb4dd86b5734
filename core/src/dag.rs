//! A validated DAG: plain data that the engine, the worker and the API read.
//!
//! Made only by `dagfile` (from YAML) and by tests; every reference in it is resolved, every limit
//! checked, and the graph has no cycle. Nothing here reads YAML or decides anything.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::asset::{AssetCondition, AssetRef};
use crate::ids::{DagId, TaskId};
use crate::mapping::Mapping;
use crate::operator::Place;
use crate::state::{RunType, TriggerRule, WeightRule};
use crate::timetable::Timetable;

/// The pool of tasks that name none (Airflow: `default_pool`).
pub const DEFAULT_POOL: &str = "default_pool";

/// The slots of [`DEFAULT_POOL`] when an installation starts (Airflow: 128).
pub const DEFAULT_POOL_SLOTS: i64 = 128;

/// A validated DAG.
#[derive(Debug, Clone)]
pub struct Dag {
    /// Its name.
    pub dag_id: DagId,
    /// Its name for people, if another.
    pub dag_display_name: Option<String>,
    /// One line about it.
    pub description: Option<String>,
    /// A page about it, Markdown.
    pub doc_md: Option<String>,
    /// Its owner (Airflow: `owner` of `default_args`); `airflow` when nobody is named there, here
    /// an empty text.
    pub owner: String,
    /// Words to filter by, in file order.
    pub tags: Vec<String>,
    /// The schedule as written, for people: `0 15 * * *`, `@daily`, `None`.
    pub schedule_text: Option<String>,
    /// When it runs by itself.
    pub timetable: Timetable,
    /// When it is started by assets; beside a timetable both start it (Airflow:
    /// `AssetOrTimeSchedule`).
    pub assets: Option<AssetCondition<AssetRef>>,
    /// The zone of its cron expression and naive dates, an IANA name.
    pub timezone: String,
    /// No logical date before it.
    pub start_date: Option<Timestamp>,
    /// No logical date after it.
    pub end_date: Option<Timestamp>,
    /// Whether missed runs are made up for.
    pub catchup: bool,
    /// The most dag runs at once.
    pub max_active_runs: u32,
    /// The most task instances at once in one dag run.
    pub max_active_tasks: u32,
    /// Paused after so many failed runs in a row; 0 never.
    pub max_consecutive_failed_dag_runs: u32,
    /// A run fails after so many seconds of running.
    pub dagrun_timeout_secs: Option<f64>,
    /// Whether the first failed task ends the run.
    pub fail_fast: bool,
    /// The only kinds of runs that may be made; all when absent (Airflow: `allowed_run_types`).
    pub allowed_run_types: Option<Vec<RunType>>,
    /// Whether it starts paused; the installation's default when absent.
    pub is_paused_upon_creation: Option<bool>,
    /// What a run may be given, and what it is given by default.
    pub params: Params,
    /// Templates by name, rendered where a task uses the name.
    pub macros: IndexMap<String, String>,
    /// Whether rendered values keep their types.
    pub render_template_as_native_obj: bool,
    /// Notices about the whole run.
    pub callbacks: Callbacks,
    /// By when a run must have ended.
    pub deadlines: Vec<Deadline>,
    /// Its tasks, in file order; an index here is a [`TaskIndex`].
    pub tasks: Vec<Task>,
    /// Its task groups, outer before inner.
    pub groups: Vec<TaskGroup>,
    /// Its edges, upstream → downstream; node weights are indexes into `tasks`, and node `i` is
    /// task `i`.
    pub graph: DiGraph<TaskIndex, ()>,
}

/// A group of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskGroup {
    /// Its whole name, `outer.inner`.
    pub group_id: String,
    /// One line about it.
    pub tooltip: Option<String>,
    /// The tasks in it and in the groups inside it, ascending.
    pub tasks: Vec<TaskIndex>,
}

/// The place of a task in [`Dag::tasks`]; only good within one version of a DAG.
pub type TaskIndex = usize;

impl Dag {
    /// The task of a name, with its index.
    pub fn task(&self, task_id: &str) -> Option<(TaskIndex, &Task)> {
        self.tasks.iter().enumerate().find(|(_, task)| task.task_id == *task_id)
    }

    /// The task group of a whole name.
    pub fn group(&self, group_id: &str) -> Option<&TaskGroup> {
        self.groups.iter().find(|group| group.group_id == group_id)
    }

    /// The direct upstreams of a task, ascending.
    pub fn upstream(&self, task: TaskIndex) -> Vec<TaskIndex> {
        self.neighbours(task, petgraph::Direction::Incoming)
    }

    /// The direct downstreams of a task, ascending.
    pub fn downstream(&self, task: TaskIndex) -> Vec<TaskIndex> {
        self.neighbours(task, petgraph::Direction::Outgoing)
    }

    fn neighbours(&self, task: TaskIndex, direction: petgraph::Direction) -> Vec<TaskIndex> {
        let mut found: Vec<_> = self
            .graph
            .neighbors_directed(NodeIndex::new(task), direction)
            .map(NodeIndex::index)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether runs of a kind may be made.
    pub fn allows(&self, run_type: RunType) -> bool {
        self.allowed_run_types.as_ref().is_none_or(|types| types.contains(&run_type))
    }

    /// The name shown to people.
    pub fn display_name(&self) -> &str {
        self.dag_display_name.as_deref().unwrap_or(self.dag_id.as_str())
    }
}

/// A validated task. It travels to the worker whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub task_id: TaskId,
    /// Its name for people, if another.
    pub task_display_name: Option<String>,
    /// A page about it, Markdown.
    pub doc_md: Option<String>,
    /// Its owner.
    pub owner: String,
    /// The operator's name, a key of [`crate::operator::OPERATORS`].
    pub operator: String,
    /// The operator's own keys by canonical name, before rendering. Texts are templates, except a
    /// map `{"$raw": text}` (written `!raw text`), which is taken as it is.
    pub config: Map<String, Value>,
    /// Where an attempt runs.
    pub place: Place,
    /// When it may run.
    pub trigger_rule: TriggerRule,
    /// Further tries after a failure.
    pub retries: u32,
    /// Seconds between tries.
    pub retry_delay_secs: f64,
    /// The factor of exponential backoff; 0 and 1 mean none (Airflow: `true` is 2).
    pub retry_exponential_backoff: f64,
    /// The longest delay under backoff.
    pub max_retry_delay_secs: Option<f64>,
    /// Exit codes after which a retry is useless.
    pub no_retry_exit_codes: Vec<i32>,
    /// What failures lead to; the first rule that holds counts.
    #[serde(default)]
    pub retry_policy: Vec<RetryRule>,
    /// It has no part in runs with an earlier logical date.
    #[serde(default)]
    pub start_date: Option<Timestamp>,
    /// It has no part in runs with a later logical date.
    #[serde(default)]
    pub end_date: Option<Timestamp>,
    /// The limit of one try, in seconds.
    pub execution_timeout_secs: Option<f64>,
    /// Whether the same task of the previous run must have succeeded or been skipped.
    pub depends_on_past: bool,
    /// Whether also everything directly downstream of it there must be done.
    pub wait_for_downstream: bool,
    /// Whether a skip, too, waits for what `depends_on_past` asks for.
    #[serde(default)]
    pub wait_for_past_depends_before_skipping: bool,
    /// Slots it takes, by pool; never empty.
    pub pools: IndexMap<String, u32>,
    /// Its own weight.
    pub priority_weight: i32,
    /// How the effective weight comes about.
    pub weight_rule: WeightRule,
    /// The weight after the rule, clamped to 32 bits (Airflow: priority weights).
    pub effective_priority: i32,
    /// Which workers may run it; `default` when nothing is said.
    pub queue: String,
    /// What a worker must have free, by name (`cpus`, `memory` in bytes, `gpus`, own names).
    pub resources: IndexMap<String, f64>,
    /// The most instances of this task at once, over all runs.
    pub max_active_tis_per_dag: Option<u32>,
    /// The most instances of this task at once in one run.
    #[serde(default)]
    pub max_active_tis_per_dagrun: Option<u32>,
    /// Over what it is expanded, itself or by its task group; absent for a plain task.
    #[serde(default)]
    pub mapping: Option<Arc<Mapping>>,
    /// The label of its mapped instances, a template.
    #[serde(default)]
    pub map_index_template: Option<String>,
    /// Variables of the process; values are templates.
    pub env: IndexMap<String, String>,
    /// Whether the worker's own environment is passed on too.
    pub append_env: bool,
    /// A file of variables.
    pub env_file: Option<String>,
    /// Whether its output becomes an XCom.
    pub do_xcom_push: bool,
    /// Whether each key of its output is an XCom too.
    #[serde(default)]
    pub multiple_outputs: bool,
    /// The account of its process; the worker's own when absent.
    #[serde(default)]
    pub run_as_user: Option<String>,
    /// Skipped unless this expression is true.
    pub when: Option<String>,
    /// Assets it reads.
    pub inlets: Vec<AssetRef>,
    /// Assets it writes; its success is an event of each.
    pub outlets: Vec<AssetRef>,
    /// Notices about its instances.
    pub callbacks: Callbacks,
    /// Whether it is a setup task.
    pub is_setup: bool,
    /// Whether it is a teardown task.
    pub is_teardown: bool,
    /// Whether a failure of this teardown fails the run.
    #[serde(default)]
    pub on_failure_fail_dagrun: bool,
    /// Template files by the name written in the file: their text at the time of this version.
    pub files: IndexMap<String, String>,
}

impl Task {
    /// The pool shown where one is expected: the first.
    pub fn pool(&self) -> &str {
        self.pools.keys().next().map_or(DEFAULT_POOL, String::as_str)
    }

    /// The slots of [`Task::pool`].
    pub fn pool_slots(&self) -> u32 {
        self.pools.values().next().copied().unwrap_or(1)
    }

    /// The name shown to people.
    pub fn display_name(&self) -> &str {
        self.task_display_name.as_deref().unwrap_or(self.task_id.as_str())
    }
}

/// One rule of `retry_policy`. Without a condition it holds for every failure; with both, both must
/// hold (Airflow: retry policies, there on exception types).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryRule {
    /// Exit codes for which it holds; empty for any.
    pub exit_codes: Vec<i32>,
    /// A text that the failure's reason has, whatever its case; none for any.
    pub reason: Option<String>,
    /// What follows.
    pub then: RetryAction,
    /// Seconds until the next try, instead of the task's own delay.
    pub delay_secs: Option<f64>,
}

/// What a failure leads to (Airflow: `RetryAction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAction {
    /// Another try, if there are any left.
    Retry,
    /// No further try.
    Fail,
    /// What the task's other keys say.
    Default,
}

/// What a run may be given: a JSON Schema of properties, and the defaults.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Params {
    /// The schema of each param, in file order; a plain default has the empty schema.
    pub properties: IndexMap<String, Value>,
    /// The default of each param that has one.
    pub defaults: Map<String, Value>,
}

/// Notices by occasion.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Callbacks {
    /// After it succeeded.
    pub on_success: Vec<Callback>,
    /// After it failed for good.
    pub on_failure: Vec<Callback>,
    /// After a try that will be repeated.
    pub on_retry: Vec<Callback>,
    /// When an attempt starts.
    pub on_execute: Vec<Callback>,
    /// After a task said by itself that it is skipped.
    pub on_skipped: Vec<Callback>,
}

/// By when a run must have ended, and who is told when it has not (Airflow: `DeadlineAlert`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deadline {
    /// Its name, unique in its DAG.
    pub name: String,
    /// From when it counts.
    pub reference: DeadlineReference,
    /// So many seconds later; negative is before.
    pub interval_secs: f64,
    /// The notices.
    pub callbacks: Vec<Callback>,
}

/// From when a deadline counts (Airflow: `DeadlineReference`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineReference {
    /// From when the run was made.
    QueuedAt,
    /// From its logical date, else from `run_after`.
    LogicalDate,
    /// From an instant, the same for all runs.
    Fixed(Timestamp),
}

/// One notice: what sends it, and its unrendered settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Callback {
    /// `log`, `webhook`, `email` or `command`.
    pub kind: String,
    /// Its settings; texts are templates.
    pub config: Map<String, Value>,
}
