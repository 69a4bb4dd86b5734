//! Clears: selected task instances run again, their tries and logs are kept.
//!
//! [`plan_clear`] says which, for a dry run and for the order itself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Engine;
use super::apply::run_event;
use super::create::assemble;
use super::event::{Clear, RUNS_PER_ORDER_MAX, Refusal};
use super::layout::Layout;
use super::order::{Answer, conflict, invalid, no_run};
use super::run::{Past, Run};
use super::select::{Scope, select};
use super::step::Step;
use super::transition::TaskEvent;
use crate::dag::Dag;
use crate::ids::{DagId, RunId};
use crate::record::{Change, RunKey, TiKey, TiRow};
use crate::state::TaskState;

/// The task instances that a clear would reset in one run, in the order of `rows`. The DAG is that
/// of the version which the run will have: its own, or the newest with `run_on_latest_version`.
///
/// # Errors
/// [`Refusal::NotFound`] for a task that does not exist, [`Refusal::Conflict`] for one that runs
/// and must not be stopped.
pub fn plan_clear(dag: &Dag, rows: &[TiRow], clear: &Clear) -> Result<Vec<TiKey>, Refusal> {
    let mut selected = select(dag, rows, &clear.selection, Scope::WithSetups)?;
    selected
        .retain(|row| row.state != TaskState::Removed || dag.task(row.task_id.as_str()).is_some());
    let runs = |row: &&&TiRow| row.state == TaskState::Running;
    if let Some(row) = selected.iter().find(runs).filter(|_| clear.prevent_running_task) {
        return Err(conflict(format!("task \"{}\" runs; nothing was cleared", row.task_id)));
    }
    Ok(selected.into_iter().map(|row| row.id).collect())
}

/// What came with another version.
pub(super) struct Moved {
    /// Instances that had been removed and have a task again.
    back: Vec<TiKey>,
    /// Whether there are tasks that had no instance.
    has_new: bool,
}

impl Engine {
    /// Clears in every run or, when one of them refuses, in none.
    pub(super) fn clear(&mut self, step: &mut Step, clear: &Clear) -> Answer {
        let newest = match (clear.run_on_latest_version, self.dags.get(&clear.dag_id)) {
            (true, Some(entry)) => Some(entry.layout.clone().ok_or_else(|| {
                conflict(format!("the text of dag \"{}\" cannot be read", clear.dag_id))
            })?),
            _ => None,
        };
        let plan = |run: &Run| {
            let rows: Vec<TiRow> = run.tis.iter().map(|ti| ti.row().clone()).collect();
            plan_clear(&newest.as_ref().unwrap_or(&run.layout).dag, &rows, clear)
        };
        let plans = self.plan_each(&clear.dag_id, &clear.run_id, &clear.more_runs, plan)?;
        let mut answer = Vec::new();
        for (key, planned) in plans {
            self.clear_run(step, key, planned, clear, newest.as_ref(), &mut answer);
        }
        Ok(Value::Array(answer))
    }

    /// What is planned in each of the runs that an order names. A task that only some of them have
    /// is no mistake when there are several.
    pub(super) fn plan_each<T: Default>(
        &self,
        dag_id: &DagId,
        first: &RunId,
        more: &[RunId],
        plan: impl Fn(&Run) -> Result<T, Refusal>,
    ) -> Result<Vec<(RunKey, T)>, Refusal> {
        if more.len() >= RUNS_PER_ORDER_MAX {
            let text = format!(
                "{} dag runs are too many for one order; at most {RUNS_PER_ORDER_MAX}",
                more.len() + 1
            );
            return Err(invalid("dag_run_ids", text));
        }
        let mut plans = Vec::with_capacity(more.len() + 1);
        let mut missing = None;
        for run_id in std::iter::once(first).chain(more) {
            let key = self.find(dag_id, run_id)?;
            let run = self.runs.get(&key).ok_or_else(|| no_run(dag_id, run_id))?;
            match plan(run) {
                Ok(planned) => plans.push((key, planned)),
                Err(refusal @ Refusal::NotFound { .. }) => {
                    missing.get_or_insert(refusal);
                }
                Err(refusal) => return Err(refusal),
            }
        }
        match missing {
            Some(refusal) if plans.is_empty() => Err(refusal),
            _ => Ok(plans),
        }
    }

