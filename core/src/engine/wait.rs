//! Waiting without a slot: sensors between two pokes, conditions that the engine sees itself.
//!
//! Everything follows from the row ([`crate::record::TiRow::wait`]), so that a restart goes on where
//! it was. Nothing is polled: a timer a task instance, and for other DAGs' runs an index by run
//! that is asked when such a run changes. Runs that are not in memory are asked of the shell
//! ([`super::Effects::runs_wanted`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::Engine;
use super::attempt::{after, key_of, open_record};
use super::event::RunWanted;
use super::run::Run;
use super::settle::Timer;
use super::step::Step;
use super::transition::TaskEvent;
use crate::ids::DagId;
use crate::operator::sensor;
use crate::record::{Change, LastAssetEvent, RunKey, TiKey, TiRow};
use crate::retry::Salt;
use crate::state::TaskState;
use crate::suggest::nearest;
use crate::wait::{AssetWait, Condition, Elsewhere, Seen, Terms, Verdict, Wait, WhichRun, judge};
use crate::wire::{AttemptResult, Demand, Outcome};

/// Who waits for which run, by DAG.
pub(super) type Watchers = HashMap<DagId, BTreeMap<WhichRun, BTreeSet<TiKey>>>;

/// Whether it waits without a slot.
pub(super) const fn is_waiting(state: TaskState) -> bool {
    matches!(state, TaskState::UpForReschedule | TaskState::Deferred | TaskState::AwaitingInput)
}

/// Whether the attempt row of the current try is open although nothing runs.
pub(super) fn has_open_record(row: &TiRow) -> bool {
    let between = matches!(row.state, TaskState::Scheduled | TaskState::Queued);
    let pokes = row.wait.as_ref().is_some_and(|wait| wait.epoch > 0);
    is_waiting(row.state) || (between && pokes)
}

/// What of the waiting is left when a new try begins: since when.
pub(super) fn begin_try(row: &mut TiRow) {
    if let Some(wait) = &mut row.wait {
        **wait = blank(wait.since);
    }
}

fn blank(since: Timestamp) -> Wait {
    Wait { since, epoch: 0, pokes: 0, until: None, condition: None, reply: None }
}

/// What people see in place of rendered fields, when the engine itself looks.
pub(super) fn shown(row: &TiRow) -> Option<Value> {
    let condition = row.wait.as_ref()?.condition.as_ref()?;
    serde_json::to_value(condition).ok()
}

/// When something happens to a waiting task instance by itself.
pub(super) fn due_at(row: &TiRow) -> Option<Timestamp> {
    if row.state == TaskState::UpForReschedule {
        return row.retry_at;
    }
    let wait = row.wait.as_ref()?;
    match (&wait.condition, wait.until) {
        (Some(Condition::Time { at }), Some(until)) => Some((*at).min(until)),
        (Some(Condition::Time { at }), None) => Some(*at),
        (_, until) => until,
    }
}

/// What a row waits for elsewhere.
pub(super) fn elsewhere(row: &TiRow) -> Option<&Elsewhere> {
    match row.wait.as_ref()?.condition.as_ref()? {
        Condition::Elsewhere(wanted) if row.state == TaskState::Deferred => Some(wanted),
        _ => None,
    }
}

/// The asset whose event a row waits for.
fn asset_of(row: &TiRow) -> Option<&AssetWait> {
    match row.wait.as_ref()?.condition.as_ref()? {
        Condition::Asset(wanted) if row.state == TaskState::Deferred => Some(wanted),
        _ => None,
    }
}

/// The terms of a sensor's task; absent for other tasks.
pub(super) fn terms_of(run: &Run, slot: u32) -> Option<Terms> {
    run.task(slot).and_then(sensor::terms)
}

impl Engine {
    /// Puts a waiting task instance into its timer and the index.
    pub(super) fn enter_wait(&mut self, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let ti = row.id;
        if let Some(at) = due_at(row) {
            self.timers.insert((at, Timer::Wait(ti)));
        }
        if let Some(wanted) = asset_of(row) {
            self.assets.sensors.entry(wanted.asset.clone()).or_default().insert(ti);
        }
        if let Some(wanted) = elsewhere(row) {
            let runs = self.watchers.entry(wanted.dag_id.clone()).or_default();
            runs.entry(wanted.run.clone()).or_default().insert(ti);
        }
    }

