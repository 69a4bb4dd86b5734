//! Orders about backfills: create, pause, unpause, cancel.
//!
//! The rules of what a backfill may be are `crate::backfill`'s; what follows from a lane is `lane`'s.

use serde_json::json;

use super::Engine;
use super::event::{BackfillOrder, NewBackfill, Refusal};
use super::lane::{Lane, answer};
use super::order::{Answer, conflict};
use super::step::Step;
use crate::backfill::{BackfillDateRow, BackfillKey, BackfillRow, PlanError, Wanted, dates};
use crate::ids::DagId;
use crate::record::{Change, RunKey};
use crate::state::{BackfillDateState, BackfillEnding, RunState};
use crate::timetable::PlannedRun;

impl Engine {
    pub(super) fn backfill(&mut self, step: &mut Step, order: BackfillOrder) -> Answer {
        match order {
            BackfillOrder::Create(new) => self.create_backfill(step, new),
            BackfillOrder::Pause { id, is_paused, actor } => {
                let dag_id = self.find_backfill(id)?;
                let now = step.now;
                let Some(lane) = self.lane_mut(&dag_id) else { return Err(ended(id)) };
                if lane.row.ending.is_some() {
                    return Err(ended(id));
                }
                if lane.row.is_paused != is_paused {
                    lane.row.is_paused = is_paused;
                    lane.row.updated_at = now;
                    let kind = if is_paused { "backfill_paused" } else { "backfill_unpaused" };
                    let detail = json!({ "backfill": id });
                    step.event_with(Some(&dag_id), kind, actor.as_deref(), Some(detail));
                    step.backfills.insert(dag_id.clone());
                    step.plan.insert(dag_id);
                }
                Ok(json!({ "id": id, "is_paused": is_paused }))
            }
            BackfillOrder::Cancel { id, stop_running, actor } => {
                self.cancel_backfill(step, id, stop_running, actor)
            }
        }
    }

    fn create_backfill(&mut self, step: &mut Step, new: NewBackfill) -> Answer {
        let entry = self.find_dag(&new.dag_id)?;
        let layout = super::order::runnable(entry)?;
        if let Some(lane) = &entry.lane {
            return Err(conflict(format!(
                "dag \"{}\" has a backfill already: number {} is {}, with {} unfinished runs",
                new.dag_id,
                lane.row.id,
                lane.row.state(),
                lane.row.runs_active
            )));
        }
        let wanted = Wanted {
            from_date: new.from_date,
            to_date: new.to_date,
            run_backwards: new.run_backwards,
            reprocess_behavior: new.reprocess_behavior,
            max_active_runs: new.max_active_runs,
            conf: new.conf.as_ref(),
        };
        let dates = dates(&layout.dag, &wanted, step.now).map_err(|error| match error {
            PlanError::NotAllowed(what) => conflict(what),
            PlanError::Invalid(problems) => Refusal::Invalid { problems },
        })?;
        self.last.backfill += 1;
        let row = new_row(self.last.backfill, &new, layout.version, dates.len(), step);
        let dates = date_rows(row.id, &dates);
        step.rest.push(Change::BackfillCreated(Box::new(row.clone()), dates.clone()));
        let detail = json!({
            "backfill": row.id, "from_date": crate::time::rest(row.from_date),
            "to_date": crate::time::rest(row.to_date), "dates": row.dates_total,
            "reprocess_behavior": row.reprocess_behavior, "run_backwards": row.run_backwards,
        });
        let actor = new.actor.as_deref();
        step.event_with(Some(&new.dag_id), "backfill_created", actor, Some(detail));
        let answer = answer(&row);
        if let Some(entry) = self.dags.get_mut(&new.dag_id) {
            entry.lane = Some(Box::new(Lane {
                row,
                layout: Some(layout),
                waiting: dates.into(),
                active: std::collections::BTreeMap::new(),
                is_asked: false,
            }));
        }
        step.plan.insert(new.dag_id);
        Ok(answer)
    }

    fn cancel_backfill(
        &mut self,
        step: &mut Step,
        id: BackfillKey,
        stop_running: bool,
        actor: Option<String>,
    ) -> Answer {
        let dag_id = self.find_backfill(id)?;
        let Some(lane) = self.lane_mut(&dag_id) else { return Err(ended(id)) };
        if lane.row.ending.is_none() {
            // Airflow: a cancelled backfill is also paused.
            lane.row.is_paused = true;
            let ending = BackfillEnding::Cancelled;
            self.end_lane(step, &dag_id, ending, None, actor.as_deref());
        } else if !stop_running {
            return Err(ended(id));
        }
        let Some(entry) = self.dags.get(&dag_id) else { return Err(ended(id)) };
        let mut stopped: Vec<RunKey> = entry.lane_queued.iter().copied().collect();
        if stop_running {
            stopped.extend(&entry.lane_running);
        }
        step.actor = actor;
        for key in &stopped {
            let reason = format!("backfill {id} was cancelled");
            self.force_run(step, *key, RunState::Failed, &reason);
        }
        Ok(json!({ "id": id, "stopped_runs": stopped.len() }))
    }

    /// The DAG of an open backfill.
    fn find_backfill(&self, id: BackfillKey) -> Result<DagId, Refusal> {
        let of = |entry: &super::DagEntry| {
            entry.lane.as_ref().filter(|lane| lane.row.id == id).map(|_| entry.row.dag_id.clone())
        };
        self.dags.values().find_map(of).ok_or_else(|| {
            if (1..=self.last.backfill).contains(&id) {
                return ended(id);
            }
            Refusal::NotFound { what: format!("backfill {id} does not exist") }
        })
    }
}

fn ended(id: BackfillKey) -> Refusal {
    conflict(format!("backfill {id} has ended already"))
}

fn new_row(id: i64, new: &NewBackfill, version: i64, dates: usize, step: &Step) -> BackfillRow {
    let dates_total = u32::try_from(dates).unwrap_or(u32::MAX);
    BackfillRow {
        id,
        dag_id: new.dag_id.clone(),
        from_date: new.from_date,
        to_date: new.to_date,
        run_backwards: new.run_backwards,
        reprocess_behavior: new.reprocess_behavior,
        max_active_runs: new.max_active_runs,
        stop_after_failures: new.stop_after_failures,
        run_on_latest_version: new.run_on_latest_version,
        conf: new.conf.clone(),
        version,
        is_paused: false,
        is_open: true,
        ending: None,
        reason: None,
        dates_total,
        dates_waiting: dates_total,
        runs_active: 0,
        runs_succeeded: 0,
        runs_failed: 0,
        dates_skipped: 0,
        triggering_user: new.actor.clone(),
        created_at: step.now,
        updated_at: step.now,
        completed_at: None,
    }
}

fn date_rows(backfill: BackfillKey, dates: &[PlannedRun]) -> Vec<BackfillDateRow> {
    let row = |(ordinal, run): (u32, &PlannedRun)| BackfillDateRow {
        backfill,
        sort_ordinal: ordinal,
        logical_date: run.logical_date,
        data_interval_start: run.data_interval.start,
        data_interval_end: run.data_interval.end,
        run_after: run.run_after,
        state: BackfillDateState::Waiting,
        run: None,
        exception_reason: None,
    };
    (1..).zip(dates).map(row).collect()
}
