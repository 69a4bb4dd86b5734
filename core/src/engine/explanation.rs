//! The whole answer to "why has it not run?": its state, since when, the reasons, what to do.
//!
//! Owns what a person is told, once for all who ask: the command line, the REST API and the
//! dashboard. The reasons are the engine's own (`explain`); of what has ended the row tells. Must
//! not look at a database; what a shell has seen there is in [`Surroundings`].

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::Engine;
use super::deadline::explain_deadlines;
use super::explain::{Reason, Workers};
use crate::record::{RunRow, TiRow};
use crate::state::{RunState, TaskState};
use crate::time::rest;

/// A worker that was not seen for so long serves nothing. It is noted every 30 s.
const WORKER_SEEN: SignedDuration = SignedDuration::from_secs(90);

/// A worker as it was last seen.
#[derive(Debug, Clone, Copy)]
pub struct SeenWorker<'a> {
    /// The queues that it serves.
    pub queues: &'a [String],
    /// How many attempts it runs at once.
    pub slots: u32,
    /// How many it ran.
    pub running: u32,
    /// When that was.
    pub last_seen_at: Timestamp,
}

impl Workers {
    /// Counts the workers that serve a queue and were seen lately.
    pub fn serving<'a>(
        queue: &str,
        now: Timestamp,
        workers: impl IntoIterator<Item = SeenWorker<'a>>,
    ) -> Self {
        let mut found = Self { serving: 0, free_slots: 0 };
        for worker in workers {
            let is_seen = now.duration_since(worker.last_seen_at) < WORKER_SEEN;
            if is_seen && worker.queues.iter().any(|served| served == queue) {
                found.serving += 1;
                found.free_slots += worker.slots.saturating_sub(worker.running);
            }
        }
        found
    }
}

/// What a shell knows beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// An engine made from the database; none is needed for what has ended, see
    /// [`Explanation::needs_engine`].
    pub engine: Option<&'a Engine>,
    /// The workers of the task's queue.
    pub workers: Workers,
    /// Whether a scheduler leads.
    pub is_led: bool,
    /// Now.
    pub now: Timestamp,
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The state of the task instance or the run.
    pub state: &'static str,
    /// Since when it is in it, as far as the rows say.
    pub since: Option<Timestamp>,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Explanation {
    /// Whether the engine must be asked: of what has ended the rows say all.
    pub fn needs_engine(run: &RunRow, ti: Option<&TiRow>) -> bool {
        !run.state.is_terminal() && ti.is_none_or(|ti| !ti.state.is_terminal())
    }

    /// Why a task instance is in its state.
    pub fn of_ti(run: &RunRow, ti: &TiRow, around: &Surroundings<'_>) -> Self {
        let asked = around.engine.filter(|_| Self::needs_engine(run, Some(ti)));
        // It may have ended between two looks at the database.
        let found = asked.and_then(|engine| engine.explain(ti.id, around.workers, around.now));
        let mut reasons = found.unwrap_or_else(|| vec![of_ended(run, ti)]);
        let is_planned = !matches!(ti.state, TaskState::Running) && !ti.state.is_terminal();
        if is_planned && !run.state.is_terminal() {
            reasons.splice(0..0, unled(around));
        }
        let subject = Subject { run, ti: Some(ti) };
        for reason in &mut reasons {
            reason.help = subject.advice(reason);
        }
        Self { state: ti.state.as_str(), since: since(run, ti), reasons }
    }

    /// Why a run is in its state.
    pub fn of_run(run: &RunRow, around: &Surroundings<'_>) -> Self {
        let asked = around.engine.filter(|_| Self::needs_engine(run, None));
        let found = asked.and_then(|engine| engine.explain_run(run.id, around.now));
        let mut reasons = found.unwrap_or_else(|| {
            let state = run.state;
            let text = run.reason.clone().unwrap_or_else(|| format!("the run is {state}"));
            let mut said = vec![Reason::new(state.as_str(), text, json!({ "state": state }))];
            said.extend(explain_deadlines(run, around.now));
            said
        });
        if !run.state.is_terminal() {
            reasons.splice(0..0, unled(around));
        }
        let subject = Subject { run, ti: None };
        for reason in &mut reasons {
            reason.help = subject.advice(reason);
        }
        let since = match run.state {
            RunState::Queued => Some(run.queued_at),
            RunState::Running => run.start_date,
            RunState::Success | RunState::Failed => run.end_date,
        };
        Self { state: run.state.as_str(), since, reasons }
    }

    /// The same as text; `what` names it: `task load`.
    pub fn text(&self, what: &str, now: Timestamp) -> String {
        let state = match self.state {
            "no_status" => "not scheduled yet".to_owned(),
            state => state.replace('_', " "),
        };
        let since = self.since.map(|at| {
            let secs = now.duration_since(at).as_secs().max(0);
            format!(", since {} ({})", rest(at), length(secs))
        });
        let mut text = format!("{what} is {state}{}", since.unwrap_or_default());
        for reason in &self.reasons {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  - {}", reason.text);
            if let Some(help) = &reason.help {
                let _ = write!(text, "\n      {help}");
            }
        }
        text
    }
}

/// Since when a task instance is in its state.
fn since(run: &RunRow, ti: &TiRow) -> Option<Timestamp> {
    let waiting = || ti.wait.as_ref().map(|wait| wait.since);
    match ti.state {
        // Airflow has no date for it; it has waited since its run began.
        TaskState::NoStatus => run.start_date.or(Some(run.queued_at)),
        TaskState::Scheduled => ti.scheduled_at,
        TaskState::Queued => ti.queued_at,
        TaskState::UpForRetry => ti.end_date,
        TaskState::UpForReschedule | TaskState::Deferred | TaskState::AwaitingInput => {
            waiting().or(ti.start_date)
        }
        state if state.is_terminal() => ti.end_date,
        _ => ti.start_date,
    }
}

