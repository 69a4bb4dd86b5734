//! What follows by itself until nothing more follows: timers, counting, rules, admission, ends.
//!
//! The order of the work lists is fixed, so that the same events give the same effects.

use super::Engine;
use super::step::Step;
use super::transition::TaskEvent;
use crate::ids::DagId;
use crate::record::{RunKey, TiKey};
use crate::state::TaskState;

/// What is due at an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The retry delay of a task instance is over.
    Retry(TiKey),
    /// A task instance looks again, or has waited long enough.
    Wait(TiKey),
    /// A queued run may start.
    Start(RunKey),
    /// A run has run too long.
    TimeOut(RunKey),
    /// A run has not ended by one of its deadlines.
    Deadline(RunKey),
    /// A timetable's next run is due.
    Plan(DagId),
}

impl Engine {
    /// Does what time has made due.
    pub(super) fn fire_timers(&mut self, step: &mut Step) {
        while let Some((at, _)) = self.timers.first()
            && *at <= step.now
        {
            let Some((_, timer)) = self.timers.pop_first() else { return };
            match timer {
                Timer::Retry(ti) => self.retry_is_due(step, ti),
                Timer::Wait(ti) => self.wait_is_due(step, ti),
                Timer::Start(run) => {
                    if let Some(run) = self.runs.get(&run) {
                        step.plan.insert(run.cell.row().dag_id.clone());
                    }
                }
                Timer::TimeOut(run) => self.time_out(step, run),
                Timer::Deadline(run) => self.miss_deadlines(step, run),
                Timer::Plan(dag_id) => {
                    if let Some(entry) = self.dags.get_mut(&dag_id) {
                        entry.timer = None;
                        step.plan.insert(dag_id);
                    }
                }
            }
        }
    }

    fn retry_is_due(&mut self, step: &mut Step, ti: TiKey) {
        let Some(&(run, slot)) = self.tis.get(&ti) else { return };
        let Some(state) = self.runs.get(&run).map(|run| run.ti(slot).state()) else { return };
        match state {
            TaskState::UpForRetry => self.schedule(step, run, slot, TaskEvent::RetryDue),
            // An attempt was lost and is handed out again after a pause.
            TaskState::Scheduled => self.join_group(run, slot),
            _ => {}
        }
    }

    /// Works until nothing follows any more.
    pub(super) fn settle(&mut self, step: &mut Step) {
        loop {
            if let Some(run) = step.recount.pop_first() {
                self.recount(step, run);
            } else if let Some((run, slot)) = step.evaluate.pop_front() {
                self.evaluate(step, run, slot);
            } else if self.admit_next(step) {
                // One admission may make work for the lists above.
            } else if let Some((ti, run)) = step.looks.pop_first() {
                self.look(step, ti, run);
            } else if let Some(run) = step.check.pop_first() {
                self.check_run(step, run);
            } else if let Some(dag_id) = step.plan.pop_first() {
                self.start_runs(step, &dag_id);
                self.plan_runs(step, &dag_id);
                self.fill_lane(step, &dag_id);
                self.start_from_assets(step, &dag_id);
            } else {
                return;
            }
        }
    }

    /// Counts a run again and has every undecided task instance looked at.
    fn recount(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.recount();
        run.waiting_for_past.clear();
        run.unsettled.clear();
        for task in (0..run.layout.nodes.len()).filter_map(|task| u32::try_from(task).ok()) {
            step.evaluate.extend(run.undecided(task).map(|slot| (key, slot)));
        }
        self.review_sources(step, key);
        step.check.insert(key);
    }
}
