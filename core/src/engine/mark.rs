//! Marks: states set by hand. What failed below a marked task instance is cleared, so that it goes
//! on from there (Airflow: `set_task_instance_state`).
//!
//! [`plan_mark`] says which, for a dry run and for the order itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Engine;
use super::apply::run_event;
use super::event::{Mark, Refusal};
use super::order::{Answer, invalid};
use super::reach::{self, Spot};
use super::run::Run;
use super::select::{Scope, select};
use super::step::Step;
use super::transition::TaskEvent;
use crate::dag::Dag;
use crate::record::{Change, RunKey, TiKey, TiRow};
use crate::state::TaskState;

/// What a mark would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkPlan {
    /// Task instances that get the state.
    pub marked: Vec<TiKey>,
    /// Failed task instances that depend on them and are cleared.
    pub cleared: Vec<TiKey>,
}

/// The task instances that a mark would change, in the order of `rows`.
///
/// # Errors
/// [`Refusal::NotFound`] for a task that does not exist, [`Refusal::Invalid`] for a state that
/// cannot be set by hand.
pub fn plan_mark(dag: &Dag, rows: &[TiRow], mark: &Mark) -> Result<MarkPlan, Refusal> {
    if !matches!(mark.state, TaskState::Success | TaskState::Failed | TaskState::Skipped) {
        let text =
            format!("\"{}\" cannot be set by hand; use success, failed or skipped", mark.state);
        return Err(invalid("new_state", text));
    }
    let selected = select(dag, rows, &mark.selection, Scope::Exact)?;
    let changes = |row: &&TiRow| row.state != mark.state && row.state != TaskState::Removed;
    let marked: Vec<&TiRow> = selected.into_iter().filter(changes).collect();
    let starts: Vec<Spot> = marked.iter().filter_map(|row| reach::spot_of(dag, row)).collect();
    let below = reach::walk(dag, &starts, Dag::downstream);
    let ids: BTreeSet<TiKey> = marked.iter().map(|row| row.id).collect();
    let cleared = rows.iter().filter(|row| {
        matches!(row.state, TaskState::Failed | TaskState::UpstreamFailed)
            && reach::has(dag, &below, row)
            && !ids.contains(&row.id)
    });
    Ok(MarkPlan {
        cleared: cleared.map(|row| row.id).collect(),
        marked: marked.into_iter().map(|row| row.id).collect(),
    })
}

impl Engine {
    /// Marks in every run or, when one of them refuses, in none.
    pub(super) fn mark(&mut self, step: &mut Step, mark: &Mark) -> Answer {
        let plan = |run: &Run| {
            let rows: Vec<TiRow> = run.tis.iter().map(|ti| ti.row().clone()).collect();
            plan_mark(&run.layout.dag, &rows, mark)
        };
        let plans = self.plan_each(&mark.dag_id, &mark.run_id, &mark.more_runs, plan)?;
        let mut answer = Vec::new();
        for (key, plan) in plans {
            answer.extend(self.mark_run_tis(step, key, &plan, mark.state));
        }
        Ok(Value::Array(answer))
    }

    fn mark_run_tis(
        &mut self,
        step: &mut Step,
        key: RunKey,
        plan: &MarkPlan,
        state: TaskState,
    ) -> Vec<Value> {
        let event = match state {
            TaskState::Success => TaskEvent::ForcedSuccess,
            TaskState::Skipped => TaskEvent::ForcedSkipped,
            _ => TaskEvent::ForcedFailed,
        };
        let reason = format!("marked {state} by hand");
        let mut answer = Vec::with_capacity(plan.marked.len());
        for ti in &plan.marked {
            let Some(&(_, slot)) = self.tis.get(ti) else { continue };
            self.kill(step, key, slot, Some(state), &reason);
            let now = step.now;
            self.apply(step, key, slot, event, |row| {
                row.end_date = Some(now);
                row.retry_at = None;
                row.reason = Some(reason.clone());
            });
            if let (Some(row), Some(run)) = (self.ti(*ti), self.run(key)) {
                answer.push(json!({
                    "id": row.id,
                    "run_id": run.run_id,
                    "task_id": row.task_id,
                    "map_index": row.map_index,
                    "state": row.state,
                }));
            }
        }
        self.clear_instances(step, key, &plan.cleared);
        let Some(run) = self.runs.get(&key) else { return answer };
        let mut event = run_event(step, run.cell.row(), "marked", None, None);
        event.to = None;
        event.detail = Some(json!({ "state": state, "task_instances": answer }));
        let was_ended = run.cell.state().is_terminal();
        step.rest.push(Change::Event(event));
        if was_ended && !plan.cleared.is_empty() {
            self.requeue(step, key, true);
        }
        answer
    }
}
