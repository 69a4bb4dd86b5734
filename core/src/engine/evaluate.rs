//! Looks at the trigger rule of one task instance and does what it says.
//!
//! Where the order in which tasks end could matter, the order of the ideal schedule counts (see
//! `ideal`), and the task instance waits until that is certain: so the states at the end of a run
//! do not depend on the order in which tasks really end.

use super::Engine;
use super::ideal::{Ideal, is_against, trigger};
use super::layout::Decision;
use super::run::Run;
use super::step::Step;
use super::transition::TaskEvent;
use crate::record::RunKey;
use crate::state::{RunState, TaskState, TriggerRule};
use crate::trigger_rule::{Situation, Verdict, evaluate};

/// What is to become of a task instance that has no status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It waits for others.
    Waits,
    /// Its rule holds.
    Runs,
    /// It is skipped, and why.
    Skipped(String),
    /// An upstream failed.
    UpstreamFailed,
    /// It has no part in this run, and why.
    Removed(String),
}

impl Engine {
    /// Looks at one task instance; nothing happens unless it has no status and its run is running.
    pub(super) fn evaluate(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.cell.state() != RunState::Running || run.ti(slot).state() != TaskState::NoStatus {
            return;
        }
        let outlook = outlook(run, slot);
        if self.held_by_past(run, slot, &outlook).is_some() {
            if let Some(run) = self.runs.get_mut(&key) {
                run.waiting_for_past.insert(slot);
                step.check.insert(key);
            }
            return;
        }
        match outlook {
            Outlook::Waits => {
                let is_unsettled = run.ti(slot).up.done() > 0;
                if let Some(run) = self.runs.get_mut(&key).filter(|_| is_unsettled) {
                    run.unsettled.insert(slot);
                }
            }
            Outlook::Runs => {
                if let Some(run) = self.runs.get_mut(&key) {
                    run.waiting_for_past.remove(&slot);
                }
                self.schedule(step, key, slot, TaskEvent::RuleMet);
            }
            Outlook::Skipped(reason) => {
                let now = step.now;
                self.apply(step, key, slot, TaskEvent::Skipped, |row| {
                    row.end_date = Some(now);
                    row.reason = Some(reason);
                });
            }
            Outlook::UpstreamFailed => {
                let reason = failed_upstream(run, slot);
                let now = step.now;
                self.apply(step, key, slot, TaskEvent::UpstreamFailed, |row| {
                    row.end_date = Some(now);
                    row.reason = reason;
                });
            }
            Outlook::Removed(reason) => {
                self.apply(step, key, slot, TaskEvent::Removed, |row| row.reason = Some(reason));
            }
        }
    }

    /// Starts a new try: it waits for its limits from now on.
    pub(super) fn schedule(&mut self, step: &mut Step, key: RunKey, slot: u32, event: TaskEvent) {
        let now = step.now;
        self.apply(step, key, slot, event, |row| {
            row.try_number += 1;
            row.infra_tries = 0;
            row.scheduled_at = Some(now);
            row.queued_at = None;
            row.start_date = None;
            row.end_date = None;
            row.retry_at = None;
            row.worker = None;
            row.exit_code = None;
            row.reason = None;
            super::wait::begin_try(row);
        });
    }
}

/// What is to become of the instance of a slot, which has no status.
pub(super) fn outlook(run: &Run, slot: u32) -> Outlook {
    let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Outlook::Waits };
    let ti = run.ti(slot);
    if let Some(reason) = run.outside_dates(task) {
        return Outlook::Removed(reason);
    }
    if task.trigger_rule == TriggerRule::Always {
        // It begins with the run: no decision comes before it.
        return Outlook::Runs;
    }
    if ti.scope_open > 0 {
        return Outlook::Waits;
    }
    let against: Vec<u32> =
        node.deciders.iter().copied().filter(|&by| is_against(run, by, slot)).collect();
    match verdict(run, slot) {
        Verdict::Skipped if against.is_empty() => {
            Outlook::Skipped(format!("trigger rule {}", task.trigger_rule))
        }
        Verdict::Skipped => skipped_by(run, against[0]),
        // Airflow: a decision also skips what had become upstream_failed.
        Verdict::UpstreamFailed | Verdict::Removed if ti.deciders_open > 0 => Outlook::Waits,
        Verdict::UpstreamFailed | Verdict::Removed if !against.is_empty() => {
            skipped_by(run, against[0])
        }
        Verdict::UpstreamFailed => Outlook::UpstreamFailed,
        Verdict::Removed => Outlook::Removed("its mapped item no longer exists".to_owned()),
        Verdict::Run if against.is_empty() && ti.deciders_open == 0 => Outlook::Runs,
        Verdict::Wait if against.is_empty() => Outlook::Waits,
        verdict => decided_in_time(run, slot, verdict == Verdict::Run, &against),
    }
}

/// Whether a decision against a task instance comes before the task instance starts.
fn decided_in_time(run: &Run, slot: u32, rule_holds: bool, against: &[u32]) -> Outlook {
    let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Outlook::Waits };
    let waits_for_all = trigger(task.trigger_rule).is_none();
    if let Some(&by) = against.iter().find(|by| waits_for_all && node.upstream.contains(by)) {
        // It cannot have started before its own upstream ended.
        return skipped_by(run, by);
    }
    let ideal = Ideal::of(run);
    let start = ideal.start(slot);
    if let Some(&by) = against.iter().find(|&&by| ideal.end(by).latest <= start.earliest) {
        return skipped_by(run, by);
    }
    let too_late = against.iter().all(|&by| ideal.end(by).earliest > start.latest);
    let open = node.deciders.iter().filter(|&&by| !run.ti(by).state().is_terminal());
    let none_can_come = open.map(|&by| ideal.earliest_decision(by)).all(|at| at > start.latest);
    if rule_holds && too_late && none_can_come { Outlook::Runs } else { Outlook::Waits }
}

/// What a rule says; [`Verdict::Wait`] where something unfinished could have come first.
fn verdict(run: &Run, slot: u32) -> Verdict {
    let Some(task) = run.task(slot) else { return Verdict::Wait };
    let ti = run.ti(slot);
    let situation = Situation {
        rule: task.trigger_rule,
        upstream: &ti.up,
        setups: &ti.setups,
        map_index: ti.row().map_index,
    };
    match evaluate(&situation) {
        now @ (Verdict::Run | Verdict::Wait) => now,
        now if !situation.depends_on_order() => now,
        _ => Ideal::of(run).replayed(slot).map_or(Verdict::Wait, |(verdict, _)| verdict),
    }
}

fn skipped_by(run: &Run, by: u32) -> Outlook {
    let row = run.ti(by).row();
    let text = match run.node(by).and_then(|node| node.decision) {
        Some(Decision::Branch) => format!("branch \"{}\" did not choose it", row.task_id),
        _ => format!("\"{}\" decided not to go on", row.task_id),
    };
    Outlook::Skipped(text)
}

fn failed_upstream(run: &Run, slot: u32) -> Option<String> {
    let node = run.node(slot)?;
    let bad = node.upstream.iter().chain(&node.setups).find_map(|&up| {
        let state = run.ti(up).state();
        let bad = matches!(state, TaskState::Failed | TaskState::UpstreamFailed);
        bad.then(|| (run.ti(up).row().task_id.clone(), state))
    });
    bad.map(|(task_id, state)| format!("upstream \"{task_id}\" is {state}"))
}
