//! What task instances wait for without a slot: plain data, and the two rules that read it.
//!
//! [`judge`] says what the state of another DAG's run means for who waits for it, [`Terms`] when a
//! sensor looks again and gives up; decisions and `explain` use the same. Who looks when is decided
//! in `engine::wait`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{DagId, RunId, TaskId};
use crate::retry::{Salt, hash_modulo};
use crate::state::{RunState, TaskState};

/// What a task instance waits for, or waited for last; a column of its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// When the waiting began. A sensor's timeout counts from here, also over its retries (Airflow:
    /// from the first poke).
    pub since: Timestamp,
    /// The hand-out under which this try is recorded: one attempt row and one log for all its
    /// pokes. 0 when this try has not waited yet.
    #[serde(default)]
    pub epoch: u32,
    /// Pokes of this try that found nothing.
    #[serde(default)]
    pub pokes: u32,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// What the engine itself looks at; absent for sensors that a worker pokes.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// What a person answered.
    #[serde(default)]
    pub reply: Option<Reply>,
}

/// Something that the engine can see without any process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    /// An instant has come.
    Time {
        /// Which.
        at: Timestamp,
    },
    /// A run of a DAG, or tasks of it, are in wanted states.
    Elsewhere(Elsewhere),
    /// An asset has had an event.
    Asset(AssetWait),
    /// A person answered.
    Answer(Question),
}

/// An event of an asset that is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetWait {
    /// The asset's name or URI.
    pub asset: String,
    /// Events before this instant do not count.
    pub after: Timestamp,
}

/// A run by its date or its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichRun {
    /// The run of a logical date.
    Date(Timestamp),
    /// The run of a name.
    Id(RunId),
}

impl std::fmt::Display for WhichRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Date(at) => write!(f, "of {}", crate::time::isoformat(*at)),
            Self::Id(run_id) => write!(f, "\"{run_id}\""),
        }
    }
}

/// Wanted states of another run (Airflow: `ExternalTaskSensor`, `TriggerDagRunOperator`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The DAG.
    pub dag_id: DagId,
    /// The run.
    pub run: WhichRun,
    /// Its tasks; when there are none here and no group, the run itself.
    #[serde(default)]
    pub task_ids: Vec<TaskId>,
    /// A group of its tasks, by the prefix of their names.
    #[serde(default)]
    pub group: Option<String>,
    /// All in one of these: it is met.
    pub allowed: Vec<TaskState>,
    /// One in one of these: it fails.
    #[serde(default)]
    pub failed: Vec<TaskState>,
    /// One in one of these: it is skipped.
    #[serde(default)]
    pub skipped: Vec<TaskState>,
    /// Whether a DAG or a task that does not exist is a failure.
    #[serde(default)]
    pub check_existence: bool,
}

impl Elsewhere {
    /// Whether it looks at tasks, not at the run.
    pub fn is_of_tasks(&self) -> bool {
        !self.task_ids.is_empty() || self.group.is_some()
    }

    /// Whether it looks at a task.
    pub fn covers(&self, task_id: &TaskId) -> bool {
        let in_group = |group: &String| {
            task_id.as_str().strip_prefix(group.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        self.task_ids.contains(task_id) || self.group.as_ref().is_some_and(in_group)
    }

    /// What it looks at, for people: `task "a" of dag "x"`.
    pub fn subject(&self) -> String {
        let run = format!("the run {} of dag \"{}\"", self.run, self.dag_id);
        if let Some(group) = &self.group {
            return format!("task group \"{group}\" in {run}");
        }
        let names: Vec<String> = self.task_ids.iter().map(|id| format!("\"{id}\"")).collect();
        match names.len() {
            0 => run,
            _ => format!("{} in {run}", names.join(", ")),
        }
    }
}

/// A run as far as somebody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The run's state.
    pub state: RunState,
    /// Its task instances, with every item of mapped tasks.
    pub tasks: Vec<(TaskId, TaskState)>,
}

/// What another run means for who waits for it. Each text says what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Waits(String),
    /// It has come.
    Met(String),
    /// It can not come any more, or was said to be a failure.
    Failed(String),
    /// It was said to be a reason to skip.
    Skipped(String),
}

