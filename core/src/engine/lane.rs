//! The lane of a DAG's open backfill: its dates get runs as room appears, beside the DAG's own runs.
//!
//! A lane has a cap: so many of its runs are unfinished at once, whatever the DAG's
//! `max_active_runs`. Its oldest run (by its place in the backfill) stands in the regular lines for
//! pools and workers, by weight and date like any other: that is the backfill's guaranteed share.
//! The others stand behind all regular work. Runs are made one small batch a step, after a look at
//! what exists.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::apply::run_event;
use super::create::{blank_run, run_id_for};
use super::event::{DATES_AT_ONCE, DatesWanted};
use super::layout::Layout;
use super::step::Step;
use super::{DagEntry, Engine};
use crate::backfill::{ALREADY_EXISTS, BackfillDateRow, BackfillRow, DELETED, Fate, UNKNOWN, fate};
use crate::ids::DagId;
use crate::record::{Change, RunKey, RunRow};
use crate::state::{BackfillDateState, BackfillEnding, RunState, RunType, TaskState, TriggeredBy};

/// The most runs that a backfill starts in one step; more follow in the next.
const RUNS_AT_ONCE: usize = 16;

/// An open backfill.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) row: BackfillRow,
    /// Its version; absent when its text can no longer be read.
    pub(super) layout: Option<Arc<Layout>>,
    /// Dates whose turn has not come, the next one first.
    pub(super) waiting: VecDeque<BackfillDateRow>,
    /// Dates with an unfinished run, by their place in the order.
    pub(super) active: BTreeMap<u32, BackfillDateRow>,
    /// Whether a look at what exists is under way.
    pub(super) is_asked: bool,
}

/// The place of a run in a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InLane {
    /// Its place in the backfill's order, from 1.
    pub(super) ordinal: u32,
    /// Whether regular work goes first; the lane's oldest run is regular work itself.
    pub(super) is_behind: bool,
}

impl DagEntry {
    /// Every run of the DAG that is running, in the DAG's own lane or the backfill's.
    pub(super) fn all_running(&self) -> impl Iterator<Item = RunKey> + '_ {
        self.running.iter().chain(&self.lane_running).copied()
    }
}

impl Engine {
    /// Starts what may start of a DAG's backfill, asks what the next dates have, and closes the
    /// lane when nothing is left.
    pub(super) fn fill_lane(&mut self, step: &mut Step, dag_id: &DagId) {
        self.start_lane(step, dag_id);
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let (is_paused, is_stale) = (entry.row.is_paused, entry.row.is_stale);
        let Some(lane) = &mut entry.lane else { return };
        let is_over = lane.row.ending.is_some() || lane.waiting.is_empty();
        if lane.active.is_empty() && is_over {
            self.close_lane(step, dag_id);
            return;
        }
        let is_held = lane.row.hold(is_paused, is_stale).is_some();
        if is_held || lane.is_asked || lane.layout.is_none() || lane.waiting.is_empty() {
            return;
        }
        lane.is_asked = true;
        let next = || lane.waiting.iter().take(DATES_AT_ONCE);
        step.dates_wanted.push(DatesWanted {
            dag_id: dag_id.clone(),
            dates: next().map(|date| date.logical_date).collect(),
            run_ids: next().map(|date| run_id_for(RunType::Backfill, date.run_after)).collect(),
            backfill: Some(lane.row.id),
            reprocess_behavior: lane.row.reprocess_behavior,
            loads_max: RUNS_AT_ONCE,
        });
    }

    /// Starts queued runs of the lane while its cap allows.
    fn start_lane(&mut self, step: &mut Step, dag_id: &DagId) {
        loop {
            let Some(entry) = self.dags.get(dag_id) else { return };
            let Some(lane) = &entry.lane else { return };
            let is_paused = lane.row.is_paused && lane.row.ending.is_none();
            let is_full = entry.lane_running.len() >= lane.row.max_active_runs as usize;
            if entry.row.is_paused || is_paused || is_full {
                return;
            }
            let Some(&key) = entry.lane_queued.first() else { return };
            if self.run(key).is_none_or(|row| row.run_after > step.now) {
                return;
            }
            self.start_run(step, key);
        }
    }

