//! Mapped tasks: which instances they have, and when they get them.
//!
//! A task that is mapped over literals has its instances from the start. One that is mapped over
//! what another gave is a single instance with index -1 until its trigger rule holds; then it is
//! expanded, and what vanished since an earlier expansion is removed (Airflow:
//! `TaskMap.expand_mapped_task`, `_revise_map_indexes_if_mapped`). The lengths are asked of the
//! shell as soon as what gives them has ended ([`super::Effects::lengths_wanted`]), so that what is
//! known follows from the states alone. A mapped group is expanded as one.

use std::collections::BTreeMap;

use super::Engine;
use super::clear::reset;
use super::create::new_ti;
use super::evaluate::Outlook;
use super::event::LengthWanted;
use super::layout::Layout;
use super::notice::Occasion;
use super::run::{Run, Ti};
use super::step::Step;
use super::transition::TaskEvent;
use crate::ids::TaskId;
use crate::mapping::{Length, Mapping, Unmappable};
use crate::record::{Change, RunKey, TiRow};
use crate::state::{RunState, TaskState};

/// Which instances belong to which task.
#[derive(Debug, Clone, Default)]
pub(super) struct Instances {
    /// By task index, in the order of their map indexes.
    slots: Vec<Vec<u32>>,
    /// By slot; none where the task is gone.
    tasks: Vec<Option<u32>>,
}

/// What is known of what a unit is expanded over.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// It is not there yet.
    Not,
    /// The shell was asked, when its instances had been handed out so often.
    Asked(u64),
    /// It has that many elements.
    Is(Length),
}

impl Instances {
    /// Sorts the rows of a run: `tis` has the first instance of every task first.
    pub(super) fn of_rows(layout: &Layout, tis: &[Ti]) -> Self {
        let mut instances = Self { slots: vec![Vec::new(); layout.nodes.len()], tasks: Vec::new() };
        for ti in tis {
            let row = ti.row();
            let slot = instances.tasks.len();
            let task = layout.find(row.task_id.as_str());
            let task = task
                .filter(|&task| slot < layout.nodes.len() || belongs(layout, task, row.map_index));
            instances.add(task, tis, row.map_index);
        }
        instances
    }

