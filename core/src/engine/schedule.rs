//! Planned runs: what the timetables of DAGs make due, and pausing.
//!
//! The cursor (the data interval of the last planned run) stands in the DAG's row and changes in
//! the same effects as the run it belongs to, so a planned run exists exactly once.

use jiff::Timestamp;
use serde_json::json;

use super::create::{blank_run, run_id_for};
use super::lifecycle::runs_max;
use super::line::Gate;
use super::settle::Timer;
use super::step::Step;
use super::{DagEntry, Engine};
use crate::ids::DagId;
use crate::record::RunKey;
use crate::state::RunType;
use crate::timetable::{Bounds, DataInterval, PlannedRun};

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

    fn create_planned(&mut self, step: &mut Step, dag_id: &DagId, planned: PlannedRun) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let Some(layout) = entry.layout.clone() else { return };
        entry.row.last_interval_start = Some(planned.data_interval.start);
        entry.row.last_interval_end = Some(planned.data_interval.end);
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
        }
        Self::touch_dag(entry, step);
        let kind = if is_paused { "paused" } else { "unpaused" };
        let running: Vec<RunKey> = entry.running.iter().copied().collect();
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
    let dag = &entry.layout.as_ref()?.dag;
    let last = match (entry.row.last_interval_start, entry.row.last_interval_end) {
        (Some(start), Some(end)) => Some(DataInterval { start, end }),
        _ => None,
    };
    let bounds = Bounds { start: dag.start_date, end: dag.end_date, catchup: dag.catchup };
    dag.timetable.next_run(last, &bounds, now)
}
