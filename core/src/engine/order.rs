//! Carries out what people order; each order is answered.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::create::{blank_run, run_id_for};
use super::event::{Order, Refusal, Setting, Trigger};
use super::layout::Layout;
use super::line::Gate;
use super::step::Step;
use super::transition::{RunEvent, TaskEvent};
use super::{DagEntry, Engine};
use crate::dag::DEFAULT_POOL;
use crate::ids::{DagId, RunId, TaskId};
use crate::record::{Change, PoolRow, RunKey};
use crate::state::{RunState, RunType, TaskState};
use crate::suggest::nearest;
use crate::timetable::DataInterval;

/// What an order answers.
pub(super) type Answer = Result<Value, Refusal>;

impl Engine {
    pub(super) fn order(&mut self, step: &mut Step, order: Order) -> Answer {
        match order {
            Order::Trigger(trigger) => self.trigger(step, trigger),
            Order::Clear(clear) => {
                step.actor.clone_from(&clear.actor);
                self.clear(step, &clear)
            }
            Order::Mark(mark) => {
                step.actor.clone_from(&mark.actor);
                self.mark(step, &mark)
            }
            Order::MarkRun { dag_id, run_id, state, actor } => {
                step.actor = actor;
                self.mark_run(step, &dag_id, &run_id, state)
            }
            Order::Pause { dag_id, is_paused, actor } => {
                self.find_dag(&dag_id)?;
                self.set_paused(step, &dag_id, is_paused, actor.as_deref(), None);
                Ok(json!({ "dag_id": dag_id, "is_paused": is_paused }))
            }
            Order::Backfill(order) => self.backfill(step, order),
            Order::SetPool { row, actor } => {
                step.actor = actor;
                self.set_pool(step, row)
            }
            Order::DeletePool { name, actor } => {
                step.actor = actor;
                self.delete_pool(step, &name)
            }
            Order::Changed { what, name, is_deleted, actor } => {
                let kind = match (what, is_deleted) {
                    (Setting::Variable, false) => "variable_set",
                    (Setting::Variable, true) => "variable_deleted",
                    (Setting::Connection, false) => "connection_set",
                    (Setting::Connection, true) => "connection_deleted",
                };
                step.event_with(None, kind, actor.as_deref(), Some(json!({ "name": name })));
                Ok(Value::Null)
            }
            Order::DeleteRun { dag_id, run_id, actor } => {
                step.actor = actor;
                self.delete_run(step, &dag_id, &run_id)
            }
            Order::Answer(answer) => {
                step.actor.clone_from(&answer.actor);
                self.answer(step, answer)
            }
            Order::AssetEvent { asset, extra, actor } => {
                step.actor = actor;
                self.report_asset(step, asset, extra)
            }
            Order::ClearAssetQueue { dag_id, asset, before, actor } => {
                step.actor = actor;
                Ok(self.clear_asset_queue(step, dag_id.as_ref(), asset, before))
            }
            Order::Note { dag_id, run_id, task_id, map_index, note, actor } => {
                step.actor = actor;
                let run = self.find(&dag_id, &run_id)?;
                self.note(step, run, task_id.as_ref().map(|id| (id, map_index)), note.as_deref())
            }
        }
    }

