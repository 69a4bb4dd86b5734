//! Which task instances an order is about.

use std::collections::BTreeSet;

use super::event::{Refusal, Selection};
use crate::dag::{Dag, TaskIndex};
use crate::ids::TaskId;
use crate::record::TiRow;
use crate::state::TaskState;
use crate::suggest::nearest;

/// Whether the scope of setups and teardowns is added to a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Only what is selected.
    Exact,
    /// Also the setups that what is selected needs, and their teardowns (Airflow: a clear). With
    /// `only_failed` they come along although they have not failed: a task that is tried again
    /// needs what its teardown took away. What runs has them still.
    WithSetups,
}

/// The selected task instances, in the order of `rows`.
///
/// # Errors
/// A task or group that is neither in the DAG nor among the rows.
pub(super) fn select<'a>(
    dag: &Dag,
    rows: &'a [TiRow],
    selection: &Selection,
    scope: Scope,
) -> Result<Vec<&'a TiRow>, Refusal> {
    let wanted = Wanted::of(dag, rows, selection)?;
    if selection.only_new {
        return Ok(Vec::new());
    }
    let in_state = |row: &&TiRow| {
        let failed = matches!(row.state, TaskState::Failed | TaskState::UpstreamFailed);
        (!selection.only_failed || failed)
            && (!selection.only_running || row.state == TaskState::Running)
    };
    let mut found: Vec<&TiRow> =
        rows.iter().filter(|row| wanted.has(row)).filter(in_state).collect();
    if scope == Scope::WithSetups && !selection.only_running {
        let names = setups_of(dag, &found);
        let is_found = |row: &TiRow| found.iter().any(|other| other.id == row.id);
        let chosen: Vec<&TiRow> = rows
            .iter()
            .filter(|row| names.contains(row.task_id.as_str()) || is_found(row))
            .collect();
        found = chosen;
    }
    Ok(found)
}

/// What a selection names.
enum Wanted {
    All,
    Some { tasks: BTreeSet<TaskId>, items: Vec<(TaskId, i32)> },
}

impl Wanted {
    fn of(dag: &Dag, rows: &[TiRow], selection: &Selection) -> Result<Self, Refusal> {
        if selection.is_all() {
            return Ok(Self::All);
        }
        let mut tasks = BTreeSet::new();
        let mut found = BTreeSet::new();
        let mut starts = Vec::new();
        for name in &selection.task_ids {
            match (dag.task(name.as_str()), dag.group(name.as_str())) {
                (Some((index, _)), _) => {
                    found.insert(index);
                }
                (None, Some(group)) => found.extend(group.tasks.iter().copied()),
                (None, None) if rows.iter().any(|row| row.task_id == *name) => {
                    tasks.insert(name.clone());
                }
                (None, None) => return Err(unknown(dag, name)),
            }
        }
        for (name, map_index) in &selection.items {
            let exists = rows.iter().any(|row| row.task_id == *name && row.map_index == *map_index);
            match dag.task(name.as_str()) {
                _ if !exists => return Err(no_item(dag, rows, name, *map_index)),
                Some((index, _)) => starts.push(index),
                None => {}
            }
        }
        starts.extend(found.iter().copied());
        if selection.include_upstream {
            found.extend(walk(dag, &starts, Dag::upstream));
        }
        if selection.include_downstream {
            found.extend(walk(dag, &starts, Dag::downstream));
        }
        tasks.extend(found.into_iter().map(|index| dag.tasks[index].task_id.clone()));
        Ok(Self::Some { tasks, items: selection.items.clone() })
    }

    fn has(&self, row: &TiRow) -> bool {
        match self {
            Self::All => true,
            Self::Some { tasks, items } => {
                tasks.contains(&row.task_id)
                    || items.iter().any(|(task, at)| row.task_id == *task && row.map_index == *at)
            }
        }
    }
}

/// The names of the setups in whose scope selected tasks are, and of the teardowns of those and of
/// selected setups.
fn setups_of<'a>(dag: &'a Dag, rows: &[&TiRow]) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<TaskIndex> =
        rows.iter().filter_map(|row| Some(dag.task(row.task_id.as_str())?.0)).collect();
    let selected = found.clone();
    add_setups(dag, &mut found);
    found.difference(&selected).map(|&index| dag.tasks[index].task_id.as_str()).collect()
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

fn no_item(dag: &Dag, rows: &[TiRow], task_id: &TaskId, map_index: i32) -> Refusal {
    let items = rows.iter().filter(|row| row.task_id == *task_id).count();
    if items == 0 && dag.task(task_id.as_str()).is_none() {
        return unknown(dag, task_id);
    }
    Refusal::NotFound {
        what: format!("task \"{task_id}\" has no item {map_index} in this run; it has {items}"),
    }
}

fn unknown(dag: &Dag, task_id: &TaskId) -> Refusal {
    let groups = dag.groups.iter().map(|group| group.group_id.as_str());
    let names = dag.tasks.iter().map(|task| task.task_id.as_str()).chain(groups);
    let hint = nearest(task_id.as_str(), names).map(|name| format!("; did you mean \"{name}\"?"));
    Refusal::NotFound {
        what: format!(
            "task \"{task_id}\" is not in dag \"{}\"{}",
            dag.dag_id,
            hint.unwrap_or_default()
        ),
    }
}