    /// Takes a waiting task instance out of its timer and the index.
    pub(super) fn leave_wait(&mut self, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        if let Some(at) = due_at(row) {
            self.timers.remove(&(at, Timer::Wait(row.id)));
        }
        if let Some(wanted) = asset_of(row) {
            let waiting = self.assets.sensors.get_mut(&wanted.asset);
            if waiting.is_some_and(|waiting| waiting.remove(&row.id) && waiting.is_empty()) {
                self.assets.sensors.remove(&wanted.asset);
            }
            return;
        }
        let Some(wanted) = elsewhere(row) else { return };
        let Some(runs) = self.watchers.get_mut(&wanted.dag_id) else { return };
        if let Some(waiting) = runs.get_mut(&wanted.run) {
            waiting.remove(&row.id);
            if waiting.is_empty() {
                runs.remove(&wanted.run);
            }
        }
        if runs.is_empty() {
            self.watchers.remove(&wanted.dag_id);
        }
    }

    /// Has the condition of a task instance looked at, if it waits for another run or an asset.
    pub(super) fn look_later(&self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        if elsewhere(row).is_some() || asset_of(row).is_some() {
            step.looks.entry(row.id).or_default();
        }
    }

    /// Has everybody who waits for a run looked at that minds what changed: one of its tasks, or
    /// the run itself.
    pub(super) fn tell_watchers(&self, step: &mut Step, key: RunKey, slot: Option<u32>) {
        if self.watchers.is_empty() {
            return;
        }
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.cell.row();
        let Some(runs) = self.watchers.get(&row.dag_id) else { return };
        let dated = row.logical_date.and_then(|date| runs.get(&WhichRun::Date(date)));
        let named = runs.get(&WhichRun::Id(row.run_id.clone()));
        for ti in dated.into_iter().chain(named).flatten() {
            let minds = self.ti(*ti).and_then(elsewhere).is_some_and(|wanted| match slot {
                Some(slot) => wanted.covers(&run.ti(slot).row().task_id),
                None => true,
            });
            if minds {
                step.looks.insert(*ti, Some(key));
            }
        }
    }

    /// Looks at the condition of a task instance that waits for another run; `hint` is that run
    /// when it has just changed.
    pub(super) fn look(&mut self, step: &mut Step, ti: TiKey, hint: Option<RunKey>) {
        if let Some(wanted) = self.ti(ti).and_then(asset_of) {
            if let Some(event) = self.event_for(wanted) {
                let at = crate::time::rest(event.at);
                let text = format!("asset \"{}\" had event {} at {at}", wanted.asset, event.id);
                self.end_wait(step, ti, Outcome::Success, text);
            }
            return;
        }
        let Some(wanted) = self.ti(ti).and_then(elsewhere) else { return };
        if let Some(seen) = self.seen_in_memory(wanted, hint) {
            let verdict = judge(wanted, Some(&seen));
            self.conclude(step, ti, verdict);
        } else {
            let (dag_id, run) = (wanted.dag_id.clone(), wanted.run.clone());
            step.runs_wanted.insert(RunWanted { dag_id, run });
        }
    }

    /// The event that a sensor waits for, if it has come.
    fn event_for(&self, wanted: &AssetWait) -> Option<LastAssetEvent> {
        self.assets.last_of(&wanted.asset).filter(|event| event.at >= wanted.after)
    }

    /// A wanted run as it is in memory, as far as it is wanted.
    pub(super) fn seen_in_memory(&self, wanted: &Elsewhere, hint: Option<RunKey>) -> Option<Seen> {
        let found = match &wanted.run {
            _ if hint.is_some_and(|key| self.runs.contains_key(&key)) => hint,
            WhichRun::Id(run_id) => self.find_run(&wanted.dag_id, run_id),
            WhichRun::Date(date) => self
                .siblings(&wanted.dag_id)
                .find(|key| self.run(*key).is_some_and(|row| row.logical_date == Some(*date))),
        };
        let run = self.runs.get(&found?)?;
        let rows = run.tis.iter().map(super::run::Ti::row);
        let rows = rows.filter(|row| wanted.covers(&row.task_id));
        Some(Seen {
            state: run.cell.state(),
            tasks: rows.map(|row| (row.task_id.clone(), row.state)).collect(),
        })
    }

    /// Takes what the shell found of a run that is not in memory.
    pub(super) fn run_seen(&mut self, step: &mut Step, found: &RunWanted, seen: Option<&Seen>) {
        let waiting = self.watchers.get(&found.dag_id).and_then(|runs| runs.get(&found.run));
        for ti in waiting.cloned().unwrap_or_default() {
            let Some(wanted) = self.ti(ti).and_then(elsewhere) else { continue };
            // What has come to memory meanwhile is newer.
            let verdict = match self.seen_in_memory(wanted, None) {
                Some(newer) => judge(wanted, Some(&newer)),
                None => judge(wanted, seen),
            };
            self.conclude(step, ti, verdict);
        }
    }

