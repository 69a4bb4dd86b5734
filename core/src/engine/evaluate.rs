//! Looks at the trigger rule of one task instance and does what it says.
//!
//! Where the order in which tasks end could matter, the order of the ideal schedule counts (see
//! `ideal`), and the task instance waits until that is certain: so the states at the end of a run
//! do not depend on the order in which tasks really end.

use super::Engine;
use super::ideal::{Ideal, is_against, trigger};
use super::layout::Decision;
use super::mapping::mapped;
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
    /// An upstream failed; why, if it is not the trigger rule.
    UpstreamFailed(Option<String>),
    /// It is to be expanded into so many instances.
    Expands(u32),
    /// It cannot be expanded, and why.
    Fails(String),
    /// Its item is gone.
    Removed,
    /// It has no part in this run, and why.
    Outside(String),
}

impl Engine {
    /// Looks at one task instance, and at all others of its task for which the same holds; nothing
    /// happens unless it has no status and its run is running.
    pub(super) fn evaluate(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        if run.cell.state() != RunState::Running || run.ti(slot).state() != TaskState::NoStatus {
            return;
        }
        let task = run.instances.task_of(slot);
        // Who stands for all is always the same one, also after a restart.
        let slot = match task.filter(|&task| run.stands_for_all(task)) {
            Some(task) => run.undecided(task).next().unwrap_or(slot),
            None => slot,
        };
        let outlook = outlook(run, slot);
        if outlook == Outlook::Waits {
            let is_unsettled = run.counts(slot).up.done() > 0;
            if let Some(run) = self.runs.get_mut(&key).filter(|_| is_unsettled) {
                run.unsettled.insert(slot);
            }
            return;
        }
        let alike: Vec<u32> = match task {
            Some(task) if run.stands_for_all(task) => run
                .instances
                .of(task)
                .iter()
                .copied()
                .filter(|&slot| run.ti(slot).state() == TaskState::NoStatus)
                .collect(),
            _ => vec![slot],
        };
        for slot in alike {
            let Some(run) = self.runs.get(&key) else { return };
            if run.ti(slot).state() != TaskState::NoStatus {
                continue;
            }
            let mut of_item = match &outlook {
                Outlook::Runs => begins(run, slot, self.config.max_map_length),
                same => same.clone(),
            };
            if let Outlook::Expands(count) = of_item {
                if self.expand(step, key, slot, count) {
                    // All its instances are looked at again.
                    return;
                }
                let Some(run) = self.runs.get(&key) else { return };
                of_item = begins(run, slot, self.config.max_map_length);
            }
            self.follow(step, key, slot, of_item);
        }
    }