/// What the state of a run means. Without a run: one of a date may still come, one of a name was
/// there once and is gone.
pub fn judge(wanted: &Elsewhere, seen: Option<&Seen>) -> Verdict {
    let Some(seen) = seen else {
        let text = format!("{} does not exist", wanted.subject());
        return match wanted.run {
            WhichRun::Date(_) => Verdict::Waits(format!("{text} yet")),
            WhichRun::Id(_) => Verdict::Failed(format!("{text} any more; it was deleted")),
        };
    };
    let found: Vec<(String, TaskState)> = if wanted.is_of_tasks() {
        let covered = seen.tasks.iter().filter(|(id, _)| wanted.covers(id));
        covered.map(|(id, state)| (format!("\"{id}\" in the run {}", wanted.run), *state)).collect()
    } else {
        let state = TaskState::from_word(seen.state.as_str()).unwrap_or(TaskState::NoStatus);
        vec![(format!("the run {}", wanted.run), state)]
    };
    let first = |states: &[TaskState]| {
        let hit = found.iter().find(|(_, state)| states.contains(state));
        hit.map(|(name, state)| format!("{name} of dag \"{}\" is {state}", wanted.dag_id))
    };
    if let Some(text) = first(&wanted.failed) {
        return Verdict::Failed(text);
    }
    if let Some(text) = first(&wanted.skipped) {
        return Verdict::Skipped(text);
    }
    let missing =
        wanted.task_ids.iter().find(|id| !seen.tasks.iter().any(|(known, _)| known == *id));
    if let Some(task_id) = missing.filter(|_| wanted.is_of_tasks()) {
        let text = format!(
            "the run {} of dag \"{}\" has no task \"{task_id}\"",
            wanted.run, wanted.dag_id
        );
        return Verdict::Waits(text);
    }
    match found.iter().find(|(_, state)| !wanted.allowed.contains(state)) {
        Some((name, state)) => {
            Verdict::Waits(format!("{name} of dag \"{}\" is {state}", wanted.dag_id))
        }
        None if found.is_empty() => {
            Verdict::Waits(format!("{} has no task instances", wanted.subject()))
        }
        None => Verdict::Met(format!("{} is {}", wanted.subject(), found[0].1)),
    }
}

/// What a person is asked (Airflow: `HITLDetail`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Question {
    /// One line.
    pub subject: String,
    /// More about it, Markdown.
    pub body: Option<String>,
    /// What can be answered.
    pub options: Vec<String>,
    /// What counts when the time is over.
    pub defaults: Vec<String>,
    /// Whether more than one option may be chosen.
    pub multiple: bool,
    /// A form: values by name, each a default or a JSON Schema with one.
    pub params: Map<String, Value>,
    /// Who may answer; everybody who may act on runs when empty.
    pub assigned_users: Vec<String>,
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The chosen options.
    pub chosen_options: Vec<String>,
    /// What the form was filled with.
    #[serde(default)]
    pub params_input: Map<String, Value>,
    /// Who; nobody when the time was over.
    #[serde(default)]
    pub responded_by: Option<String>,
    /// When.
    pub responded_at: Timestamp,
}

/// When a sensor looks again, and when it gives up.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Seconds between two pokes (Airflow: 60).
    pub poke_interval_secs: f64,
    /// Seconds from the first poke until it gives up (Airflow: 7 days).
    pub timeout_secs: f64,
    /// Whether it is skipped instead of failed when the time is over.
    pub soft_fail: bool,
    /// Whether it is skipped when a poke fails.
    pub never_fail: bool,
    /// Whether a poke that fails counts as one that found nothing.
    pub silent_fail: bool,
    /// Whether the interval doubles from poke to poke.
    pub exponential_backoff: bool,
    /// The longest interval under backoff, in seconds.
    pub max_wait_secs: Option<f64>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            poke_interval_secs: 60.0,
            timeout_secs: 604_800.0,
            soft_fail: false,
            never_fail: false,
            silent_fail: false,
            exponential_backoff: false,
            max_wait_secs: None,
        }
    }
}

