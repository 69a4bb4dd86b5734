//! The life of a dag run: it starts when `max_active_runs` allows, and ends by its leaves, by a
//! timeout, or because nothing in it can go on.

use jiff::Timestamp;

use super::Engine;
use super::line::Gate;
use super::notice::Cause;
use super::past::Past;
use super::run::Run;
use super::step::Step;
use super::transition::{RunEvent, TaskEvent};
use crate::ids::DagId;
use crate::record::RunKey;
use crate::state::{RunState, TaskState};
use crate::timetable::Timetable;

impl Engine {
    /// Starts queued runs of a DAG, oldest first, while its limit allows.
    pub(super) fn start_runs(&mut self, step: &mut Step, dag_id: &DagId) {
        loop {
            let Some(entry) = self.dags.get(dag_id) else { return };
            if entry.row.is_paused || entry.running.len() >= runs_max(entry) {
                return;
            }
            let Some(&(run_after, key)) = entry.queued.first() else { return };
            if run_after > step.now {
                return;
            }
            self.start_run(step, key);
        }
    }

    pub(super) fn start_run(&mut self, step: &mut Step, key: RunKey) {
        let now = step.now;
        self.apply_run(step, key, RunEvent::Started, None, |row| {
            row.start_date = row.start_date.or(Some(now));
            row.reason = None;
        });
        self.open_gate(key, &Gate::Closed);
        if let Some(run) = self.runs.get_mut(&key) {
            run.forget_lengths();
        }
        step.recount.insert(key);
    }

    /// Ends a run if nothing is left to do in it.
    pub(super) fn check_run(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.cell.state() != RunState::Running {
            return;
        }
        if run.unfinished == 0 {
            match failed_leaves(run) {
                None => self.end_run(step, key, Cause::Success, None),
                Some(reason) => self.end_run(step, key, Cause::TaskFailure, Some(reason)),
            }
        } else if run.live == 0 && run.waiting_for_past.is_empty() && !run.asks_lengths() {
            let stuck: Vec<&str> = run
                .tis
                .iter()
                .filter(|ti| ti.state() == TaskState::NoStatus)
                .map(|ti| ti.row().task_id.as_str())
                .take(5)
                .collect();
            let reason = format!(
                "deadlock: nothing runs, and the trigger rules of {} can never hold",
                stuck.join(", ")
            );
            self.end_run(step, key, Cause::Deadlocked, Some(reason));
        }
    }

    fn end_run(&mut self, step: &mut Step, key: RunKey, cause: Cause, reason: Option<String>) {
        let now = step.now;
        let failed = cause != Cause::Success;
        let event = if failed { RunEvent::Failed } else { RunEvent::Succeeded };
        self.apply_run(step, key, event, None, |row| {
            row.end_date = Some(now);
            row.reason = reason;
        });
        step.leaving.insert(key);
        self.notify_run(step, key, cause);
        let Some(run) = self.runs.get(&key) else { return };
        let (dag_id, in_lane) = (run.cell.row().dag_id.clone(), run.in_lane);
        // A backfill has its own limit and says nothing about the schedule.
        if in_lane.is_none() {
            self.count_failures(step, &dag_id, failed);
        }
        step.plan.insert(dag_id);
    }