    /// Does what was found for one instance.
    fn follow(&mut self, step: &mut Step, key: RunKey, slot: u32, outlook: Outlook) {
        let Some(run) = self.runs.get(&key) else { return };
        if self.held_by_past(run, slot, &outlook).is_some() {
            if let Some(run) = self.runs.get_mut(&key) {
                run.waiting_for_past.insert(slot);
                step.check.insert(key);
            }
            return;
        }
        let now = step.now;
        match outlook {
            Outlook::Waits | Outlook::Expands(_) => {}
            Outlook::Fails(reason) => self.fail_unexpanded(step, key, slot, reason),
            Outlook::Runs => {
                if let Some(run) = self.runs.get_mut(&key) {
                    run.waiting_for_past.remove(&slot);
                }
                self.schedule(step, key, slot, TaskEvent::RuleMet);
            }
            Outlook::Skipped(reason) => {
                self.apply(step, key, slot, TaskEvent::Skipped, |row| {
                    row.end_date = Some(now);
                    row.reason = Some(reason);
                });
            }
            Outlook::UpstreamFailed(reason) => {
                let reason = reason.or_else(|| failed_upstream(run, slot));
                self.apply(step, key, slot, TaskEvent::UpstreamFailed, |row| {
                    row.end_date = Some(now);
                    row.reason = reason;
                });
            }
            Outlook::Removed => self.remove(step, key, slot),
            Outlook::Outside(reason) => {
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
        // Its end in the ideal schedule has moved.
        if let Some(run) = self.runs.get_mut(&key) {
            let unsettled = std::mem::take(&mut run.unsettled);
            step.evaluate.extend(unsettled.into_iter().map(|slot| (key, slot)));
        }
    }
}

/// What is to become of the instance of a slot, which has no status.
pub(super) fn outlook(run: &Run, slot: u32) -> Outlook {
    let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Outlook::Waits };
    let counts = run.counts(slot);
    if let Some(reason) = run.outside_dates(task) {
        return Outlook::Outside(reason);
    }
    if task.trigger_rule == TriggerRule::Always {
        // It begins with the run: no decision comes before it.
        return Outlook::Runs;
    }
    if counts.scope_open > 0 {
        return Outlook::Waits;
    }
    let against: Vec<u32> =
        run.related_to(slot, &node.deciders).filter(|&by| is_against(run, by, slot)).collect();
    match verdict(run, slot) {
        Verdict::Skipped if against.is_empty() => {
            Outlook::Skipped(format!("trigger rule {}", task.trigger_rule))
        }
        Verdict::Skipped => skipped_by(run, against[0]),
        // Airflow: a decision also skips what had become upstream_failed.
        Verdict::UpstreamFailed | Verdict::Removed if counts.deciders_open > 0 => Outlook::Waits,
        Verdict::UpstreamFailed | Verdict::Removed if !against.is_empty() => {
            skipped_by(run, against[0])
        }
        Verdict::UpstreamFailed => Outlook::UpstreamFailed(None),
        Verdict::Removed => Outlook::Removed,
        Verdict::Run if against.is_empty() && counts.deciders_open == 0 => Outlook::Runs,
        Verdict::Wait if against.is_empty() => Outlook::Waits,
        verdict => decided_in_time(run, slot, verdict == Verdict::Run, &against),
    }
}

/// What becomes of an instance whose rule holds. What has nothing to be expanded over counts as
/// `upstream_failed`, which a decision also skips, whichever comes first.
fn begins(run: &Run, slot: u32, most: u32) -> Outlook {
    let outlook = mapped(run, slot, most);
    let (Outlook::UpstreamFailed(_), Some(node)) = (&outlook, run.node(slot)) else {
        return outlook;
    };
    let mut deciders = run.related_to(slot, &node.deciders);
    match deciders.find(|&by| is_against(run, by, slot)) {
        Some(by) => skipped_by(run, by),
        None if run.counts(slot).deciders_open > 0 => Outlook::Waits,
        None => outlook,
    }
}

/// Whether a decision against a task instance comes before the task instance starts.
fn decided_in_time(run: &Run, slot: u32, rule_holds: bool, against: &[u32]) -> Outlook {
    let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Outlook::Waits };
    let waits_for_all = trigger(task.trigger_rule).is_none();
    let is_upstream =
        |by: u32| run.instances.task_of(by).is_some_and(|task| node.upstream.contains(&task));
    if let Some(&by) = against.iter().find(|&&by| waits_for_all && is_upstream(by)) {
        // It cannot have started before its own upstream ended.
        return skipped_by(run, by);
    }
    let ideal = Ideal::of(run);
    let start = ideal.start(slot);
    if let Some(&by) = against.iter().find(|&&by| ideal.end(by).latest <= start.earliest) {
        return skipped_by(run, by);
    }
    let too_late = against.iter().all(|&by| ideal.end(by).earliest > start.latest);
    let deciders = run.related_to(slot, &node.deciders);
    let open = deciders.filter(|&by| !run.ti(by).state().is_terminal());
    let none_can_come = open.map(|by| ideal.earliest_decision(by)).all(|at| at > start.latest);
    if rule_holds && too_late && none_can_come { Outlook::Runs } else { Outlook::Waits }
}

/// What a rule says; [`Verdict::Wait`] where something unfinished could have come first.
fn verdict(run: &Run, slot: u32) -> Verdict {
    let Some(task) = run.task(slot) else { return Verdict::Wait };
    let counts = run.counts(slot);
    let situation = Situation {
        rule: task.trigger_rule,
        upstream: &counts.up,
        setups: &counts.setups,
        map_index: run.ti(slot).row().map_index,
    };
    let is_final = counts.up.upstream_failed + counts.setups.failed == 0 || !may_turn(run, slot);
    match evaluate(&situation) {
        // An upstream still to end may give what the item is counted against.
        Verdict::Removed if counts.up.done() < counts.up.total => Verdict::Wait,
        now @ (Verdict::Run | Verdict::Wait) if is_final => now,
        now if is_final && !situation.depends_on_order() => now,
        _ => Ideal::of(run).replayed(slot).map_or(Verdict::Wait, |(verdict, _)| verdict),
    }
}

/// Whether something upstream is `upstream_failed` that a decision to come may yet skip: the
/// decision task alone was cleared.
fn may_turn(run: &Run, slot: u32) -> bool {
    let Some(node) = run.node(slot) else { return false };
    let related = run.related_to(slot, &node.upstream).chain(run.related_to(slot, &node.setups));
    related.into_iter().any(|up| {
        run.ti(up).state() == TaskState::UpstreamFailed && run.counts(up).deciders_open > 0
    })
}

fn skipped_by(run: &Run, by: u32) -> Outlook {
    let name = run.name(by);
    let text = match run.node(by).and_then(|node| node.decision) {
        Some(Decision::Branch) => format!("branch \"{name}\" did not choose it"),
        _ => format!("\"{name}\" decided not to go on"),
    };
    Outlook::Skipped(text)
}

fn failed_upstream(run: &Run, slot: u32) -> Option<String> {
    let node = run.node(slot)?;
    let bad = run.related_to(slot, &node.upstream).chain(run.related_to(slot, &node.setups));
    let mut bad = bad.map(|up| (up, run.ti(up).state()));
    let bad = bad.find(|(_, state)| matches!(state, TaskState::Failed | TaskState::UpstreamFailed));
    bad.map(|(up, state)| format!("upstream \"{}\" is {state}", run.name(up)))
}