/// What the row itself says.
fn of_ended(run: &RunRow, ti: &TiRow) -> Reason {
    let text = match (&ti.reason, ti.state) {
        (Some(reason), _) => reason.clone(),
        (None, TaskState::NoStatus) if run.state.is_terminal() => {
            "its run ended before it was reached".to_owned()
        }
        (None, state) => format!("it is {state}"),
    };
    let operands = json!({ "state": ti.state, "exit_code": ti.exit_code });
    Reason::new(ti.state.as_str(), text, operands)
}

fn unled(around: &Surroundings<'_>) -> Option<Reason> {
    let text = "no scheduler is at work: nothing is planned, and nothing is handed out";
    (!around.is_led).then(|| Reason::new("no_scheduler", text, json!({})))
}

/// `3 d 4 h`, `2 min`: two units at most.
fn length(secs: i64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Of whom it is asked.
struct Subject<'a> {
    run: &'a RunRow,
    ti: Option<&'a TiRow>,
}

impl Subject<'_> {
    /// The command for a task of the run: `millrace logs DAG RUN TASK`.
    fn command(&self, word: &str, task: &str, map_index: i32) -> String {
        let (dag, run) = (&self.run.dag_id, &self.run.run_id);
        let item = if map_index >= 0 { format!(" --map-index {map_index}") } else { String::new() };
        format!("`millrace {word} {dag} {run} {task}{item}`")
    }

    fn own(&self, word: &str) -> Option<String> {
        let ti = self.ti?;
        Some(self.command(word, ti.task_id.as_str(), ti.map_index))
    }

    fn clear(&self, more: &str) -> Option<String> {
        let (dag, run) = (&self.run.dag_id, &self.run.run_id);
        let ti = self.ti?;
        let item = if ti.map_index >= 0 { format!("[{}]", ti.map_index) } else { String::new() };
        Some(format!("`millrace clear {dag} {run} --task '{}{item}'{more}`", ti.task_id))
    }

    /// What to do about a reason; nothing where it passes by itself.
    fn advice(&self, reason: &Reason) -> Option<String> {
        let operand = |name: &str| reason.operands.get(name).map(shown).unwrap_or_default();
        let text = match reason.code {
            "no_scheduler" => "start `millrace scheduler`, or `millrace standalone`".to_owned(),
            "dag_paused" => format!("`millrace unpause {}` lets it go on", self.run.dag_id),
            "max_active_runs" => {
                "it starts when one of them ends; more at once with `max_active_runs` of the DAG"
                    .to_owned()
            }
            "max_active_tasks" | "max_active_tis_per_dag" | "max_active_tis_per_dagrun" => {
                format!("it starts when one of them ends; more at once with `{}`", reason.code)
            }
            "pool_missing" => format!("`millrace pools set {} SLOTS` makes it", operand("pool")),
            "pool_full" | "pool_too_small" => {
                format!("`millrace pools set {} SLOTS` makes it wider", operand("pool"))
            }
            "priority" => "a higher `priority_weight` goes first".to_owned(),
            "no_worker" => format!("start `millrace worker --queues {}`", operand("queue")),
            "workers_busy" => {
                "it starts when an attempt ends; more at once with another worker, or its `--slots`"
                    .to_owned()
            }
            "approval" => format!("{} or {}", self.own("approve")?, self.own("reject")?),
            "running" => format!("{} shows what it does", self.own("logs")?),
            "upstream" | "decision" | "setup" | "scope" => {
                let index = reason.operands.get("map_index").and_then(Value::as_i64);
                let index = index.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1);
                format!("{} says why", self.command("explain", &operand("task_id"), index))
            }
            "depends_on_past" => {
                "clear or mark that task in the previous run, or leave out `depends_on_past`"
                    .to_owned()
            }
            "failed" if self.ti.is_some() => {
                format!("{} has the log; {} runs it again", self.own("logs")?, self.clear("")?)
            }
            "failed" => format!(
                "`millrace tasks {} {}` shows which task; `millrace clear … --only-failed` runs it again",
                self.run.dag_id, self.run.run_id
            ),
            "upstream_failed" => format!(
                "mend what failed, then `millrace clear {} {} --only-failed`",
                self.run.dag_id, self.run.run_id
            ),
            _ => return None,
        };
        Some(text)
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_count_while_they_are_seen() {
        let now: Timestamp = "2025-01-01T00:10:00Z".parse().expect("an instant");
        let queues = ["gpu".to_owned()];
        let seen = |at: &str, running| SeenWorker {
            queues: &queues,
            slots: 4,
            running,
            last_seen_at: at.parse().expect("an instant"),
        };
        let all = [seen("2025-01-01T00:09:50Z", 3), seen("2025-01-01T00:08:00Z", 0)];
        let check = |queue: &str, serving, free_slots| {
            assert_eq!(Workers::serving(queue, now, all), Workers { serving, free_slots });
        };
        check("gpu", 1, 1);
        check("default", 0, 0);
    }

    #[test]
    fn lengths_have_two_units() {
        let check = |secs, expected: &str| assert_eq!(length(secs), expected);
        check(0, "0 s");
        check(59, "59 s");
        check(61, "1 min");
        check(3_720, "1 h 2 min");
        check(273_600, "3 d 4 h");
    }
}
