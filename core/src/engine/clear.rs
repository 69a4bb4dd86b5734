//! Clears: selected task instances run again, their tries and logs are kept.
//!
//! [`plan_clear`] says which, for a dry run and for the order itself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Engine;
use super::apply::run_event;
use super::create::assemble;
use super::event::{Clear, Refusal};
use super::layout::Layout;
use super::order::{Answer, conflict, no_run};
use super::run::{Past, Run};
use super::select::{Scope, select};
use super::step::Step;
use super::transition::TaskEvent;
use crate::dag::Dag;
use crate::record::{Change, RunKey, TiKey, TiRow};
use crate::state::TaskState;

/// The task instances that a clear would reset, in the order of `rows`. The DAG is that of the
/// version which the run will have: its own, or the newest with `run_on_latest_version`.
///
/// # Errors
/// [`Refusal::NotFound`] for a task that does not exist.
pub fn plan_clear(dag: &Dag, rows: &[TiRow], clear: &Clear) -> Result<Vec<TiKey>, Refusal> {
    let selected = select(dag, rows, &clear.selection, Scope::WithSetups)?;
    Ok(selected
        .into_iter()
        .filter(|row| row.state != TaskState::Removed || dag.task(row.task_id.as_str()).is_some())
        .map(|row| row.id)
        .collect())
}

impl Engine {
    pub(super) fn clear(&mut self, step: &mut Step, clear: &Clear) -> Answer {
        let key = self.find(&clear.dag_id, &clear.run_id)?;
        let newest = match (clear.run_on_latest_version, self.dags.get(&clear.dag_id)) {
            (true, Some(entry)) => Some(entry.layout.clone().ok_or_else(|| {
                conflict(format!("the text of dag \"{}\" cannot be read", clear.dag_id))
            })?),
            _ => None,
        };
        let Some(run) = self.runs.get(&key) else {
            return Err(no_run(&clear.dag_id, &clear.run_id));
        };
        let rows: Vec<TiRow> = run.tis.iter().map(|ti| ti.row().clone()).collect();
        let dag = Arc::clone(&newest.as_ref().unwrap_or(&run.layout).dag);
        let mut planned = plan_clear(&dag, &rows, clear)?;
        if let Some(layout) = newest {
            planned.extend(self.move_to(step, key, &layout));
        }
        let answer = self.clear_instances(step, key, &planned);
        let Some(run) = self.runs.get(&key) else { return Ok(answer) };
        let row = run.cell.row();
        let mut event = run_event(step, row, "cleared", None, None);
        event.detail = Some(json!({ "task_instances": answer }));
        event.to = None;
        let was_ended = row.state.is_terminal();
        step.rest.push(Change::Event(event));
        if was_ended && clear.reset_dag_run && !planned.is_empty() {
            self.requeue(step, key, true);
        }
        Ok(answer)
    }

    /// Clears task instances of a run; answers them as they were.
    pub(super) fn clear_instances(&mut self, step: &mut Step, key: RunKey, tis: &[TiKey]) -> Value {
        let mut answer = Vec::with_capacity(tis.len());
        for ti in tis {
            let Some(&(_, slot)) = self.tis.get(ti) else { continue };
            let Some(run) = self.runs.get(&key) else { continue };
            let row = run.ti(slot).row();
            answer.push(json!({
                "id": row.id,
                "task_id": row.task_id,
                "map_index": row.map_index,
                "state": row.state,
                "try_number": row.try_number,
            }));
            self.clear_one(step, key, slot);
        }
        Value::Array(answer)
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
    /// become removed. Answers those that are back.
    fn move_to(&mut self, step: &mut Step, key: RunKey, layout: &Arc<Layout>) -> Vec<TiKey> {
        let Some(run) = self.runs.get(&key) else { return Vec::new() };
        if run.layout.version == layout.version {
            return Vec::new();
        }
        let gone: Vec<u32> = run
            .slots()
            .filter(|&slot| layout.find(run.ti(slot).row().task_id.as_str()).is_none())
            .filter(|&slot| run.ti(slot).state() != TaskState::Removed)
            .collect();
        for slot in gone {
            let reason = "its task is not in the newest version of the DAG";
            self.kill(step, key, slot, Some(TaskState::Removed), reason);
            self.apply(step, key, slot, TaskEvent::Removed, |row| {
                row.reason = Some(reason.to_owned());
                row.retry_at = None;
            });
        }
        self.take_out(key);
        let Some(old) = self.runs.remove(&key) else { return Vec::new() };
        let moved = self.reassemble(step, old, layout);
        let back = moved
            .slots()
            .filter(|&slot| {
                moved.task(slot).is_some() && moved.ti(slot).state() == TaskState::Removed
            })
            .map(|slot| moved.key_of(slot))
            .collect();
        self.insert_run(moved);
        self.enter_run(step, key);
        back
    }

    /// Takes a run out of all lines and sets, but leaves it in memory.
    fn take_out(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        for slot in run.slots() {
            self.leave_line(key, slot);
            if self.runs.get(&key).is_some_and(|run| super::apply::holds(run, slot)) {
                self.free_slots(key, slot);
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
        let mut run = assemble(old.cell.row().clone(), rows, layout, &mut self.last);
        run.before = before;
        run.is_new = old.is_new;
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
}
