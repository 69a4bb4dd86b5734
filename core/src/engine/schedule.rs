//! Planned runs: what the timetables of DAGs make due, and pausing.
//!
//! The cursor (the data interval of the last planned run) stands in the DAG's row and changes in
//! the same effects as the run it belongs to, so a planned run exists exactly once.

use jiff::Timestamp;
use serde_json::json;

use super::create::{blank_run, run_id_for};
use super::event::{DATES_AT_ONCE, DatesWanted};
use super::lifecycle::runs_max;
use super::line::Gate;
use super::settle::Timer;
use super::step::Step;
use super::{DagEntry, Engine};
use crate::ids::{DagId, RunId};
use crate::record::{RunKey, RunRow};
use crate::state::{ReprocessBehavior, RunType};
use crate::timetable::{Bounds, DataInterval, PlannedRun, Timetable};

impl Engine {
    /// Creates the runs of a DAG that are due, while its limit allows, and notes when the next is.
    pub(super) fn plan_runs(&mut self, step: &mut Step, dag_id: &DagId) {
        loop {
            let Some(entry) = self.dags.get_mut(dag_id) else { return };
            let next = next_run(entry, step.now);
            let shown = (next.map(|next| next.run_after), next.map(|next| next.logical_date));
            if (entry.row.next_run_after, entry.row.next_logical_date) != shown {
                (entry.row.next_run_after, entry.row.next_logical_date) = shown;
                Self::touch_dag(entry, step);
            }
            if let Some(at) = entry.timer.take() {
                self.timers.remove(&(at, Timer::Plan(dag_id.clone())));
            }
            let Some(next) = next.filter(|_| !entry.row.is_paused) else { return };
            if next.run_after > step.now {
                self.set_plan_timer(dag_id, next.run_after);
                return;
            }
            let active = entry.running.len() + entry.queued.len();
            if active >= runs_max(entry) {
                // The end of a run plans again.
                return;
            }
            if step.planned >= self.config.planned_runs_max {
                self.set_plan_timer(dag_id, step.now);
                return;
            }
            if !self.is_free(step, dag_id, &next) {
                self.look_ahead(step, dag_id);
                return;
            }
            step.planned += 1;
            self.create_planned(step, dag_id, next);
            self.start_runs(step, dag_id);
        }
    }

    fn set_plan_timer(&mut self, dag_id: &DagId, at: Timestamp) {
        if let Some(entry) = self.dags.get_mut(dag_id) {
            entry.timer = Some(at);
            self.timers.insert((at, Timer::Plan(dag_id.clone())));
        }
    }

    /// Whether nothing can be in the way of a planned run: it lies beyond all runs of its DAG, or
    /// was just looked up.
    fn is_free(&self, step: &Step, dag_id: &DagId, next: &PlannedRun) -> bool {
        let Some(entry) = self.dags.get(dag_id) else { return false };
        let (date, run_after) = entry.newest;
        (Some(next.logical_date) > date && Some(next.run_after) > run_after)
            || step.free.contains(&(dag_id.clone(), next.logical_date))
    }

