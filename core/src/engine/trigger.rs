//! `trigger_dag`: a task that starts a run of another DAG.
//!
//! The run is created in the same step as the end of the attempt, so in one transaction with it:
//! after a crash there are both or neither.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Engine;
use super::event::{Clear, Selection, Trigger};
use super::order::{Answer, conflict};
use super::step::Step;
use crate::ids::{DagId, RunId};
use crate::record::RunKey;
use crate::wait::{Condition, Elsewhere, WhichRun};
use crate::wire::{AttemptResult, Outcome, TriggerDemand};

/// The XCom with the name of the run (Airflow: `trigger_run_id`).
const RUN_ID_KEY: &str = "trigger_run_id";

impl Engine {
    /// Starts the run, and has the task wait for it or end.
    pub(super) fn trigger_from(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        mut result: AttemptResult,
        demand: TriggerDemand,
    ) {
        let dag_id = demand.trigger.dag_id.clone();
        let known = self.run_like(&demand.trigger).or_else(|| demand.known.clone());
        if let Some(run_id) = known.filter(|_| demand.skip_known && !demand.reset) {
            result.reason = Some(format!("dag \"{dag_id}\" has the run \"{run_id}\" already"));
            return self.skip_itself(step, key, slot, result);
        }
        let started = self.start_other(step, &demand);
        // A run that was loaded to be cleared, and was not.
        self.dismiss_visitors(step);
        let run_id = match started {
            Ok(run_id) => run_id,
            Err(refusal) => {
                result.outcome = Outcome::Failed;
                result.reason = Some(format!("dag \"{dag_id}\" was not triggered: {refusal}"));
                return self.fail(step, key, slot, result);
            }
        };
        result.xcoms.insert(RUN_ID_KEY.to_owned(), Value::from(run_id.as_str()));
        self.keep_values(step, key, slot, &mut result);
        let Some((allowed, failed)) = demand.wait else {
            result.outcome = Outcome::Success;
            result.reason = Some(format!("triggered the run \"{run_id}\" of dag \"{dag_id}\""));
            return self.succeed(step, key, slot, result);
        };
        let wanted = Elsewhere {
            dag_id,
            run: WhichRun::Id(run_id),
            task_ids: Vec::new(),
            group: None,
            allowed,
            failed,
            skipped: Vec::new(),
            check_existence: false,
        };
        let condition = Condition::Elsewhere(wanted);
        self.wait_for(step, key, slot, result, condition, demand.timeout_secs);
    }

    fn start_other(
        &mut self,
        step: &mut Step,
        demand: &TriggerDemand,
    ) -> Result<RunId, super::Refusal> {
        let dag_id = &demand.trigger.dag_id;
        if demand.fail_paused && self.dags.get(dag_id).is_some_and(|dag| dag.row.is_paused) {
            return Err(conflict(format!("dag \"{dag_id}\" is paused")));
        }
        let known = self.run_like(&demand.trigger).or_else(|| demand.known.clone());
        if let Some(run_id) = known {
            if !demand.reset {
                let text = format!(
                    "it has the run \"{run_id}\" already; use `reset_dag_run` or \
                                    `skip_when_already_exists`"
                );
                return Err(conflict(text));
            }
            self.clear_whole(step, dag_id, &run_id)?;
            return Ok(run_id);
        }
        let mut trigger = demand.trigger.clone();
        if demand.is_dated_now {
            trigger.logical_date = Some(self.free_date(dag_id, step.now));
        }
        let answer = self.trigger(step, trigger)?;
        let text = answer.as_str().unwrap_or_default();
        RunId::new(text).map_err(|error| conflict(error.to_string()))
    }

    /// The run in memory that has the name or the date of a trigger.
    fn run_like(&self, trigger: &Trigger) -> Option<RunId> {
        let dag_id = &trigger.dag_id;
        if let Some(run_id) = &trigger.run_id
            && self.find_run(dag_id, run_id).is_some()
        {
            return Some(run_id.clone());
        }
        let date = trigger.logical_date.map(crate::time::truncate)?;
        let double = self.siblings(dag_id).filter_map(|key| self.run(key));
        double.into_iter().find(|row| row.logical_date == Some(date)).map(|row| row.run_id.clone())
    }

    /// The next instant that is no run's logical date: two triggers of one instant get two.
    fn free_date(&self, dag_id: &DagId, now: Timestamp) -> Timestamp {
        let taken: BTreeSet<Timestamp> = self
            .siblings(dag_id)
            .filter_map(|key| self.run(key)?.logical_date)
            .filter(|date| *date >= now)
            .collect();
        let later = |at: Timestamp| at.checked_add(SignedDuration::from_micros(1)).ok();
        std::iter::successors(Some(now), |at| later(*at))
            .find(|at| !taken.contains(at))
            .unwrap_or(now)
    }

    fn clear_whole(&mut self, step: &mut Step, dag_id: &DagId, run_id: &RunId) -> Answer {
        let clear = Clear {
            dag_id: dag_id.clone(),
            run_id: run_id.clone(),
            more_runs: Vec::new(),
            prevent_running_task: false,
            note: None,
            selection: Selection::default(),
            reset_dag_run: true,
            run_on_latest_version: false,
            actor: None,
        };
        self.clear(step, &clear)?;
        Ok(json!(run_id))
    }
}
