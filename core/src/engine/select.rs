//! Which task instances an order is about.
//!
//! What comes before or after an item of a mapped group is what its own item has there; beyond the
//! group it is everything (`reach`).

use std::collections::BTreeSet;

use super::event::{Refusal, Selection};
use super::reach::{self, ALL_ITEMS, Spot};
use crate::dag::{Dag, TaskIndex};
use crate::ids::TaskId;
use crate::record::{TiKey, TiRow};
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
        rows.iter().filter(|row| wanted.has(dag, row)).filter(in_state).collect();
    if scope == Scope::WithSetups && !selection.only_running {
        let setups = setups_of(dag, &found);
        let ids: BTreeSet<TiKey> = found.iter().map(|row| row.id).collect();
        let is_chosen = |row: &&TiRow| ids.contains(&row.id) || reach::has(dag, &setups, row);
        found = rows.iter().filter(is_chosen).collect();
    }
    Ok(found)
}

/// What a selection names.
enum Wanted {
    All,
    /// Tasks that are gone from the DAG by name, the others by place.
    Some {
        gone: BTreeSet<TaskId>,
        spots: BTreeSet<Spot>,
        gone_items: Vec<(TaskId, i32)>,
    },
}

impl Wanted {
    fn of(dag: &Dag, rows: &[TiRow], selection: &Selection) -> Result<Self, Refusal> {
        if selection.is_all() {
            return Ok(Self::All);
        }
        let mut gone = BTreeSet::new();
        let mut gone_items = Vec::new();
        let mut spots: BTreeSet<Spot> = BTreeSet::new();
        for name in &selection.task_ids {
            match (dag.task(name.as_str()), dag.group(name.as_str())) {
                (Some((index, _)), _) => {
                    spots.insert((index, ALL_ITEMS));
                }
                (None, Some(group)) => {
                    spots.extend(group.tasks.iter().map(|&index| (index, ALL_ITEMS)));
                }
                (None, None) if rows.iter().any(|row| row.task_id == *name) => {
                    gone.insert(name.clone());
                }
                (None, None) => return Err(unknown(dag, name)),
            }
        }
        for (name, map_index) in &selection.items {
            let is_it = |row: &&TiRow| row.task_id == *name && row.map_index == *map_index;
            let Some(row) = rows.iter().find(is_it) else {
                return Err(no_item(dag, rows, name, *map_index));
            };
            match reach::spot_of(dag, row) {
                Some(spot) => {
                    spots.insert(spot);
                }
                None => gone_items.push((name.clone(), *map_index)),
            }
        }
        let starts: Vec<Spot> = spots.iter().copied().collect();
        if selection.include_upstream {
            spots.extend(reach::walk(dag, &starts, Dag::upstream));
        }
        if selection.include_downstream {
            spots.extend(reach::walk(dag, &starts, Dag::downstream));
        }
        Ok(Self::Some { gone, spots, gone_items })
    }

    fn has(&self, dag: &Dag, row: &TiRow) -> bool {
        match self {
            Self::All => true,
            Self::Some { gone, spots, gone_items } => {
                reach::has(dag, spots, row)
                    || gone.contains(&row.task_id)
                    || gone_items
                        .iter()
                        .any(|(task, at)| row.task_id == *task && row.map_index == *at)
            }
        }
    }
}

/// The setups in whose scope selected task instances are, and the teardowns of those and of
/// selected setups.
fn setups_of(dag: &Dag, rows: &[&TiRow]) -> BTreeSet<Spot> {
    let mut found = BTreeSet::new();
    if !dag.tasks.iter().any(|task| task.is_setup) {
        return found;
    }
    let teardowns = |setup: Spot| {
        let below = dag.downstream(setup.0).into_iter();
        let ends = below.filter(|&down| dag.tasks[down].is_teardown);
        ends.map(|end| reach::across(dag, setup, end)).collect::<Vec<_>>()
    };
    let selected: BTreeSet<Spot> = rows.iter().filter_map(|row| reach::spot_of(dag, row)).collect();
    for &spot in &selected {
        if dag.tasks[spot.0].is_setup {
            found.extend(teardowns(spot));
        }
        if dag.tasks[spot.0].is_teardown {
            continue;
        }
        let below: BTreeSet<TaskIndex> =
            reach::walk(dag, &[spot], Dag::downstream).into_iter().map(|(task, _)| task).collect();
        for above in reach::walk(dag, &[spot], Dag::upstream) {
            let ends = teardowns(above);
            let in_scope = ends.is_empty() || ends.iter().any(|(end, _)| below.contains(end));
            if dag.tasks[above.0].is_setup && in_scope {
                found.insert(above);
                found.extend(ends);
            }
        }
    }
    found
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