    pub(super) fn trigger(&mut self, step: &mut Step, trigger: Trigger) -> Answer {
        let layout = runnable(self.find_dag(&trigger.dag_id)?)?;
        if !layout.dag.allows(trigger.run_type) {
            return Err(conflict(format!(
                "Dag with dag_id: '{}' does not allow {} runs",
                trigger.dag_id, trigger.run_type
            )));
        }
        let run_after = trigger.run_after.map_or(step.now, crate::time::truncate);
        let run_id = self.choose_run_id(step, &trigger, run_after)?;
        let params = params(&layout, trigger.conf.as_ref())?;
        self.refuse_double(&layout, &trigger, &run_id)?;
        let logical_date = trigger.logical_date.map(crate::time::truncate);
        let inferred = logical_date.map(|at| layout.dag.timetable.manual_interval(at));
        let interval = match trigger.data_interval {
            Some((start, end)) => Some(DataInterval { start, end }),
            None => inferred,
        };
        let mut row = blank_run(&layout, run_id, trigger.run_type, run_after, step.now);
        row.logical_date = logical_date;
        row.data_interval_start = interval.map(|interval| interval.start);
        row.data_interval_end = interval.map(|interval| interval.end);
        row.conf = trigger.conf;
        row.params = params;
        row.note = trigger.note;
        row.triggered_by = trigger.triggered_by;
        row.triggering_user = trigger.actor;
        let run_id = row.run_id.clone();
        let detail = json!({
            "run_id": run_id,
            "run_type": row.run_type,
            "triggered_by": row.triggered_by,
            "conf": row.conf,
        });
        self.create_run(step, &layout, row, detail);
        Ok(json!(run_id))
    }

    /// The name asked for, or a new one. Two orders of one instant get names a microsecond apart.
    fn choose_run_id(
        &mut self,
        step: &Step,
        trigger: &Trigger,
        run_after: jiff::Timestamp,
    ) -> Result<RunId, Refusal> {
        if let Some(run_id) = &trigger.run_id {
            let reserved = RunType::ALL.iter().find(|kind| {
                **kind != trigger.run_type && run_id.as_str().starts_with(&format!("{kind}__"))
            });
            return match reserved {
                Some(kind) => Err(invalid(
                    "dag_run_id",
                    format!("\"{kind}__\" begins the names of {kind} runs; choose another name"),
                )),
                None => Ok(run_id.clone()),
            };
        }
        let mut at = run_after;
        let mut run_id = run_id_for(trigger.run_type, at);
        let Some(entry) = self.dags.get_mut(&trigger.dag_id) else { return Ok(run_id) };
        if trigger.run_after.is_some() {
            return Ok(run_id);
        }
        let named = match entry.named.take() {
            Some((now, named)) if now == step.now => named,
            _ => Vec::new(),
        };
        while named.contains(&run_id)
            || self.names.contains_key(&(trigger.dag_id.clone(), run_id.clone()))
        {
            at = at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap_or(at);
            run_id = run_id_for(trigger.run_type, at);
        }
        let mut named = named;
        named.push(run_id.clone());
        entry.named = Some((step.now, named));
        Ok(run_id)
    }

    fn refuse_double(
        &self,
        layout: &Layout,
        trigger: &Trigger,
        run_id: &RunId,
    ) -> Result<(), Refusal> {
        let dag_id = &layout.dag.dag_id;
        if self.names.contains_key(&(dag_id.clone(), run_id.clone())) {
            return Err(conflict(format!("dag \"{dag_id}\" has a run \"{run_id}\" already")));
        }
        let Some(date) = trigger.logical_date.map(crate::time::truncate) else { return Ok(()) };
        let double = self.siblings(dag_id).find_map(|key| {
            let row = self.run(key)?;
            (row.logical_date == Some(date)).then_some(row)
        });
        match double {
            Some(row) => Err(conflict(format!(
                "dag \"{dag_id}\" has a run with the logical date {} already: \"{}\"",
                crate::time::isoformat(date),
                row.run_id
            ))),
            None => Ok(()),
        }
    }

    fn mark_run(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        run_id: &RunId,
        state: RunState,
    ) -> Answer {
        let key = self.find(dag_id, run_id)?;
        match state {
            RunState::Queued => self.requeue(step, key, false),
            RunState::Success | RunState::Failed => {
                let reason = format!("the dag run was marked {state} by hand");
                self.force_run(step, key, state, &reason);
            }
            RunState::Running => {
                return Err(invalid("state", "a run cannot be marked running; use `queued`"));
            }
        }
        Ok(json!({ "run_id": run_id, "state": state }))
    }

