//! Which task instances an order is about.

use std::collections::BTreeSet;

use super::event::{Refusal, Selection};
use crate::dag::{Dag, TaskIndex};
use crate::dagfile::nearest;
use crate::ids::TaskId;
use crate::record::TiRow;
use crate::state::TaskState;

/// Whether the scope of setups and teardowns is added to a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Only what is selected.
    Exact,
    /// Also the setups that what is selected needs, and their teardowns (Airflow: a clear).
    WithSetups,
}

/// The selected task instances, in the order of `rows`.
///
/// # Errors
/// A task that is neither in the DAG nor among the rows.
pub(super) fn select<'a>(
    dag: &Dag,
    rows: &'a [TiRow],
    selection: &Selection,
    scope: Scope,
) -> Result<Vec<&'a TiRow>, Refusal> {
    let wanted = tasks(dag, rows, selection, scope)?;
    let in_state = |row: &TiRow| {
        let failed = matches!(row.state, TaskState::Failed | TaskState::UpstreamFailed);
        (!selection.only_failed || failed)
            && (!selection.only_running || row.state == TaskState::Running)
    };
    let is_wanted = |row: &TiRow| wanted.as_ref().is_none_or(|ids| ids.contains(&row.task_id));
    Ok(rows.iter().filter(|row| is_wanted(row) && in_state(row)).collect())
}

/// The names of the selected tasks; none means all.
fn tasks(
    dag: &Dag,
    rows: &[TiRow],
    selection: &Selection,
    scope: Scope,
) -> Result<Option<BTreeSet<TaskId>>, Refusal> {
    if selection.task_ids.is_empty() {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    let mut found = BTreeSet::new();
    for task_id in &selection.task_ids {
        match dag.task(task_id.as_str()) {
            Some((index, _)) => {
                found.insert(index);
            }
            None if rows.iter().any(|row| row.task_id == *task_id) => {
                names.insert(task_id.clone());
            }
            None => return Err(unknown(dag, task_id)),
        }
    }
    let named: Vec<TaskIndex> = found.iter().copied().collect();
    if selection.include_upstream {
        found.extend(walk(dag, &named, Dag::upstream));
    }
    if selection.include_downstream {
        found.extend(walk(dag, &named, Dag::downstream));
    }
    if scope == Scope::WithSetups {
        add_setups(dag, &mut found);
    }
    names.extend(found.into_iter().map(|index| dag.tasks[index].task_id.clone()));
    Ok(Some(names))
}

/// Adds the setups in whose scope a task is, and the teardowns of those and of selected setups.
fn add_setups(dag: &Dag, found: &mut BTreeSet<TaskIndex>) {
    if !dag.tasks.iter().any(|task| task.is_setup) {
        return;
    }
    let teardowns = |setup: TaskIndex| {
        let below = dag.downstream(setup).into_iter();
        below.filter(|&down| dag.tasks[down].is_teardown).collect::<Vec<_>>()
    };
    for task in found.iter().copied().collect::<Vec<_>>() {
        if dag.tasks[task].is_setup {
            found.extend(teardowns(task));
        }
        if dag.tasks[task].is_teardown {
            continue;
        }
        let below = walk(dag, &[task], Dag::downstream);
        for above in walk(dag, &[task], Dag::upstream) {
            let ends = teardowns(above);
            let in_scope = ends.is_empty() || ends.iter().any(|end| below.contains(end));
            if dag.tasks[above].is_setup && in_scope {
                found.insert(above);
                found.extend(ends);
            }
        }
    }
}

/// Everything reached from some tasks, without them unless reached from another.
pub(super) fn walk(
    dag: &Dag,
    from: &[TaskIndex],
    next: fn(&Dag, TaskIndex) -> Vec<TaskIndex>,
) -> BTreeSet<TaskIndex> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<TaskIndex> = from.iter().flat_map(|&task| next(dag, task)).collect();
    while let Some(task) = stack.pop() {
        if seen.insert(task) {
            stack.extend(next(dag, task));
        }
    }
    seen
}

fn unknown(dag: &Dag, task_id: &TaskId) -> Refusal {
    let names = dag.tasks.iter().map(|task| task.task_id.as_str());
    let hint = nearest(task_id.as_str(), names).map(|name| format!("; did you mean \"{name}\"?"));
    Refusal::NotFound {
        what: format!(
            "task \"{task_id}\" is not in dag \"{}\"{}",
            dag.dag_id,
            hint.unwrap_or_default()
        ),
    }
}