    fn clear_run(
        &mut self,
        step: &mut Step,
        key: RunKey,
        mut planned: Vec<TiKey>,
        clear: &Clear,
        newest: Option<&Arc<Layout>>,
        answer: &mut Vec<Value>,
    ) {
        let mut has_new = false;
        if let Some(moved) = newest.and_then(|layout| self.move_to(step, key, layout)) {
            has_new = moved.has_new;
            planned.extend(moved.back);
        }
        let cleared = self.clear_instances(step, key, &planned);
        for ti in planned.iter().filter(|_| clear.note.is_some()) {
            self.note_ti(step, key, *ti, clear.note.as_deref());
        }
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.cell.row();
        let mut event = run_event(step, row, "cleared", None, None);
        event.detail = Some(json!({ "task_instances": cleared }));
        event.to = None;
        let was_ended = row.state.is_terminal();
        step.rest.push(Change::Event(event));
        if was_ended && clear.reset_dag_run && (has_new || !planned.is_empty()) {
            self.requeue(step, key, true);
        }
        answer.extend(cleared);
    }

    fn note_ti(&mut self, step: &mut Step, run: RunKey, ti: TiKey, note: Option<&str>) {
        let Some(&(_, slot)) = self.tis.get(&ti) else { return };
        if let Some(run) = self.runs.get_mut(&run) {
            run.ti_mut(slot).cell.edit(|row| row.note = note.map(str::to_owned));
        }
        step.rest.push(Change::Note { run, ti: Some(ti), note: note.map(str::to_owned) });
    }

    /// Clears task instances of a run; answers them as they were.
    pub(super) fn clear_instances(
        &mut self,
        step: &mut Step,
        key: RunKey,
        tis: &[TiKey],
    ) -> Vec<Value> {
        let mut answer = Vec::with_capacity(tis.len());
        for ti in tis {
            let Some(&(_, slot)) = self.tis.get(ti) else { continue };
            let Some(run) = self.runs.get(&key) else { continue };
            let row = run.ti(slot).row();
            answer.push(json!({
                "id": row.id,
                "run_id": run.cell.row().run_id,
                "task_id": row.task_id,
                "map_index": row.map_index,
                "state": row.state,
                "try_number": row.try_number,
            }));
            self.clear_one(step, key, slot);
        }
        answer
    }

    fn clear_one(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let retries = run.task(slot).map_or(0, |task| task.retries);
        let state = run.ti(slot).state();
        let event =
            if state == TaskState::Removed { TaskEvent::Restored } else { TaskEvent::Cleared };
        self.kill(step, key, slot, None, "it was cleared");
        self.apply(step, key, slot, event, |row| {
            row.max_tries = row.try_number + retries;
            if row.state == TaskState::NoStatus {
                reset(row);
            }
        });
        // It has no counters of its own, but those who wait for it count it as ended no longer.
        step.recount.insert(key);
    }