    /// Takes the answer about a backfill's next dates: each gets a run, runs again, or is skipped.
    pub(super) fn load_dates(
        &mut self,
        step: &mut Step,
        wanted: &DatesWanted,
        found: &[RunRow],
        unreadable: &[RunKey],
    ) {
        let dag_id = &wanted.dag_id;
        step.plan.insert(dag_id.clone());
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let Some(lane) = &mut entry.lane else { return };
        if wanted.backfill != Some(lane.row.id) {
            return;
        }
        lane.is_asked = false;
        let mut started = 0;
        while started < RUNS_AT_ONCE {
            let Some(date) = self.next_date(dag_id, wanted) else { return };
            let behavior = wanted.reprocess_behavior;
            match self.existing(dag_id, &date, found) {
                Existing::Name => self.skip_date(step, dag_id, date, ALREADY_EXISTS),
                Existing::Run(key, state) => match fate(Some(state), behavior) {
                    Fate::Skip(reason) => self.skip_date(step, dag_id, date, reason),
                    _ if unreadable.contains(&key) => self.skip_date(step, dag_id, date, UNKNOWN),
                    _ if !self.runs.contains_key(&key) => {
                        // Not loaded in this round.
                        if let Some(lane) = self.lane_mut(dag_id) {
                            lane.waiting.push_front(date);
                        }
                        return;
                    }
                    _ => {
                        self.rerun_date(step, dag_id, date, key);
                        started += 1;
                    }
                },
                Existing::Nothing => {
                    self.create_dated(step, dag_id, date);
                    started += 1;
                }
            }
        }
    }

    /// Takes the next date, if it was asked about and may start.
    fn next_date(&mut self, dag_id: &DagId, wanted: &DatesWanted) -> Option<BackfillDateRow> {
        let entry = self.dags.get_mut(dag_id)?;
        let (is_paused, is_stale) = (entry.row.is_paused, entry.row.is_stale);
        let lane = entry.lane.as_mut()?;
        if lane.row.hold(is_paused, is_stale).is_some() {
            return None;
        }
        let was_asked = wanted.dates.contains(&lane.waiting.front()?.logical_date);
        if was_asked { lane.waiting.pop_front() } else { None }
    }

    fn existing(&self, dag_id: &DagId, date: &BackfillDateRow, found: &[RunRow]) -> Existing {
        let in_memory = self.siblings(dag_id).filter_map(|key| self.run(key));
        let mut all = in_memory.chain(found);
        if let Some(row) = all.find(|row| row.logical_date == Some(date.logical_date)) {
            return Existing::Run(row.id, row.state);
        }
        let run_id = run_id_for(RunType::Backfill, date.run_after);
        let is_taken = found.iter().any(|row| row.run_id == run_id)
            || self.names.contains_key(&(dag_id.clone(), run_id));
        if is_taken { Existing::Name } else { Existing::Nothing }
    }

    fn create_dated(&mut self, step: &mut Step, dag_id: &DagId, date: BackfillDateRow) {
        let Some(lane) = self.lane_mut(dag_id) else { return };
        let Some(layout) = lane.layout.clone() else { return };
        let row = &lane.row;
        let Ok(params) = layout.dag.params.merge(row.conf.as_ref().unwrap_or(&Map::new())) else {
            self.skip_date(step, dag_id, date, UNKNOWN);
            return;
        };
        let run_id = run_id_for(RunType::Backfill, date.run_after);
        let mut run = blank_run(&layout, run_id, RunType::Backfill, date.run_after, step.now);
        run.logical_date = Some(date.logical_date);
        run.data_interval_start = Some(date.data_interval_start);
        run.data_interval_end = Some(date.data_interval_end);
        run.conf.clone_from(&row.conf);
        run.params = params;
        run.triggered_by = TriggeredBy::Backfill;
        run.triggering_user.clone_from(&row.triggering_user);
        let detail = json!({
            "run_id": run.run_id, "run_type": run.run_type, "backfill": row.id, "conf": run.conf,
        });
        let in_lane = lane.place_of(date.sort_ordinal);
        let key = self.create_run_in(step, &layout, run, detail, Some(in_lane));
        self.activate(step, dag_id, date, key);
    }

