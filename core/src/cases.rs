//! The tests in a DAG file: `cases:`, played on the real engine with a clock of their own.
//!
//! Owns what a case is (read by `dagfile`), how one is played (`play`, `script`), what it wanted
//! (`verdict`), and the walk over all outcomes that finds tasks which can never run (`walk`). No
//! worker, no database, no clock: what a task gives is in its stub.

mod factor;
mod lookup;
mod play;
mod script;
mod verdict;
mod walk;
mod why;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::asset::AssetRef;
use crate::connection::Connection;
use crate::dagfile::Place;
use crate::ids::TaskId;
use crate::state::{RunState, TaskState};

pub use verdict::{Verdict, run_case};
pub use walk::{Finding, FindingKind, Walk, walk};

/// One test of a DAG.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about, for people; unique within its DAG.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The logical date; the DAG's start date, else 2025-01-01, when absent.
    pub date: Option<Timestamp>,
    /// What the run is given.
    pub conf: Map<String, Value>,
    /// Variables by key; any other is unknown to the case.
    pub variables: BTreeMap<String, String>,
    /// Connections by id; any other is unknown to the case.
    pub connections: BTreeMap<String, Connection>,
    /// The events that start the run, by asset; then it is one that assets started.
    pub assets: Vec<(AssetRef, Map<String, Value>)>,
    /// What tasks give, or single items of mapped ones; any other task succeeds and gives nothing.
    pub stubs: BTreeMap<Target, Stub>,
    /// What must come of it.
    pub expect: Expect,
}

/// A task, or one item of a mapped one: `train`, `train[2]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The task.
    pub task_id: TaskId,
    /// The item; the task as a whole when absent.
    pub map_index: Option<u32>,
}

impl Target {
    /// A task as a whole.
    pub fn whole(task_id: TaskId) -> Self {
        Self { task_id, map_index: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.map_index {
            Some(index) => write!(f, "{}[{index}]", self.task_id),
            None => write!(f, "{}", self.task_id),
        }
    }
}

/// What a task gives instead of running.
#[derive(Debug, Clone, Default)]
pub struct Stub {
    /// By try; the last counts for all later ones. Never empty.
    pub tries: Vec<Try>,
}

impl Stub {
    /// What it gives in a try, counted from 1.
    pub fn of_try(&self, number: u32) -> Option<&Try> {
        let index = (number.max(1) as usize - 1).min(self.tries.len().checked_sub(1)?);
        self.tries.get(index)
    }
}

/// What a task gives in one try.
#[derive(Debug, Clone, Default)]
pub struct Try {
    /// How it ends; success when absent.
    pub state: Option<Ending>,
    /// The exit code of its command, which then says how it ends.
    pub exit_code: Option<i32>,
    /// Its XComs by key; `return_value` is its result.
    pub xcoms: Map<String, Value>,
    /// Its metrics.
    pub metrics: Map<String, Value>,
    /// What a branch chooses, instead of what its `choose` says.
    pub choice: Option<Vec<String>>,
    /// Whether a short circuit goes on, instead of what its `condition` says.
    pub go_on: Option<bool>,
}

/// How a stubbed try ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Success,
    /// Badly; tried again while its retries last.
    Failed,
    /// It says that it is to be skipped.
    Skipped,
}

/// What must come of a case. Each has its place for the message.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// The state of tasks, or of single items.
    pub tasks: Vec<(Target, Wanted, Place)>,
    /// How many items mapped tasks have.
    pub counts: Vec<(TaskId, u32, Place)>,
    /// The state of the run.
    pub run: Option<(RunState, Place)>,
    /// Rendered texts: task, key, value.
    pub rendered: Vec<(Target, String, Value, Place)>,
    /// Results of tasks.
    pub xcoms: Vec<(Target, Value, Place)>,
}

/// The state that a task must end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    State(TaskState),
    /// Any that means that it did not run: skipped, upstream_failed, or none.
    NotRun,
}

impl Wanted {
    /// The word in `expect:`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State(state) => state.as_str(),
            Self::NotRun => "not_run",
        }
    }

    /// Whether a state is what is wanted.
    pub const fn holds(self, state: TaskState) -> bool {
        match self {
            Self::State(wanted) => wanted as u8 == state as u8,
            Self::NotRun => matches!(
                state,
                TaskState::Skipped
                    | TaskState::UpstreamFailed
                    | TaskState::NoStatus
                    | TaskState::Removed
            ),
        }
    }
}