impl Terms {
    /// Seconds from poke number `poke` (from 1) to the next (Airflow: `_get_next_poke_interval`;
    /// its jitter is a hash too, here of the dag, the task, the date and the number of the poke).
    pub fn interval_secs(&self, salt: &Salt<'_>, poke: u32) -> f64 {
        if !self.exponential_backoff {
            return self.poke_interval_secs;
        }
        let exponent = i32::try_from(poke).unwrap_or(i32::MAX).saturating_sub(2);
        let shortest = (self.poke_interval_secs * 2_f64.powi(exponent)).floor().max(1.0);
        let most = self.max_wait_secs.unwrap_or(f64::INFINITY).min(self.timeout_secs);
        if shortest >= most {
            return most;
        }
        // Below `most`, which is a span of seconds that fits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1..=10^10")]
        let whole = shortest.min(1e10) as u64;
        let jitter = hash_modulo(salt, poke, whole);
        #[expect(clippy::cast_precision_loss, reason = "at most 2 * 10^10")]
        let secs = (whole + jitter) as f64;
        secs.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(tasks: &[&str], failed: &[TaskState]) -> Elsewhere {
        Elsewhere {
            dag_id: DagId::new("up").expect("an id"),
            run: WhichRun::Date("2025-01-01T00:00:00Z".parse().expect("an instant")),
            task_ids: tasks.iter().map(|id| TaskId::new(*id).expect("an id")).collect(),
            group: None,
            allowed: vec![TaskState::Success],
            failed: failed.to_vec(),
            skipped: vec![TaskState::Skipped],
            check_existence: false,
        }
    }

    fn seen(state: RunState, tasks: &[(&str, TaskState)]) -> Seen {
        let tasks = tasks.iter().map(|(id, state)| (TaskId::new(*id).expect("an id"), *state));
        Seen { state, tasks: tasks.collect() }
    }

    #[test]
    fn what_another_run_means() {
        use TaskState as S;
        let check = |wanted: &Elsewhere, seen: Option<&Seen>, expected: &str| {
            let text = match judge(wanted, seen) {
                Verdict::Waits(text) => format!("waits: {text}"),
                Verdict::Met(text) => format!("met: {text}"),
                Verdict::Failed(text) => format!("failed: {text}"),
                Verdict::Skipped(text) => format!("skipped: {text}"),
            };
            let text = text.replace(" of 2025-01-01T00:00:00+00:00", "");
            assert_eq!(text, expected);
        };
        let run = wanted(&[], &[S::Failed]);
        check(&run, None, "waits: the run of dag \"up\" does not exist yet");
        let of_state = |state| seen(state, &[]);
        let running = of_state(RunState::Running);
        check(&run, Some(&running), "waits: the run of dag \"up\" is running");
        let success = of_state(RunState::Success);
        check(&run, Some(&success), "met: the run of dag \"up\" is success");
        let failed = of_state(RunState::Failed);
        check(&run, Some(&failed), "failed: the run of dag \"up\" is failed");
        let tasks = wanted(&["a", "b"], &[S::Failed]);
        let of = |a, b| seen(RunState::Running, &[("a", a), ("b", b), ("c", S::Failed)]);
        check(
            &tasks,
            Some(&of(S::Success, S::Running)),
            "waits: \"b\" in the run of dag \"up\" is running",
        );
        check(
            &tasks,
            Some(&of(S::Failed, S::Running)),
            "failed: \"a\" in the run of dag \"up\" is failed",
        );
        check(
            &tasks,
            Some(&of(S::Success, S::Skipped)),
            "skipped: \"b\" in the run of dag \"up\" is skipped",
        );
        check(
            &tasks,
            Some(&of(S::Success, S::Success)),
            "met: \"a\", \"b\" in the run of dag \"up\" is success",
        );
        let none = seen(RunState::Success, &[("a", S::Success)]);
        check(&tasks, Some(&none), "waits: the run of dag \"up\" has no task \"b\"");
        let group = Elsewhere { group: Some("g".to_owned()), ..wanted(&[], &[]) };
        let members = seen(RunState::Running, &[("g.x", S::Success), ("gx", S::Failed)]);
        check(&group, Some(&members), "met: task group \"g\" in the run of dag \"up\" is success");
        let gone = Elsewhere { run: WhichRun::Id(RunId::new("r").expect("an id")), ..run };
        check(
            &gone,
            None,
            "failed: the run \"r\" of dag \"up\" does not exist any more; it was deleted",
        );
    }

    #[test]
    fn intervals_grow_and_stay_below_their_limits() {
        let salt = Salt { dag_id: "d", task_id: "t", logical_date: None };
        let plain = Terms { poke_interval_secs: 5.0, ..Terms::default() };
        assert!((plain.interval_secs(&salt, 9) - 5.0).abs() < f64::EPSILON);
        let backoff =
            Terms { exponential_backoff: true, max_wait_secs: Some(600.0), ..Terms::default() };
        for poke in 1..40 {
            let secs = backoff.interval_secs(&salt, poke);
            let least = (60.0 * 2_f64.powi(i32::try_from(poke).unwrap() - 2)).floor().min(600.0);
            assert!(secs >= least && secs <= (2.0 * least).min(600.0), "poke {poke}: {secs}");
        }
        let short = Terms { max_wait_secs: None, timeout_secs: 100.0, ..backoff };
        assert!((short.interval_secs(&salt, u32::MAX) - 100.0).abs() < f64::EPSILON);
    }
}