    /// Clears the run of a date and has it go through its life again, in the lane.
    fn rerun_date(&mut self, step: &mut Step, dag_id: &DagId, date: BackfillDateRow, key: RunKey) {
        let Some(lane) = self.lane_mut(dag_id) else { return };
        let (layout, row) = (lane.layout.clone(), lane.row.clone());
        let in_lane = lane.place_of(date.sort_ordinal);
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.in_lane = Some(in_lane);
        if let Some(layout) = layout.filter(|_| row.run_on_latest_version) {
            self.move_to(step, key, &layout);
        }
        let Some(run) = self.runs.get_mut(&key) else { return };
        let params = row.conf.as_ref().map(|conf| run.layout.dag.params.merge(conf));
        if matches!(params, Some(Err(_))) {
            run.in_lane = None;
            self.skip_date(step, dag_id, date, UNKNOWN);
            return;
        }
        run.cell.edit(|run| {
            run.run_type = RunType::Backfill;
            run.triggered_by = TriggeredBy::Backfill;
            if let Some(Ok(params)) = params {
                run.conf.clone_from(&row.conf);
                run.params = params;
            }
        });
        self.clear_all(step, key, row.id);
        self.requeue(step, key, true);
        // Its kind decides which run is the one before it.
        self.ask_past(step, key);
        self.activate(step, dag_id, date, key);
    }

    fn clear_all(&mut self, step: &mut Step, key: RunKey, backfill: i64) {
        let Some(run) = self.runs.get(&key) else { return };
        let has_task = |slot: &u32| run.task(*slot).is_some();
        let planned: Vec<_> = run.slots().filter(has_task).map(|slot| run.key_of(slot)).collect();
        let answer = self.clear_instances(step, key, &planned);
        let Some(run) = self.runs.get(&key) else { return };
        let mut event = run_event(step, run.cell.row(), "cleared", None, None);
        event.detail = Some(json!({ "task_instances": answer, "backfill": backfill }));
        event.to = None;
        step.rest.push(Change::Event(event));
    }

    fn activate(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        mut date: BackfillDateRow,
        key: RunKey,
    ) {
        date.run = Some(key);
        self.settle_date(step, dag_id, date, BackfillDateState::Active);
    }

    fn skip_date(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        mut date: BackfillDateRow,
        reason: &str,
    ) {
        date.exception_reason = Some(reason.to_owned());
        self.settle_date(step, dag_id, date, BackfillDateState::Skipped);
    }

    /// Gives a date that was taken out of the lane its next state.
    fn settle_date(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        mut date: BackfillDateRow,
        state: BackfillDateState,
    ) {
        let now = step.now;
        let Some(lane) = self.lane_mut(dag_id) else { return };
        lane.row.moved(date.state, state);
        lane.row.updated_at = now;
        date.state = state;
        step.rest.push(Change::BackfillDate(date.clone()));
        if state == BackfillDateState::Active {
            lane.active.insert(date.sort_ordinal, date);
        }
        step.backfills.insert(dag_id.clone());
    }

    /// A run of a backfill ended or was deleted: its date is done, and the lane's next run becomes
    /// its oldest.
    pub(super) fn leave_lane(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        let (Some(in_lane), row) = (run.in_lane, run.cell.row()) else { return };
        let (dag_id, state) = (row.dag_id.clone(), row.state);
        let Some(lane) = self.lane_mut(&dag_id) else { return };
        let Some(mut date) = lane.active.remove(&in_lane.ordinal) else { return };
        match state {
            RunState::Success => {
                self.settle_date(step, &dag_id, date, BackfillDateState::Success);
            }
            RunState::Failed => {
                self.settle_date(step, &dag_id, date, BackfillDateState::Failed);
                self.count_lane_failures(step, &dag_id);
            }
            RunState::Queued | RunState::Running => {
                date.run = None;
                self.skip_date(step, &dag_id, date, DELETED);
            }
        }
        self.promote(step, &dag_id);
        step.plan.insert(dag_id);
    }

