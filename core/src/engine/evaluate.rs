//! Looks at the trigger rule of one task instance and does what it says.
//!
//! A task instance is not looked at before every decision task that could skip it has ended, and a
//! rule's verdict counts only when no unfinished upstream can turn it: so the states at the end of
//! a run do not depend on the order in which tasks happen to end.

use super::Engine;
use super::layout::Decision;
use super::run::Run;
use super::step::Step;
use super::transition::TaskEvent;
use crate::record::{RunKey, SkipMemory};
use crate::state::{RunState, TaskState};
use crate::trigger_rule::{Situation, Verdict, decide};

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
    /// Its item is gone.
    Removed,
}

impl Engine {
    /// Looks at one task instance; nothing happens unless it has no status and its run is running.
    pub(super) fn evaluate(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.cell.state() != RunState::Running || run.ti(slot).state() != TaskState::NoStatus {
            return;
        }
        match outlook(run, slot) {
            Outlook::Waits => {}
            Outlook::Runs => {
                if self.past_gate(run, slot).is_some() {
                    if let Some(run) = self.runs.get_mut(&key) {
                        run.waiting_for_past.insert(slot);
                        step.check.insert(key);
                    }
                    return;
                }
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
            Outlook::Removed => {
                self.apply(step, key, slot, TaskEvent::Removed, |row| {
                    row.reason = Some("its mapped item no longer exists".to_owned());
                });
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
        });
    }
}

/// What is to become of the instance of a slot, which has no status.
pub(super) fn outlook(run: &Run, slot: u32) -> Outlook {
    let Some(task) = run.task(slot) else { return Outlook::Waits };
    let ti = run.ti(slot);
    if ti.deciders_open > 0 || ti.scope_open > 0 {
        return Outlook::Waits;
    }
    if let Some(reason) = previously_skipped(run, slot) {
        return Outlook::Skipped(reason);
    }
    let situation = Situation {
        rule: task.trigger_rule,
        upstream: &ti.up,
        setups: &ti.setups,
        map_index: ti.row().map_index,
    };
    match decide(&situation) {
        Verdict::Run => Outlook::Runs,
        Verdict::Wait => Outlook::Waits,
        Verdict::Skipped => Outlook::Skipped(format!("trigger rule {}", task.trigger_rule)),
        Verdict::UpstreamFailed => Outlook::UpstreamFailed,
        Verdict::Removed => Outlook::Removed,
    }
}

/// Airflow's `NotPreviouslySkippedDep`: a direct upstream that decided against this task.
fn previously_skipped(run: &Run, slot: u32) -> Option<String> {
    let node = run.node(slot)?;
    let task_id = &run.task(slot)?.task_id;
    node.upstream.iter().find_map(|&up| {
        let decision = run.node(up)?.decision?;
        let row = run.ti(up).row();
        let against = match (row.state, row.skip_memory.as_ref()?) {
            (TaskState::Success, SkipMemory::Followed(ids)) => !ids.contains(task_id),
            (TaskState::Success, SkipMemory::Skipped(ids)) => ids.contains(task_id),
            _ => false,
        };
        against.then(|| decided_against(decision, row.task_id.as_str()))
    })
}

/// Why a decision task skips another.
pub(super) fn decided_against(decision: Decision, task_id: &str) -> String {
    match decision {
        Decision::Branch => format!("branch \"{task_id}\" did not choose it"),
        Decision::CutAll | Decision::CutDirect => format!("\"{task_id}\" stopped here"),
    }
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
