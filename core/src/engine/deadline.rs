//! Deadlines: a run that has not ended by an instant is told of (Airflow 3: `DeadlineAlert`).
//!
//! The instants are fixed when the run is made and stand in its row, each with what became of it;
//! so each is told of once, also after a restart or a clear. A deadline changes no state.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Engine;
use super::apply::run_event;
use super::explain::{Reason, until};
use super::notice::{About, Occasion};
use super::settle::Timer;
use super::step::Step;
use crate::dag::{Dag, Deadline, DeadlineReference};
use crate::record::{Change, DeadlineState, RunDeadline, RunKey, RunRow};
use crate::time::{rest, truncate};

/// The deadlines of a new run, in the order of its DAG.
pub(super) fn of_run(dag: &Dag, row: &RunRow) -> Vec<RunDeadline> {
    let of = |deadline: &Deadline| RunDeadline {
        name: deadline.name.clone(),
        at: at(deadline, row),
        state: DeadlineState::Open,
    };
    dag.deadlines.iter().map(of).collect()
}

/// When a run must have ended. A run without a logical date has `run_after` in its place, as its
/// templates have.
fn at(deadline: &Deadline, row: &RunRow) -> Timestamp {
    let from = match deadline.reference {
        DeadlineReference::QueuedAt => row.queued_at,
        DeadlineReference::LogicalDate => row.logical_date.unwrap_or(row.run_after),
        DeadlineReference::Fixed(at) => at,
    };
    let span = SignedDuration::try_from_secs_f64(deadline.interval_secs);
    let at = span.ok().and_then(|span| from.checked_add(span).ok());
    truncate(at.unwrap_or(Timestamp::MAX))
}

/// The deadlines of a run for people: those to come while it is unfinished, and those missed.
pub fn explain_deadlines(row: &RunRow, now: Timestamp) -> Vec<Reason> {
    let of = |deadline: &RunDeadline| {
        let RunDeadline { name, at, state } = deadline;
        match state {
            DeadlineState::Open => {
                Some(until("deadline", &format!("the deadline \"{name}\" is"), Some(*at), now))
            }
            DeadlineState::Missed => {
                let text = format!("it missed the deadline \"{name}\" of {}", rest(*at));
                let operands = json!({ "deadline": name, "at": rest(*at) });
                Some(Reason::new("deadline_missed", text, operands))
            }
            DeadlineState::Met => None,
        }
    };
    row.deadlines.iter().filter_map(of).collect()
}

impl Engine {
    /// Sets the timer of a run's next deadline.
    pub(super) fn await_deadline(&mut self, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let open = run.cell.row().deadlines.iter().filter(|d| d.state == DeadlineState::Open);
        let Some(at) = open.map(|deadline| deadline.at).min() else { return };
        run.deadline_at = Some(at);
        self.timers.insert((at, Timer::Deadline(key)));
    }

    /// Takes the timer back.
    pub(super) fn forget_deadline(&mut self, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        if let Some(at) = run.deadline_at.take() {
            self.timers.remove(&(at, Timer::Deadline(key)));
        }
    }

    /// What has ended in time misses nothing any more, also when it is cleared later.
    pub(super) fn meet_deadlines(&mut self, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.cell.edit(|row| {
            for deadline in row.deadlines.iter_mut().filter(|d| d.state == DeadlineState::Open) {
                deadline.state = DeadlineState::Met;
            }
        });
    }

    /// The deadlines that are due were missed: they are remembered and told of.
    pub(super) fn miss_deadlines(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.deadline_at = None;
        let now = step.now;
        let mut missed = Vec::new();
        run.cell.edit(|row| {
            let due = |deadline: &&mut RunDeadline| {
                deadline.state == DeadlineState::Open && deadline.at <= now
            };
            for deadline in row.deadlines.iter_mut().filter(due) {
                deadline.state = DeadlineState::Missed;
                missed.push((deadline.name.clone(), deadline.at));
            }
        });
        let state = run.cell.state();
        for (name, at) in missed {
            let Some(run) = self.runs.get(&key) else { return };
            let mut event = run_event(step, run.cell.row(), "deadline_missed", None, None);
            event.to = None;
            event.detail = Some(json!({ "deadline": name, "at": rest(at) }));
            step.rest.push(Change::Event(event));
            let reason = format!("the dag run is {state}; it was to end by {}", rest(at));
            self.notify_deadline(step, key, &name, &reason);
        }
        self.touch_run(step, key, state);
        self.await_deadline(key);
    }

    fn notify_deadline(&mut self, step: &mut Step, key: RunKey, name: &str, reason: &str) {
        let Some(run) = self.runs.get(&key) else { return };
        // The DAG of a run that moved to a newer version may have it no more.
        let found = run.layout.dag.deadlines.iter().find(|deadline| deadline.name == name);
        let count = found.map_or(0, |deadline| deadline.callbacks.len());
        let about = About { occasion: Occasion::Deadline, cause: Some(name), reason: Some(reason) };
        self.push_notices(step, key, None, count, &about);
    }
}