    /// Ends a run and everything in it: `success`, or else `failed`.
    pub(super) fn force_run(
        &mut self,
        step: &mut Step,
        key: RunKey,
        state: RunState,
        reason: &str,
    ) {
        let (run_event, task_event) = match state {
            RunState::Success => (RunEvent::ForcedSuccess, TaskEvent::ForcedSuccess),
            _ => (RunEvent::ForcedFailed, TaskEvent::ForcedFailed),
        };
        let Some(run) = self.runs.get(&key) else { return };
        let was_ended = run.cell.state().is_terminal();
        for slot in run.slots() {
            let Some(run) = self.runs.get(&key) else { break };
            let event = match run.ti(slot).state() {
                TaskState::Running
                | TaskState::Restarting
                | TaskState::UpForReschedule
                | TaskState::Deferred
                | TaskState::AwaitingInput => task_event,
                _ => TaskEvent::ForcedSkipped,
            };
            self.force(step, key, slot, event, reason);
        }
        let now = step.now;
        self.apply_run(step, key, run_event, None, |row| {
            row.end_date = if was_ended { row.end_date } else { Some(now) };
            row.reason = Some(reason.to_owned());
        });
        step.leaving.insert(key);
    }

    /// Has a run go through its life again.
    pub(super) fn requeue(&mut self, step: &mut Step, key: RunKey, is_clear: bool) {
        let now = step.now;
        self.apply_run(step, key, RunEvent::Requeued, None, |row| {
            row.queued_at = now;
            row.start_date = None;
            row.end_date = None;
            row.reason = None;
            row.clear_number += u32::from(is_clear);
        });
        self.visitors.remove(&key);
        step.leaving.remove(&key);
    }

    fn set_pool(&mut self, step: &mut Step, row: PoolRow) -> Answer {
        if row.name.is_empty() || row.name.chars().count() > 250 {
            return Err(invalid("name", "a pool has a name of 1 to 250 characters"));
        }
        if row.slots < -1 {
            return Err(invalid("slots", "slots are 0 or more, or -1 for no limit"));
        }
        let name = row.name.clone();
        let detail = json!({ "name": name, "slots": row.slots });
        step.rest.push(Change::Pool(row.clone()));
        let actor = step.actor.clone();
        step.event_with(None, "pool_set", actor.as_deref(), Some(detail.clone()));
        self.lines.pool(&name).row = Some(row);
        self.reopen_pool(&name);
        Ok(detail)
    }

    fn delete_pool(&mut self, step: &mut Step, name: &str) -> Answer {
        if name == DEFAULT_POOL {
            return Err(conflict(format!("the pool \"{DEFAULT_POOL}\" cannot be deleted")));
        }
        let pool = self.lines.pools.get_mut(name).filter(|pool| pool.row.is_some());
        let Some(pool) = pool else {
            return Err(Refusal::NotFound { what: format!("the pool \"{name}\" does not exist") });
        };
        pool.row = None;
        step.rest.push(Change::PoolDeleted(name.to_owned()));
        let actor = step.actor.clone();
        step.event_with(None, "pool_deleted", actor.as_deref(), Some(json!({ "name": name })));
        self.reopen_pool(name);
        Ok(json!({ "name": name }))
    }

    /// A pool has other slots than before: everybody who waits for it is looked at.
    fn reopen_pool(&mut self, name: &str) {
        self.review_held();
        self.lines.freed.insert(Gate::Pool(name.to_owned()));
        let too_wide: Vec<_> = self.lines.pool(name).too_wide.iter().copied().collect();
        for (rank, run, profile) in too_wide {
            self.unpark(run, profile);
            self.lines.agenda.insert((rank, run, profile));
        }
    }