    fn conclude(&mut self, step: &mut Step, ti: TiKey, verdict: Verdict) {
        let (outcome, text) = match verdict {
            Verdict::Waits(_) => return,
            Verdict::Met(text) => (Outcome::Success, text),
            Verdict::Failed(text) => (Outcome::Failed, text),
            Verdict::Skipped(text) => (Outcome::Skipped, text),
        };
        self.end_wait(step, ti, outcome, text);
    }

    /// Ends a wait of the engine's own.
    pub(super) fn end_wait(&mut self, step: &mut Step, ti: TiKey, outcome: Outcome, text: String) {
        let Some(&(key, slot)) = self.tis.get(&ti) else { return };
        let Some(run) = self.runs.get(&key) else { return };
        let mut result = AttemptResult::new(key_of(run.ti(slot).row()), outcome);
        result.reason = Some(text);
        let soft = terms_of(run, slot).is_some_and(|terms| terms.soft_fail);
        match outcome {
            Outcome::Success => self.succeed(step, key, slot, result),
            Outcome::Skipped => self.skip_itself(step, key, slot, result),
            // Airflow: `soft_fail` skips what fails.
            _ if soft => self.skip_itself(step, key, slot, result),
            _ => self.fail(step, key, slot, result),
        }
    }

    /// A timer of a waiting task instance: it looks again, its instant has come, or its time is
    /// over.
    pub(super) fn wait_is_due(&mut self, step: &mut Step, ti: TiKey) {
        let Some(&(key, slot)) = self.tis.get(&ti) else { return };
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        match row.state {
            TaskState::UpForReschedule => {
                let now = step.now;
                self.apply(step, key, slot, TaskEvent::Resumed, |row| {
                    row.scheduled_at = Some(now);
                    row.queued_at = None;
                    row.retry_at = None;
                });
            }
            TaskState::Deferred => {
                let wait = row.wait.as_deref();
                match wait.and_then(|wait| wait.condition.as_ref()) {
                    Some(Condition::Time { at }) if *at <= step.now => {
                        let text = format!("{} has come", crate::time::rest(*at));
                        self.end_wait(step, ti, Outcome::Success, text);
                    }
                    _ => self.wait_is_over(step, key, slot, None),
                }
            }
            TaskState::AwaitingInput => self.answer_is_overdue(step, key, slot),
            _ => {}
        }
    }

    /// A sensor gives up: it is skipped with `soft_fail`, else failed, and a retry is useless
    /// (Airflow: `AirflowSensorTimeout`).
    fn wait_is_over(&mut self, step: &mut Step, key: RunKey, slot: u32, last: Option<String>) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let since = row.wait.as_ref().map_or(step.now, |wait| wait.since);
        let secs = super::lifecycle::seconds_between(since, step.now);
        let last = last.map(|last| format!("; the last poke: {last}")).unwrap_or_default();
        let mut result = AttemptResult::new(key_of(row), Outcome::FailedForGood);
        result.reason = Some(format!("its timeout is over after {secs} s{last}"));
        if terms_of(run, slot).is_some_and(|terms| terms.soft_fail) {
            self.skip_itself(step, key, slot, result);
        } else {
            self.fail(step, key, slot, result);
        }
    }

    /// A poke found nothing.
    pub(super) fn look_again(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        result: AttemptResult,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let Some(terms) = terms_of(run, slot) else {
            return self.fail(step, key, slot, result);
        };
        let row = run.ti(slot).row();
        let before = row.wait.as_deref();
        let since = before.map(|wait| wait.since).or(row.start_date).unwrap_or(step.now);
        let until = after(since, terms.timeout_secs);
        if step.now >= until {
            return self.wait_is_over(step, key, slot, result.reason);
        }
        let pokes = before.map_or(0, |wait| wait.pokes) + 1;
        let interval = terms.interval_secs(&salt_of(run, slot), pokes);
        // The last poke is at the very end of the time.
        let at = after(step.now, interval).min(until);
        let wait = Wait { epoch: row.record_epoch(), pokes, until: Some(until), ..blank(since) };
        self.pause(step, key, slot, TaskEvent::Rescheduled, result, wait, Some(at));
    }

    /// Ends an attempt that will go on: the task instance waits, its attempt row stays open.
    #[expect(clippy::too_many_arguments, reason = "one call for each way of waiting")]
    fn pause(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        event: TaskEvent,
        result: AttemptResult,
        wait: Wait,
        at: Option<Timestamp>,
    ) {
        self.apply(step, key, slot, event, |row| {
            row.wait = Some(Box::new(wait));
            row.infra_tries = 0;
            row.exit_code = result.exit_code;
            row.reason = result.reason;
            row.retry_at = at;
        });
        let Some(run) = self.runs.get(&key) else { return };
        let record = open_record(run.ti(slot).row(), result.rendered, step.now);
        step.rest.push(Change::Attempt(Box::new(record)));
    }

    /// A poke failed: as its sensor says that counts as nothing found, as a skip, or as a failure.
    pub(super) fn poke_failed(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        result: AttemptResult,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let terms = terms_of(run, slot).unwrap_or_default();
        let for_good = result.outcome == Outcome::FailedForGood;
        if (terms.soft_fail && for_good) || (terms.never_fail && !terms.silent_fail) {
            self.skip_itself(step, key, slot, result);
        } else if terms.silent_fail && !for_good {
            self.look_again(step, key, slot, result);
        } else {
            self.fail(step, key, slot, result);
        }
    }

    /// A decision of the scheduler: to wait, or to start another run.
    pub(super) fn defer(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        mut result: AttemptResult,
    ) {
        match result.demand.take().map(|demand| *demand) {
            Some(Demand::Wait { condition, timeout_secs }) => {
                self.wait_for(step, key, slot, result, *condition, timeout_secs);
            }
            Some(Demand::Trigger(demand)) => self.trigger_from(step, key, slot, result, *demand),
            None => {
                result.reason = Some("it was to wait, but not for what".to_owned());
                self.fail(step, key, slot, result);
            }
        }
    }

    /// Has a task instance wait for a condition; one that is met already ends it at once.
    pub(super) fn wait_for(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        result: AttemptResult,
        mut condition: Condition,
        timeout_secs: Option<f64>,
    ) {
        self.name_group(&mut condition);
        if let Some(reason) = self.missing(&condition) {
            return self.fail(step, key, slot, AttemptResult { reason: Some(reason), ..result });
        }
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let is_question = matches!(condition, Condition::Answer(_));
        // A question that is asked again has its whole time again.
        let since = row.wait.as_ref().map(|wait| wait.since).filter(|_| !is_question);
        let since = since.unwrap_or(step.now);
        let (ti, epoch) = (row.id, row.record_epoch());
        let until = timeout_secs.map(|secs| after(since, secs));
        let has_come = matches!(condition, Condition::Time { at } if at <= step.now);
        let condition = Some(condition);
        let wait = Wait { epoch, until, condition, ..blank(since) };
        let event = if is_question { TaskEvent::AwaitsInput } else { TaskEvent::Deferred };
        self.pause(step, key, slot, event, result, wait, None);
        if has_come || until.is_some_and(|until| until <= step.now) {
            self.wait_is_due(step, ti);
        }
        self.look_later(step, key, slot);
    }
}