    /// Asks which of the next planned dates have runs already: a backfill's, or a person's.
    fn look_ahead(&mut self, step: &mut Step, dag_id: &DagId) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        if std::mem::replace(&mut entry.is_looking, true) {
            return;
        }
        let ahead = planned_ahead(entry, step.now);
        step.dates_wanted.push(DatesWanted {
            dag_id: dag_id.clone(),
            dates: ahead.iter().map(|run| run.logical_date).collect(),
            run_ids: ahead
                .iter()
                .map(|run| run_id_for(RunType::Scheduled, run.run_after))
                .collect(),
            backfill: None,
            reprocess_behavior: ReprocessBehavior::None,
            loads_max: 0,
        });
    }

    /// Takes the answer about planned dates: those that have a run count as planned.
    pub(super) fn load_planned(&mut self, step: &mut Step, wanted: &DatesWanted, found: &[RunRow]) {
        let dag_id = &wanted.dag_id;
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        entry.is_looking = false;
        step.plan.insert(dag_id.clone());
        let is_taken = |date: Timestamp, run_id: &RunId| {
            found.iter().any(|row| row.logical_date == Some(date) || row.run_id == *run_id)
        };
        let mut is_passing = true;
        for (&date, run_id) in wanted.dates.iter().zip(&wanted.run_ids) {
            if !is_taken(date, run_id) {
                is_passing = false;
                step.free.insert((dag_id.clone(), date));
                continue;
            }
            let next = next_run(entry, step.now).filter(|next| next.logical_date == date);
            if let (true, Some(next)) = (is_passing, next) {
                pass(entry, &next);
                Self::touch_dag(entry, step);
            }
        }
    }

    fn create_planned(&mut self, step: &mut Step, dag_id: &DagId, planned: PlannedRun) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let Some(layout) = entry.layout.clone() else { return };
        pass(entry, &planned);
        Self::touch_dag(entry, step);
        let run_id = run_id_for(RunType::Scheduled, planned.run_after);
        if self.names.contains_key(&(dag_id.clone(), run_id.clone())) {
            // Somebody took its name; as in Airflow the date counts as planned.
            return;
        }
        let mut row = blank_run(&layout, run_id, RunType::Scheduled, planned.run_after, step.now);
        row.logical_date = Some(planned.logical_date);
        row.data_interval_start = Some(planned.data_interval.start);
        row.data_interval_end = Some(planned.data_interval.end);
        let detail = json!({ "run_id": row.run_id, "run_type": row.run_type });
        self.create_run(step, &layout, row, detail);
    }

    /// Pauses or unpauses a DAG.
    pub(super) fn set_paused(
        &mut self,
        step: &mut Step,
        dag_id: &DagId,
        is_paused: bool,
        actor: Option<&str>,
        reason: Option<String>,
    ) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        if entry.row.is_paused == is_paused {
            return;
        }
        entry.row.is_paused = is_paused;
        if !is_paused {
            entry.row.consecutive_failures = 0;
            // What came while it was paused is passed over.
            (entry.row.next_run_after, entry.row.next_logical_date) = (None, None);
        }
        Self::touch_dag(entry, step);
        let kind = if is_paused { "paused" } else { "unpaused" };
        let running: Vec<RunKey> = entry.all_running().collect();
        let detail = reason.map(|reason| json!({ "reason": reason }));
        step.event_with(Some(dag_id), kind, actor, detail);
        self.review_held();
        if !is_paused {
            for run in running {
                self.open_gate(run, &Gate::Closed);
            }
        }
        step.plan.insert(dag_id.clone());
    }
}

/// The next run that a DAG's timetable makes.
fn next_run(entry: &DagEntry, now: Timestamp) -> Option<PlannedRun> {
    if entry.row.is_stale {
        return None;
    }
    let last = match (entry.row.last_interval_start, entry.row.last_interval_end) {
        (Some(start), Some(end)) => Some(DataInterval { start, end }),
        _ => None,
    };
    due_as_planned(entry, last, now).or_else(|| next_after(entry, last, now))
}

/// The planned run whose instant has just come, of a timetable that counts from "now": asked
/// again, it would pass over a listed instant, and an interval would drift with every delay. An
/// interval that is over by a whole one begins anew.
fn due_as_planned(
    entry: &DagEntry,
    last: Option<DataInterval>,
    now: Timestamp,
) -> Option<PlannedRun> {
    let dag = &entry.layout.as_ref()?.dag;
    if entry.row.is_paused || dag.catchup || !dag.allows(RunType::Scheduled) {
        return None;
    }
    let (at, date) = (entry.row.next_run_after?, entry.row.next_logical_date?);
    let is_new = last.is_none_or(|last| at > last.end);
    let is_current = match &dag.timetable {
        Timetable::Events { instants } => instants.binary_search(&at).is_ok(),
        Timetable::Every { every, data_intervals: false } => {
            every.after(at).is_some_and(|next| now < next)
        }
        _ => false,
    };
    let interval = DataInterval { start: date, end: at };
    let planned = PlannedRun { run_after: at, logical_date: date, data_interval: interval };
    (at <= now && is_new && is_current).then_some(planned)
}

fn next_after(entry: &DagEntry, last: Option<DataInterval>, now: Timestamp) -> Option<PlannedRun> {
    let dag = &entry.layout.as_ref()?.dag;
    if !dag.allows(RunType::Scheduled) {
        return None;
    }
    let bounds = Bounds { start: dag.start_date, end: dag.end_date, catchup: dag.catchup };
    dag.timetable.next_run(last, &bounds, now)
}

/// The date counts as planned.
fn pass(entry: &mut DagEntry, planned: &PlannedRun) {
    entry.row.last_interval_start = Some(planned.data_interval.start);
    entry.row.last_interval_end = Some(planned.data_interval.end);
}

/// The next planned runs that are due, at most [`DATES_AT_ONCE`].
fn planned_ahead(entry: &DagEntry, now: Timestamp) -> Vec<PlannedRun> {
    let mut ahead: Vec<PlannedRun> = Vec::new();
    let mut next = next_run(entry, now);
    while let Some(run) = next.filter(|run| run.run_after <= now) {
        if ahead.len() == DATES_AT_ONCE || ahead.last().is_some_and(|last| *last == run) {
            break;
        }
        ahead.push(run);
        next = next_after(entry, Some(run.data_interval), now);
    }
    ahead
}
