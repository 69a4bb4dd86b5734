//! Marks: states set by hand. What failed below a marked task instance is cleared, so that it goes
//! on from there (Airflow: `set_task_instance_state`).
//!
//! [`plan_mark`] says which, for a dry run and for the order itself.

use serde_json::json;

use super::Engine;
use super::apply::run_event;
use super::event::{Mark, Refusal};
use super::order::{Answer, invalid, no_run};
use super::select::{Scope, select, walk};
use super::step::Step;
use super::transition::TaskEvent;
use crate::dag::{Dag, TaskIndex};
use crate::record::{Change, TiKey, TiRow};
use crate::state::TaskState;

/// What a mark would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkPlan {
    /// Task instances that get the state.
    pub marked: Vec<TiKey>,
    /// Failed task instances below them that are cleared.
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
    let starts: Vec<TaskIndex> =
        marked.iter().filter_map(|row| Some(dag.task(row.task_id.as_str())?.0)).collect();
    let below = walk(dag, &starts, Dag::downstream);
    let cleared = rows.iter().filter(|row| {
        matches!(row.state, TaskState::Failed | TaskState::UpstreamFailed)
            && dag.task(row.task_id.as_str()).is_some_and(|(index, _)| below.contains(&index))
            && !marked.iter().any(|other| other.id == row.id)
    });
    Ok(MarkPlan {
        cleared: cleared.map(|row| row.id).collect(),
        marked: marked.into_iter().map(|row| row.id).collect(),
    })
}

impl Engine {
    pub(super) fn mark(&mut self, step: &mut Step, mark: &Mark) -> Answer {
        let key = self.find(&mark.dag_id, &mark.run_id)?;
        let Some(run) = self.runs.get(&key) else {
            return Err(no_run(&mark.dag_id, &mark.run_id));
        };
        let rows: Vec<TiRow> = run.tis.iter().map(|ti| ti.row().clone()).collect();
        let plan = plan_mark(&run.layout.dag, &rows, mark)?;
        let event = match mark.state {
            TaskState::Success => TaskEvent::ForcedSuccess,
            TaskState::Skipped => TaskEvent::ForcedSkipped,
            _ => TaskEvent::ForcedFailed,
        };
        let reason = format!("marked {} by hand", mark.state);
        let mut answer = Vec::with_capacity(plan.marked.len());
        for ti in &plan.marked {
            let Some(&(_, slot)) = self.tis.get(ti) else { continue };
            self.kill(step, key, slot, Some(mark.state), &reason);
            let now = step.now;
            self.apply(step, key, slot, event, |row| {
                row.end_date = Some(now);
                row.retry_at = None;
                row.reason = Some(reason.clone());
            });
            if let Some(row) = self.ti(*ti) {
                answer.push(json!({
                    "id": row.id,
                    "task_id": row.task_id,
                    "map_index": row.map_index,
                    "state": row.state,
                }));
            }
        }
        self.clear_instances(step, key, &plan.cleared);
        let answer = serde_json::Value::Array(answer);
        let Some(run) = self.runs.get(&key) else { return Ok(answer) };
        let mut event = run_event(step, run.cell.row(), "marked", None, None);
        event.to = None;
        event.detail = Some(json!({ "state": mark.state, "task_instances": answer }));
        let was_ended = run.cell.state().is_terminal();
        step.rest.push(Change::Event(event));
        if was_ended && !plan.cleared.is_empty() {
            self.requeue(step, key, true);
        }
        Ok(answer)
    }
}