    /// The instances of a task, by index.
    pub(super) fn of(&self, task: u32) -> &[u32] {
        self.slots.get(task as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// The task of a slot, unless it is gone.
    pub(super) fn task_of(&self, slot: u32) -> Option<u32> {
        self.tasks.get(slot as usize).copied().flatten()
    }

    /// The place among a task's instances of the one with a map index.
    pub(super) fn place(&self, tis: &[Ti], task: u32, map_index: i32) -> Option<usize> {
        let slots = self.of(task);
        let index_at = |slot: u32| tis[slot as usize].row().map_index;
        let guess = usize::try_from(map_index).ok()?;
        if slots.get(guess).is_some_and(|&slot| index_at(slot) == map_index) {
            return Some(guess);
        }
        slots.binary_search_by_key(&map_index, |&slot| index_at(slot)).ok()
    }

    /// Adds the next slot.
    fn add(&mut self, task: Option<u32>, tis: &[Ti], map_index: i32) {
        let slot = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        self.tasks.push(task);
        let Some(slots) = task.and_then(|task| self.slots.get_mut(task as usize)) else { return };
        let at = slots.partition_point(|&other| tis[other as usize].row().map_index < map_index);
        slots.insert(at, slot);
    }
}

/// Whether a task has instances with such an index at all.
pub(super) fn belongs(layout: &Layout, task: u32, map_index: i32) -> bool {
    map_index < 0 || layout.node(task).unit.is_some()
}

/// How many instances a task has from the start: those of literals, up to the limit.
pub(super) fn instances_at_start(task: &crate::dag::Task, most: u32) -> Option<u32> {
    let count = task.mapping.as_deref().and_then(Mapping::literal_count)?;
    u32::try_from(count).ok().filter(|count| (1..=most).contains(count))
}

impl Run {
    /// Whether something here waits for the lengths of what it is mapped over.
    pub(super) fn asks_lengths(&self) -> bool {
        self.lengths.iter().any(|known| matches!(known, Known::Asked(_)))
    }

    /// The run begins (again): what units are expanded over is asked anew.
    pub(super) fn forget_lengths(&mut self) {
        self.lengths.fill(Known::Not);
        self.revised.fill(false);
    }

    /// How often the instances of a task were handed out; another number means other output.
    fn hand_outs(&self, task: u32) -> u64 {
        let slots = self.instances.of(task).iter();
        slots.map(|&slot| u64::from(self.ti(slot).row().epoch)).sum()
    }

    /// How many elements a source has, if that is known. A mapped task that gave nothing gave an
    /// empty list.
    fn length_of(&self, task_id: &TaskId, key: &str) -> Option<Length> {
        let task = self.layout.find(task_id.as_str())?;
        let place = self.layout.sources.iter().position(|s| s.task == task && s.key == key)?;
        match &self.lengths[place] {
            Known::Is(Length::Missing) if self.layout.node(task).unit.is_some() => {
                Some(Length::Elements { count: 0, are_maps: true })
            }
            Known::Is(length) => Some(length.clone()),
            Known::Not | Known::Asked(_) => None,
        }
    }
}

/// What becomes of an instance whose rule holds, given what it is mapped over; `most` is the
/// installation's `max_map_length`.
pub(super) fn mapped(run: &Run, slot: u32, most: u32) -> Outlook {
    let task = run.instances.task_of(slot);
    let Some((task, unit)) = task.and_then(|task| Some((task, run.layout.unit_of(task)?))) else {
        return Outlook::Runs;
    };
    let mut is_known = true;
    let count = unit.mapping.count(|task_id, key| {
        run.length_of(task_id, key).unwrap_or_else(|| {
            is_known = false;
            Length::Elements { count: 0, are_maps: true }
        })
    });
    let index = run.ti(slot).row().map_index;
    match count {
        _ if !is_known => Outlook::Waits,
        Err(Unmappable::Missing(task_id)) => {
            Outlook::UpstreamFailed(Some(format!("\"{task_id}\" gave nothing to expand over")))
        }
        Err(Unmappable::Wrong(text)) => Outlook::Fails(text),
        Ok(0) if index < 0 => Outlook::Skipped("there is nothing to expand over".to_owned()),
        Ok(count) if count > u64::from(most) => Outlook::Fails(format!(
            "it would have {count} instances, more than max_map_length allows ({most}); map over \
             less, or raise max_map_length"
        )),
        Ok(count) => {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let is_revised = run.layout.node(task).unit.is_some_and(|at| run.revised[at as usize]);
            match u32::try_from(index) {
                _ if !is_revised => Outlook::Expands(count),
                Err(_) => Outlook::Expands(count),
                Ok(index) if index >= count => Outlook::Removed,
                Ok(_) => Outlook::Runs,
            }
        }
    }
}

impl Engine {
    /// Asks for the lengths of what has ended by now, and forgets those of what runs again.
    pub(super) fn review_sources(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        if run.layout.sources.is_empty() {
            return;
        }
        let layout = std::sync::Arc::clone(&run.layout);
        let is_running = run.cell.state() == RunState::Running;
        for (place, source) in layout.sources.iter().enumerate() {
            let mut slots = run.instances.of(source.task).iter();
            if !is_running || slots.any(|&slot| !run.ti(slot).state().is_terminal()) {
                if run.lengths[place] != Known::Not {
                    run.forget_length(place);
                }
            } else if run.lengths[place] == Known::Not {
                let hand_outs = run.hand_outs(source.task);
                run.lengths[place] = Known::Asked(hand_outs);
                step.lengths_wanted.push(LengthWanted {
                    run: key,
                    task_id: layout.task(source.task).task_id.clone(),
                    key: source.key.clone(),
                    hand_outs,
                });
            }
        }
    }

    /// Takes the answer about a length; one to an older question changes nothing.
    pub(super) fn load_length(&mut self, step: &mut Step, wanted: &LengthWanted, length: Length) {
        let Some(run) = self.runs.get_mut(&wanted.run) else { return };
        let layout = std::sync::Arc::clone(&run.layout);
        let Some(task) = layout.find(wanted.task_id.as_str()) else { return };
        let is_meant =
            |source: &super::layout::MapSource| source.task == task && source.key == wanted.key;
        let Some(place) = layout.sources.iter().position(is_meant) else { return };
        if run.lengths[place] != Known::Asked(wanted.hand_outs) {
            return;
        }
        run.lengths[place] = Known::Is(length);
        for unit in layout.units.iter().filter(|unit| uses(&unit.mapping, wanted)) {
            for &task in &unit.tasks {
                step.evaluate.extend(run.undecided(task).map(|slot| (wanted.run, slot)));
            }
        }
        step.check.insert(wanted.run);
    }

    /// Gives the tasks of a unit their instances: so many, no more and no fewer. Whether something
    /// changed by that.
    pub(super) fn expand(&mut self, step: &mut Step, key: RunKey, slot: u32, count: u32) -> bool {
        let Some(run) = self.runs.get_mut(&key) else { return false };
        let layout = std::sync::Arc::clone(&run.layout);
        let task = run.instances.task_of(slot);
        let Some(at) = task.and_then(|task| layout.node(task).unit) else { return false };
        run.revised[at as usize] = true;
        let mut is_changed = false;
        for &task in &layout.units[at as usize].tasks {
            is_changed |= self.expand_task(step, key, task, count);
        }
        if is_changed {
            step.recount.insert(key);
        }
        is_changed
    }

    /// Whether something changed.
    fn expand_task(&mut self, step: &mut Step, key: RunKey, task: u32, count: u32) -> bool {
        let Some(run) = self.runs.get(&key) else { return false };
        let mut by_index: BTreeMap<i32, u32> = BTreeMap::new();
        for &slot in run.instances.of(task) {
            by_index.insert(run.ti(slot).row().map_index, slot);
        }
        let mut is_changed = false;
        if let Some(slot) = by_index.remove(&-1) {
            if run.ti(slot).state() != TaskState::NoStatus {
                // It was decided before the others could be expanded.
                return false;
            }
            // Where there is nothing to expand over, its own rule says what becomes of it.
            is_changed = count > 0;
            if count > 0 && by_index.contains_key(&0) {
                self.remove(step, key, slot);
            } else if count > 0 {
                self.become_first(step, key, slot);
                by_index.insert(0, slot);
            }
        }
        for (&index, &slot) in &by_index {
            let Some(run) = self.runs.get(&key) else { return is_changed };
            let is_beyond = u32::try_from(index).is_ok_and(|index| index >= count);
            let is_removed = run.ti(slot).state() == TaskState::Removed;
            if is_beyond && !is_removed {
                self.remove(step, key, slot);
                is_changed = true;
            } else if !is_beyond && is_removed {
                let retries = run.task(slot).map_or(0, |task| task.retries);
                self.apply(step, key, slot, TaskEvent::Restored, |row| {
                    reset(row);
                    // It is new again, as after a clear.
                    row.max_tries = row.try_number + retries;
                });
                is_changed = true;
            }
        }
        for index in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            if !by_index.contains_key(&index) {
                self.add_instance(step, key, task, index);
                is_changed = true;
            }
        }
        is_changed
    }

    /// The single instance of a task that is expanded becomes its first.
    fn become_first(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let is_new_run = run.is_new;
        let ti = run.ti_mut(slot);
        if ti.remember() && !is_new_run {
            step.tis.push(ti.row().id);
        }
        ti.cell.edit(|row| row.map_index = 0);
    }

    fn add_instance(&mut self, step: &mut Step, key: RunKey, task: u32, map_index: i32) {
        self.last.ti += 1;
        let id = self.last.ti;
        let Some(run) = self.runs.get_mut(&key) else { return };
        let row = new_ti(id, run.cell.row(), &run.layout, run.layout.task(task), map_index);
        let slot = u32::try_from(run.tis.len()).unwrap_or(u32::MAX);
        run.tis.push(Ti::new(row, true));
        run.instances.add(Some(task), &run.tis, map_index);
        if !run.is_new {
            step.tis.push(id);
        }
        self.tis.insert(id, (key, slot));
    }

    /// Removes an instance, with what it gave: nobody counts it any more.
    pub(super) fn remove(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let reason = "its mapped item no longer exists";
        self.kill(step, key, slot, Some(TaskState::Removed), reason);
        if let Some(row) =
            self.runs.get(&key).map(|run| run.ti(slot).row()).filter(|row| row.epoch > 0)
        {
            step.rest.push(Change::XComsCleared(row.id));
        }
        self.apply(step, key, slot, TaskEvent::Removed, |row| {
            row.reason = Some(reason.to_owned());
            row.retry_at = None;
        });
    }

    /// A mapped task that cannot be expanded fails; there is no attempt to retry.
    pub(super) fn fail_unexpanded(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        reason: String,
    ) {
        let now = step.now;
        self.apply(step, key, slot, TaskEvent::Failed, |row: &mut TiRow| {
            row.end_date = Some(now);
            row.reason = Some(reason);
        });
        self.notify(step, key, slot, Occasion::Failure);
        if self.runs.get(&key).is_some_and(|run| run.layout.dag.fail_fast) {
            self.stop_the_rest(step, key, slot);
        }
    }
}

impl Run {
    /// What a source gives runs again: what is expanded over it is looked at anew.
    fn forget_length(&mut self, place: usize) {
        self.lengths[place] = Known::Not;
        let source = &self.layout.sources[place];
        let task_id = &self.layout.task(source.task).task_id;
        for (unit, revised) in self.layout.units.iter().zip(&mut self.revised) {
            let is_over = unit.mapping.sources().any(|from| {
                matches!(from, crate::mapping::Source::XCom { task_id: of, .. } if of == task_id)
            });
            if is_over {
                *revised = false;
            }
        }
    }
}

fn uses(mapping: &Mapping, wanted: &LengthWanted) -> bool {
    mapping.sources().any(|source| {
        matches!(source, crate::mapping::Source::XCom { task_id, key }
            if *task_id == wanted.task_id && *key == wanted.key)
    })
}