impl Engine {
    /// The tasks of a group that is waited for, as the DAG has them now; where it is not known, the
    /// prefix of their names counts.
    fn name_group(&self, condition: &mut Condition) {
        let Condition::Elsewhere(wanted) = condition else { return };
        let layout = self.dags.get(&wanted.dag_id).and_then(|entry| entry.layout.as_ref());
        let Some((layout, name)) = layout.zip(wanted.group.as_ref()) else { return };
        let Some(group) = layout.dag.group(name) else { return };
        let members = group.tasks.iter().map(|&index| layout.dag.tasks[index].task_id.clone());
        wanted.task_ids = members.collect();
    }

    /// Why a condition with `check_existence` cannot come true (Airflow: so checked).
    fn missing(&self, condition: &Condition) -> Option<String> {
        let Condition::Elsewhere(wanted) = condition else { return None };
        if !wanted.check_existence {
            return None;
        }
        let near = |word: &str, names: Vec<&str>| {
            let near = nearest(word, names).map(|name| format!("; did you mean \"{name}\"?"));
            near.unwrap_or_default()
        };
        let dag_id = &wanted.dag_id;
        let Some(entry) = self.dags.get(dag_id).filter(|entry| !entry.row.is_stale) else {
            let names = self.dags.keys().map(DagId::as_str).collect();
            let hint = near(dag_id.as_str(), names);
            return Some(format!("the external dag \"{dag_id}\" does not exist{hint}"));
        };
        let tasks = &entry.layout.as_ref()?.dag.tasks;
        let unknown =
            wanted.task_ids.iter().find(|id| tasks.iter().all(|task| task.task_id != **id));
        if let Some(id) = unknown {
            let hint = near(id.as_str(), tasks.iter().map(|task| task.task_id.as_str()).collect());
            return Some(format!("the external dag \"{dag_id}\" has no task \"{id}\"{hint}"));
        }
        let group = wanted.group.as_ref()?;
        let is_empty = !tasks.iter().any(|task| wanted.covers(&task.task_id));
        is_empty.then(|| format!("the external dag \"{dag_id}\" has no task group \"{group}\""))
    }
}

pub(super) fn salt_of(run: &Run, slot: u32) -> Salt<'_> {
    let row = run.cell.row();
    Salt {
        dag_id: row.dag_id.as_str(),
        task_id: run.ti(slot).row().task_id.as_str(),
        logical_date: row.logical_date,
    }
}
