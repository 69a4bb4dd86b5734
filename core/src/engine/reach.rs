//! What comes before and after single task instances.
//!
//! Within a mapped group an item meets only itself, beyond it all (Airflow:
//! `get_relevant_upstream_map_indexes`). Must not look at states.

use std::collections::BTreeSet;

use crate::dag::{Dag, TaskIndex};
use crate::record::TiRow;

/// All instances of a task, where an item could stand.
pub(super) const ALL_ITEMS: i32 = -1;

/// A task and one of its items, or [`ALL_ITEMS`].
pub(super) type Spot = (TaskIndex, i32);

/// The neighbours of a task on one side.
pub(super) type Next = fn(&Dag, TaskIndex) -> Vec<TaskIndex>;

/// The place of a row, unless its task is gone. An instance that is not expanded stands for all.
pub(super) fn spot_of(dag: &Dag, row: &TiRow) -> Option<Spot> {
    let (index, _) = dag.task(row.task_id.as_str())?;
    Some((index, row.map_index.max(ALL_ITEMS)))
}

/// Where one comes to at `other` from an item.
pub(super) fn across(dag: &Dag, (task, item): Spot, other: TaskIndex) -> Spot {
    let group = |task: TaskIndex| dag.tasks[task].mapping.as_ref()?.group.as_ref();
    let shares = group(task).is_some() && group(task).map(|g| &g.id) == group(other).map(|g| &g.id);
    (other, if shares { item } else { ALL_ITEMS })
}

/// Everything reached from some places, without them unless reached from another.
pub(super) fn walk(dag: &Dag, from: &[Spot], next: Next) -> BTreeSet<Spot> {
    let onward = |spot: Spot| next(dag, spot.0).into_iter().map(move |to| across(dag, spot, to));
    let mut seen = BTreeSet::new();
    let mut stack: Vec<Spot> = from.iter().flat_map(|&spot| onward(spot)).collect();
    while let Some(spot) = stack.pop() {
        if !seen.contains(&(spot.0, ALL_ITEMS)) && seen.insert(spot) {
            stack.extend(onward(spot));
        }
    }
    seen
}

/// Whether a row is at one of some places. A mapped task that is not expanded has one row for all.
pub(super) fn has(dag: &Dag, spots: &BTreeSet<Spot>, row: &TiRow) -> bool {
    let Some((task, item)) = spot_of(dag, row) else { return false };
    spots.contains(&(task, ALL_ITEMS))
        || spots.contains(&(task, item))
        || item == ALL_ITEMS && spots.range((task, 0)..=(task, i32::MAX)).next().is_some()
}