    /// Moves a run to another version: new tasks get instances, instances of tasks that are gone
    /// become removed. None when it has that version already.
    pub(super) fn move_to(
        &mut self,
        step: &mut Step,
        key: RunKey,
        layout: &Arc<Layout>,
    ) -> Option<Moved> {
        let run = self.runs.get(&key)?;
        if run.layout.version == layout.version {
            return None;
        }
        let gone: Vec<u32> = run
            .slots()
            .filter(|&slot| is_gone(layout, run.ti(slot).row()))
            .filter(|&slot| run.ti(slot).state() != TaskState::Removed)
            .collect();
        for slot in gone {
            let reason = "it is not in the newest version of the DAG";
            self.kill(step, key, slot, Some(TaskState::Removed), reason);
            self.apply(step, key, slot, TaskEvent::Removed, |row| {
                row.reason = Some(reason.to_owned());
                row.retry_at = None;
            });
        }
        self.take_out(key);
        let old = self.runs.remove(&key)?;
        let before = old.tis.len();
        let moved = self.reassemble(step, old, layout);
        let has_new = moved.tis.len() > before;
        let back = moved
            .slots()
            .filter(|&slot| {
                moved.task(slot).is_some() && moved.ti(slot).state() == TaskState::Removed
            })
            .map(|slot| moved.key_of(slot))
            .collect();
        self.insert_run(moved);
        self.enter_run(step, key);
        Some(Moved { back, has_new })
    }

    /// Takes a run out of all lines and sets, but leaves it in memory.
    fn take_out(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        for slot in run.slots() {
            self.leave_line(key, slot);
            if let Some(hold) = self.runs.get(&key).map(|run| super::apply::holds(run, slot)) {
                self.free_slots(key, slot, hold);
            }
        }
        self.leave_dag(key);
    }

    /// The same run on another version; what changed in its rows is kept for writing.
    fn reassemble(&mut self, step: &mut Step, mut old: Run, layout: &Arc<Layout>) -> Run {
        let before = old.before.or(Some(old.cell.state()));
        if old.before.is_none() && !old.is_new {
            step.runs.push(old.key());
        }
        old.cell.edit(|row| row.version = layout.version);
        let stored: std::collections::BTreeMap<TiKey, _> =
            old.tis.iter().map(|ti| (ti.row().id, (ti.before, ti.is_new))).collect();
        let rows = old.tis.iter().map(|ti| ti.row().clone()).collect();
        let mut run = assemble(
            old.cell.row().clone(),
            rows,
            layout,
            &mut self.last,
            self.config.max_map_length,
        );
        run.before = before;
        run.is_new = old.is_new;
        run.in_lane = old.in_lane;
        run.past = Past::None;
        for slot in run.slots() {
            let fresh = run.task(slot).map(|task| {
                let pool = (task.pool().to_owned(), task.pool_slots());
                (pool, task.queue.clone(), task.effective_priority, task.operator.clone())
            });
            let ti = run.ti_mut(slot);
            let Some(&(before, is_new)) = stored.get(&ti.row().id) else { continue };
            (ti.before, ti.is_new) = (before, is_new);
            let Some((pool, queue, priority, operator)) = fresh else { continue };
            let row = ti.row();
            if row.queue == queue && row.priority_weight == priority && row.pool == pool.0 {
                continue;
            }
            if ti.remember() {
                step.tis.push(ti.row().id);
            }
            ti.cell.edit(|row| {
                (row.pool, row.pool_slots) = pool;
                row.queue = queue;
                row.priority_weight = priority;
                row.operator = operator;
            });
        }
        run
    }
}

/// Whether a version has no place for an instance: its task is gone or no longer mapped, or the
/// literal list that it was mapped over is shorter.
fn is_gone(layout: &Layout, row: &TiRow) -> bool {
    let Some(task) = layout.find(row.task_id.as_str()) else { return true };
    let literal = layout.unit_of(task).and_then(|unit| unit.mapping.literal_count());
    let is_beyond = |count: u64| u64::try_from(row.map_index).is_ok_and(|index| index >= count);
    !super::mapping::belongs(layout, task, row.map_index) || literal.is_some_and(is_beyond)
}

/// What of a task instance's row starts anew with a clear. Its note, its tries and what it decided
/// stay.
pub(super) fn reset(row: &mut TiRow) {
    row.infra_tries = 0;
    row.scheduled_at = None;
    row.queued_at = None;
    row.start_date = None;
    row.end_date = None;
    row.retry_at = None;
    row.worker = None;
    row.exit_code = None;
    row.reason = None;
    row.wait = None;
}