    /// `stop_after_failures`: a backfill that fails too often starts nothing more.
    fn count_lane_failures(&mut self, step: &mut Step, dag_id: &DagId) {
        let Some(lane) = self.lane_mut(dag_id) else { return };
        let (failed, most) = (lane.row.runs_failed, lane.row.stop_after_failures);
        if most > 0 && failed >= most && lane.row.ending.is_none() && !lane.waiting.is_empty() {
            let reason = format!("{failed} of its runs failed (stop_after_failures is {most})");
            self.end_lane(step, dag_id, BackfillEnding::Stopped, Some(&reason), None);
        }
    }

    /// Has the lane's oldest run stand in the regular lines.
    fn promote(&mut self, step: &Step, dag_id: &DagId) {
        let Some(lane) = self.lane_mut(dag_id) else { return };
        let Some(key) = lane.active.first_key_value().and_then(|(_, date)| date.run) else {
            return;
        };
        let Some(run) = self.runs.get(&key) else { return };
        let Some(in_lane) = run.in_lane.filter(|in_lane| in_lane.is_behind) else { return };
        let waits =
            |slot: &u32| matches!(run.ti(*slot).state(), TaskState::Scheduled | TaskState::Queued);
        let waiting: Vec<u32> = run.slots().filter(waits).collect();
        for &slot in &waiting {
            self.leave_line(key, slot);
        }
        if let Some(run) = self.runs.get_mut(&key) {
            run.in_lane = Some(InLane { is_behind: false, ..in_lane });
        }
        for &slot in &waiting {
            self.enter_line(step, key, slot);
        }
    }

    /// Ends a backfill; its unfinished runs are not touched.
    pub(super) fn end_lane(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        ending: BackfillEnding,
        reason: Option<&str>,
        actor: Option<&str>,
    ) {
        let now = step.now;
        let Some(lane) = self.lane_mut(dag_id) else { return };
        let row = &mut lane.row;
        row.ending = Some(ending);
        row.reason = reason.map(str::to_owned);
        row.completed_at = Some(now);
        row.updated_at = now;
        let detail = json!({
            "backfill": row.id, "reason": reason, "succeeded": row.runs_succeeded,
            "failed": row.runs_failed, "skipped": row.dates_skipped, "active": row.runs_active,
            "dropped": row.dates_waiting,
        });
        step.backfills.insert(dag_id.clone());
        step.plan.insert(dag_id.clone());
        step.event_with(Some(dag_id), &format!("backfill_{ending}"), actor, Some(detail));
    }

    /// The last run of a backfill has ended: its DAG may have another one.
    fn close_lane(&mut self, step: &mut Step, dag_id: &DagId) {
        if self.lane_mut(dag_id).is_some_and(|lane| lane.row.ending.is_none()) {
            self.end_lane(step, dag_id, BackfillEnding::Completed, None, None);
        }
        let Some(lane) = self.dags.get_mut(dag_id).and_then(|entry| entry.lane.take()) else {
            return;
        };
        let mut row = lane.row;
        row.is_open = false;
        step.backfills.remove(dag_id);
        step.rest.push(Change::Backfill(Box::new(row)));
    }

    pub(super) fn lane_mut(&mut self, dag_id: &DagId) -> Option<&mut Lane> {
        self.dags.get_mut(dag_id)?.lane.as_deref_mut()
    }
}

impl Lane {
    /// The place of a date that becomes active.
    fn place_of(&self, ordinal: u32) -> InLane {
        let is_behind = self.active.first_key_value().is_some_and(|(first, _)| *first < ordinal);
        InLane { ordinal, is_behind }
    }

    /// The place of a run that the rows say is active.
    pub(super) fn place_of_run(&self, key: RunKey) -> Option<InLane> {
        let (ordinal, _) = self.active.iter().find(|(_, date)| date.run == Some(key))?;
        Some(self.place_of(*ordinal))
    }
}

/// What a date of a backfill has already.
enum Existing {
    /// No run.
    Nothing,
    /// A run.
    Run(RunKey, RunState),
    /// No run, but another date's run has the name that its run would get.
    Name,
}

/// What a person is told about a new backfill.
pub(super) fn answer(row: &BackfillRow) -> Value {
    json!({ "id": row.id, "dag_id": row.dag_id, "dates": row.dates_total })
}