    fn delete_run(&mut self, step: &mut Step, dag_id: &DagId, run_id: &RunId) -> Answer {
        let key = self.find(dag_id, run_id)?;
        let Some(run) = self.runs.get(&key) else { return Err(no_run(dag_id, run_id)) };
        for slot in run.slots() {
            self.kill(step, key, slot, None, "its dag run was deleted");
        }
        // Nothing else of this run may be written any more.
        step.rest.retain(|change| !matches!(change, Change::Attempt(row) if row.run == key));
        step.runs.retain(|run| *run != key);
        step.tis.retain(|ti| self.tis.get(ti).is_none_or(|(run, _)| *run != key));
        let detail = json!({ "run_id": run_id });
        let actor = step.actor.clone();
        step.event_with(Some(dag_id), "run_deleted", actor.as_deref(), Some(detail));
        self.leave_lane(step, key);
        step.rest.push(Change::RunDeleted(key));
        self.ask_past_after(step, key);
        self.forget(key);
        step.plan.insert(dag_id.clone());
        Ok(json!({ "run_id": run_id }))
    }

    fn note(
        &mut self,
        step: &mut Step,
        key: RunKey,
        task: Option<(&TaskId, i32)>,
        note: Option<&str>,
    ) -> Answer {
        let Some(run) = self.runs.get_mut(&key) else { return Ok(Value::Null) };
        let ti = match task {
            None => {
                run.cell.edit(|row| row.note = note.map(str::to_owned));
                None
            }
            Some((task_id, map_index)) => {
                let of_task = |row: &crate::record::TiRow| {
                    row.task_id == *task_id && row.map_index == map_index
                };
                let Some(ti) = run.tis.iter_mut().find(|ti| of_task(ti.row())) else {
                    let what = format!("the run has no task instance \"{task_id}\" [{map_index}]");
                    return Err(Refusal::NotFound { what });
                };
                ti.cell.edit(|row| row.note = note.map(str::to_owned));
                Some(ti.row().id)
            }
        };
        let row = run.cell.row();
        let mut event = super::apply::run_event(step, row, "note", None, None);
        (event.ti, event.to) = (ti, None);
        event.detail = Some(json!({ "note": note }));
        step.rest.push(Change::Event(event));
        step.rest.push(Change::Note { run: key, ti, note: note.map(str::to_owned) });
        Ok(json!({ "note": note }))
    }

    pub(super) fn find_dag(&self, dag_id: &DagId) -> Result<&DagEntry, Refusal> {
        self.dags.get(dag_id).ok_or_else(|| {
            let names = self.dags.keys().map(DagId::as_str);
            let hint =
                nearest(dag_id.as_str(), names).map(|name| format!("; did you mean \"{name}\"?"));
            Refusal::NotFound {
                what: format!("dag \"{dag_id}\" does not exist{}", hint.unwrap_or_default()),
            }
        })
    }

    pub(super) fn find(&self, dag_id: &DagId, run_id: &RunId) -> Result<RunKey, Refusal> {
        self.find_run(dag_id, run_id).ok_or_else(|| no_run(dag_id, run_id))
    }
}

/// The newest version of a DAG whose runs may be made.
pub(super) fn runnable(entry: &DagEntry) -> Result<Arc<Layout>, Refusal> {
    let dag_id = &entry.row.dag_id;
    if entry.row.is_stale {
        return Err(conflict(format!(
            "the file of dag \"{dag_id}\" is gone; put it back to run it"
        )));
    }
    entry.layout.clone().ok_or_else(|| {
        conflict(format!("the text of dag \"{dag_id}\" cannot be read; mend its file"))
    })
}

pub(super) fn no_run(dag_id: &DagId, run_id: &RunId) -> Refusal {
    Refusal::NotFound { what: format!("dag \"{dag_id}\" has no run \"{run_id}\"") }
}

pub(super) fn conflict(what: String) -> Refusal {
    Refusal::Conflict { what }
}

pub(super) fn invalid(path: &str, text: impl Into<String>) -> Refusal {
    Refusal::Invalid { problems: vec![(path.to_owned(), text.into())] }
}

/// The params of a run, checked before anything starts.
fn params(
    layout: &Layout,
    conf: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, Refusal> {
    let merged = layout.dag.params.merge(conf.unwrap_or(&Map::new()));
    merged.map_err(|problems| Refusal::Invalid {
        problems: problems.into_iter().map(|problem| (problem.path, problem.message)).collect(),
    })
}