    /// `max_consecutive_failed_dag_runs`: a DAG that fails too often in a row is paused.
    fn count_failures(&mut self, step: &mut Step, dag_id: &DagId, failed: bool) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let before = entry.row.consecutive_failures;
        entry.row.consecutive_failures = if failed { before + 1 } else { 0 };
        if entry.row.consecutive_failures != before {
            Self::touch_dag(entry, step);
        }
        let most = entry.layout.as_ref().map_or(0, |l| l.dag.max_consecutive_failed_dag_runs);
        if failed && most > 0 && entry.row.consecutive_failures >= most && !entry.row.is_paused {
            let reason = format!(
                "{} dag runs failed in a row (max_consecutive_failed_dag_runs is {most})",
                entry.row.consecutive_failures
            );
            self.set_paused(step, dag_id, true, None, Some(reason));
        }
    }

    /// `dagrun_timeout`: what is unfinished is skipped and the run fails.
    pub(super) fn time_out(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.cell.state() != RunState::Running {
            return;
        }
        let secs = run.layout.dag.dagrun_timeout_secs.unwrap_or_default();
        let reason = format!("the dag run timed out after {secs} s (dagrun_timeout)");
        for slot in run.slots() {
            self.force(step, key, slot, TaskEvent::ForcedSkipped, &reason);
        }
        self.end_run(step, key, Cause::TimedOut, Some(reason));
    }

    /// `fail_fast`: a task failed, so what runs is failed and what waits is skipped; teardowns
    /// still run (Airflow: `_stop_remaining_tasks`).
    pub(super) fn stop_the_rest(&mut self, step: &mut Step, key: RunKey, failed: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let reason = format!("\"{}\" failed and the DAG is fail_fast", run.name(failed));
        for slot in run.slots() {
            let Some(run) = self.runs.get(&key) else { return };
            if run.task(slot).is_none_or(|task| task.is_teardown) {
                continue;
            }
            let runs = matches!(run.ti(slot).state(), TaskState::Running | TaskState::Restarting);
            let event = if runs { TaskEvent::ForcedFailed } else { TaskEvent::ForcedSkipped };
            self.force(step, key, slot, event, &reason);
        }
    }

    /// Ends an unfinished task instance by force; a running attempt is killed.
    pub(super) fn force(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        event: TaskEvent,
        reason: &str,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.ti(slot).state().is_terminal() {
            return;
        }
        let outcome = match event {
            TaskEvent::ForcedSuccess => TaskState::Success,
            TaskEvent::ForcedSkipped => TaskState::Skipped,
            _ => TaskState::Failed,
        };
        self.kill(step, key, slot, Some(outcome), reason);
        let now = step.now;
        self.apply(step, key, slot, event, |row| {
            row.end_date = Some(now);
            row.retry_at = None;
            row.reason = Some(reason.to_owned());
        });
    }

    /// Drops a run that ended from memory.
    pub(super) fn forget(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        let states = run.layout.looks_back.then(|| run.states());
        let slots = run.slots();
        for slot in slots {
            self.leave_line(key, slot);
            if let Some(hold) = self.runs.get(&key).map(|run| super::apply::holds(run, slot)) {
                self.free_slots(key, slot, hold);
            }
        }
        self.leave_dag(key);
        let Some(run) = self.runs.remove(&key) else { return };
        for ti in &run.tis {
            self.tis.remove(&ti.row().id);
        }
        let row = run.cell.row();
        self.names.remove(&(row.dag_id.clone(), row.run_id.clone()));
        self.visitors.remove(&key);
        if let Some(states) = states {
            for other in self.runs.values_mut().filter(|run| run.past == Past::Live(key)) {
                other.past = Past::Ended { previous: Some(key), states: states.clone() };
            }
        }
    }
}

/// The most runs of a DAG at once; a continuous one never overlaps.
pub(super) fn runs_max(entry: &super::DagEntry) -> usize {
    entry.layout.as_ref().map_or(0, |layout| match layout.dag.timetable {
        Timetable::Continuous => 1,
        _ => layout.dag.max_active_runs as usize,
    })
}

/// Why a run failed: its leaves that failed, or nothing if it did not (Airflow: only leaves count).
fn failed_leaves(run: &Run) -> Option<String> {
    let bad: Vec<String> = run
        .slots()
        .filter(|&slot| run.node(slot).is_some_and(|node| node.is_leaf))
        .map(|slot| (slot, run.ti(slot).state()))
        .filter(|(_, state)| matches!(state, TaskState::Failed | TaskState::UpstreamFailed))
        .map(|(slot, state)| format!("\"{}\" is {state}", run.name(slot)))
        .collect();
    let more = bad.len().saturating_sub(3);
    match bad.len() {
        0 => None,
        1..=3 => Some(bad.join(", ")),
        _ => Some(format!("{} and {more} more", bad[..3].join(", "))),
    }
}

/// Seconds from one instant to another, for people.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}
