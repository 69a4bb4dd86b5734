//! One unfinished dag run in memory: its row, its task instances and their counters.
//!
//! Owns how counters follow from states ([`Run::recount`]); the hot path changes them one by one.
//! Must not decide anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::lane::InLane;
use super::layout::{DECISION_PROFILE, Layout, Node};
use super::line::{self, Gate, Rank};
use super::mapping::{Instances, Known};
use super::transition::{DagRun, TaskInstance};
use crate::dag::Task;
use crate::ids::TaskId;
use crate::operator::Place;
use crate::record::{RunKey, TiKey, TiRow};
use crate::state::{RunState, RunType, TaskState};
use crate::trigger_rule::{Setups, Upstream};

/// The worker name of attempts that are decided in the scheduler.
pub const SCHEDULER: &str = "scheduler";

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Run {
    pub(super) cell: DagRun,
    pub(super) layout: Arc<Layout>,
    /// The first instance of every task by task index; behind those, in the order of their
    /// numbers, further instances of mapped tasks and instances whose task is gone.
    pub(super) tis: Vec<Ti>,
    /// Which instances belong to which task.
    pub(super) instances: Instances,
    /// What all instances of a task count alike, by task index.
    pub(super) shared: Vec<Counts>,
    /// Attempts with workers by task index, for `max_active_tis_per_dagrun`.
    pub(super) active_of: Vec<u32>,
    /// What is known of what units are expanded over, by source of the layout.
    pub(super) lengths: Vec<Known>,
    /// Whether the instances of a unit are those of the lengths known, by unit.
    pub(super) revised: Vec<bool>,
    /// Not terminal.
    pub(super) unfinished: u32,
    /// Neither terminal nor without status: something will happen to them by itself.
    pub(super) live: u32,
    /// Wait only for the previous run.
    pub(super) waiting_for_past: BTreeSet<u32>,
    /// Wait until it is certain what came first; looked at again after every end.
    pub(super) unsettled: BTreeSet<u32>,
    /// Hold a slot of `max_active_tasks`.
    pub(super) active: u32,
    /// Scheduled instances by profile.
    pub(super) groups: BTreeMap<u16, Group>,
    pub(super) past: Past,
    /// The state in the database, when the row was changed in this step.
    pub(super) before: Option<RunState>,
    /// Created in this step: its row is written whole.
    pub(super) is_new: bool,
    /// Its place in its DAG's open backfill.
    pub(super) in_lane: Option<InLane>,
    pub(super) times_out_at: Option<Timestamp>,
    /// Its next deadline, while it has a timer.
    pub(super) deadline_at: Option<Timestamp>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ti {
    pub(super) cell: TaskInstance,
    /// What it alone counts: the instances of its own item.
    pub(super) own: Counts,
    /// What the database has, when the row was changed in this step.
    pub(super) before: Option<Stored>,
    /// Not in the database yet.
    pub(super) is_new: bool,
}

/// What a trigger rule looks at, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) up: Upstream,
    pub(super) setups: Setups,
    /// Decision tasks that may skip it and have not ended.
    pub(super) deciders_open: u32,
    /// For a teardown: unfinished tasks in its scope.
    pub(super) scope_open: u32,
}

impl Counts {
    pub(super) const fn and(&self, other: &Self) -> Self {
        Self {
            up: self.up.and(&other.up),
            setups: self.setups.and(&other.setups),
            deciders_open: self.deciders_open + other.deciders_open,
            scope_open: self.scope_open + other.scope_open,
        }
    }
}

/// What a compare-and-set of a task instance's row compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) state: TaskState,
    pub(super) try_number: u32,
    pub(super) epoch: u32,
}

/// Scheduled instances of one run that wait for the same limits.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Group {
    pub(super) waiting: BTreeSet<Rank>,
    /// What holds the first of them back.
    pub(super) parked: Option<(Gate, Rank)>,
}

/// The previous run, for `depends_on_past`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Past {
    /// Nobody looked yet; what looks back waits.
    Unknown,
    /// There is none, or nothing here looks back.
    None,
    /// It is in memory.
    Live(RunKey),
    /// It ended with these states.
    Ended { previous: Option<RunKey>, states: BTreeMap<(TaskId, i32), TaskState> },
}

impl Ti {
    pub(super) fn new(row: TiRow, is_new: bool) -> Self {
        Self { cell: TaskInstance::new(row), own: Counts::default(), before: None, is_new }
    }

    pub(super) fn row(&self) -> &TiRow {
        self.cell.row()
    }

    pub(super) fn state(&self) -> TaskState {
        self.cell.state()
    }

    /// Notes what the database has before the first change of a step; true the first time.
    pub(super) fn remember(&mut self) -> bool {
        let first = self.before.is_none();
        if first {
            let row = self.cell.row();
            self.before =
                Some(Stored { state: row.state, try_number: row.try_number, epoch: row.epoch });
        }
        first
    }
}

/// Where an instance in this state is or goes: a `when` is decided in the scheduler first, and the
/// first hand-out of a try is the one without a worker.
pub(super) fn place(row: &TiRow, task: &Task) -> Place {
    match row.state {
        TaskState::Running | TaskState::Restarting => {
            if row.worker.as_deref() == Some(SCHEDULER) {
                Place::Scheduler
            } else {
                Place::Worker
            }
        }
        _ if task.when.is_some() && row.worker.is_none() => Place::Scheduler,
        _ => task.place,
    }
}

impl Run {
    pub(super) fn key(&self) -> RunKey {
        self.cell.row().id
    }

    /// The task of a slot, unless it is gone from the DAG.
    pub(super) fn task(&self, slot: u32) -> Option<&Task> {
        Some(self.layout.task(self.instances.task_of(slot)?))
    }

    pub(super) fn node(&self, slot: u32) -> Option<&Node> {
        Some(self.layout.node(self.instances.task_of(slot)?))
    }

    /// The instances of `task` that the instance of `slot` looks at: all, or within a mapped group
    /// the one of the same item (Airflow: `get_relevant_upstream_map_indexes`).
    pub(super) fn related(&self, slot: u32, task: u32) -> &[u32] {
        let all = self.instances.of(task);
        let index = self.ti(slot).row().map_index;
        match self.instances.task_of(slot) {
            Some(own) if index >= 0 && self.layout.shares_item(own, task) => {
                match self.instances.place(&self.tis, task, index) {
                    Some(place) => &all[place..=place],
                    // The task was not expanded with the others.
                    None => match all.first() {
                        Some(first) if self.ti(*first).row().map_index < 0 => &all[..1],
                        _ => &[],
                    },
                }
            }
            _ => all,
        }
    }

    /// Every instance of some tasks that the instance of a slot looks at.
    pub(super) fn related_to<'a>(
        &'a self,
        slot: u32,
        tasks: &'a [u32],
    ) -> impl Iterator<Item = u32> + Clone + 'a {
        tasks.iter().flat_map(move |&task| self.related(slot, task).iter().copied())
    }

    /// What the rule of a slot looks at.
    pub(super) fn counts(&self, slot: u32) -> Counts {
        let own = &self.ti(slot).own;
        match self.instances.task_of(slot) {
            Some(task) => self.shared[task as usize].and(own),
            None => *own,
        }
    }

    /// The undecided instances of a task that are to be looked at when what all of them count has
    /// changed: one stands for all where they cannot differ.
    pub(super) fn undecided(&self, task: u32) -> impl Iterator<Item = u32> + '_ {
        let most = if self.stands_for_all(task) { 1 } else { usize::MAX };
        let all = self.instances.of(task).iter().copied();
        all.filter(|&slot| self.ti(slot).state() == TaskState::NoStatus).take(most)
    }

    /// Whether what the rule says about one instance of a task holds for all of them. What was
    /// removed upstream removes by index (see `trigger_rule`).
    pub(super) fn stands_for_all(&self, task: u32) -> bool {
        self.layout.node(task).is_uniform && self.shared[task as usize].up.removed == 0
    }

    /// `task`, or `task[3]` for a mapped instance.
    pub(super) fn name(&self, slot: u32) -> String {
        let row = self.ti(slot).row();
        match row.map_index {
            ..0 => row.task_id.to_string(),
            index => format!("{}[{index}]", row.task_id),
        }
    }

    pub(super) fn ti(&self, slot: u32) -> &Ti {
        &self.tis[slot as usize]
    }

    pub(super) fn ti_mut(&mut self, slot: u32) -> &mut Ti {
        &mut self.tis[slot as usize]
    }

    /// The slot numbers of all instances.
    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.tis.len()).unwrap_or(u32::MAX)
    }

    /// Where the instance of a slot is or goes; absent when its task is gone.
    pub(super) fn place(&self, slot: u32) -> Option<Place> {
        Some(place(self.ti(slot).row(), self.task(slot)?))
    }

    /// The limits that the instance of a slot needs to pass now.
    pub(super) fn profile(&self, slot: u32) -> u16 {
        match (self.place(slot), self.node(slot)) {
            (Some(Place::Worker), Some(node)) => node.profile,
            (Some(Place::Scheduler), Some(node)) if self.is_deferred(node.profile) => node.profile,
            _ => DECISION_PROFILE,
        }
    }

    /// Whether a profile is that of tasks that may wait without a slot.
    pub(super) fn is_deferred(&self, profile: u16) -> bool {
        self.layout.profiles.get(usize::from(profile)).is_some_and(|needs| needs.is_deferred)
    }

    /// Why a task has no part in this run, if its own dates say so (Airflow: outside of them it has
    /// no instance, except in a backfill).
    pub(super) fn outside_dates(&self, task: &Task) -> Option<String> {
        let row = self.cell.row();
        let date = row.logical_date.filter(|_| row.run_type != RunType::Backfill)?;
        let (key, limit) = match (task.start_date, task.end_date) {
            (Some(start), _) if date < start => ("start_date", start),
            (_, Some(end)) if date > end => ("end_date", end),
            _ => return None,
        };
        Some(format!(
            "it has no part in this run: its `{key}` is {}",
            crate::time::isoformat(limit)
        ))
    }

    pub(super) fn rank(&self, slot: u32) -> Rank {
        let (run, ti) = (self.cell.row(), self.ti(slot).row());
        Rank {
            is_behind: self.in_lane.is_some_and(|in_lane| in_lane.is_behind),
            turn: line::turn(ti.scheduled_at, ti.priority_weight),
            weight: -i64::from(ti.priority_weight),
            date: run.logical_date.unwrap_or(run.run_after).as_microsecond(),
            run: run.id,
            task: self.instances.task_of(slot).unwrap_or(u32::MAX),
            slot,
            map_index: ti.map_index,
            ti: ti.id,
        }
    }

    /// The instant that orders the runs of a DAG, and by which "previous" is meant.
    pub(super) fn date(&self) -> Timestamp {
        let row = self.cell.row();
        row.logical_date.unwrap_or(row.run_after)
    }

    /// Counts everything again from the states.
    pub(super) fn recount(&mut self) {
        let layout = Arc::clone(&self.layout);
        let ended: Vec<Ended> = (0..layout.nodes.len())
            .map(|task| Ended::of(self, u32::try_from(task).unwrap_or(u32::MAX)))
            .collect();
        let mut shared = vec![Counts::default(); layout.nodes.len()];
        let mut own = vec![Counts::default(); self.tis.len()];
        for (index, node) in layout.nodes.iter().enumerate() {
            let task = u32::try_from(index).unwrap_or(u32::MAX);
            let lists: [(&[u32], Count); 4] = [
                (&node.upstream, |counts, ended| counts.up = counts.up.and(&ended.up)),
                (&node.setups, |counts, ended| counts.setups = counts.setups.and(&ended.setups)),
                (&node.deciders, |counts, ended| counts.deciders_open += ended.open),
                (&node.scope, |counts, ended| counts.scope_open += ended.open),
            ];
            for (others, count) in lists {
                for &other in others {
                    if !layout.shares_item(task, other) {
                        count(&mut shared[index], &ended[other as usize]);
                        continue;
                    }
                    let is_setup = layout.task(other).is_setup;
                    for &slot in self.instances.of(task) {
                        let one = Ended::of_slots(self, self.related(slot, other), is_setup);
                        count(&mut own[slot as usize], &one);
                    }
                }
            }
        }
        self.shared = shared;
        for (ti, own) in self.tis.iter_mut().zip(own) {
            ti.own = own;
        }
        let count = |test: fn(TaskState) -> bool| {
            let found = self.tis.iter().filter(|ti| test(ti.state())).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        self.unfinished = count(|state| !state.is_terminal());
        self.live = count(is_live);
    }

    /// The states of all instances by task and item, for a later run that looks back.
    pub(super) fn states(&self) -> BTreeMap<(TaskId, i32), TaskState> {
        let rows = self.tis.iter().map(Ti::row);
        rows.map(|row| ((row.task_id.clone(), row.map_index), row.state)).collect()
    }

    pub(super) fn key_of(&self, slot: u32) -> TiKey {
        self.ti(slot).row().id
    }
}

/// Adds how a task ended to the counts of another.
type Count = fn(&mut Counts, &Ended);

/// How some instances of one task ended.
struct Ended {
    up: Upstream,
    setups: Setups,
    /// Unfinished ones.
    open: u32,
}

impl Ended {
    fn of(run: &Run, task: u32) -> Self {
        Self::of_slots(run, run.instances.of(task), run.layout.task(task).is_setup)
    }

    fn of_slots(run: &Run, slots: &[u32], is_setup: bool) -> Self {
        let mut ended = Self { up: Upstream::default(), setups: Setups::default(), open: 0 };
        for &slot in slots {
            let state = run.ti(slot).state();
            ended.up.add(state, is_setup);
            ended.setups.total += 1;
            ended.setups.finish(state);
            ended.open += u32::from(!state.is_terminal());
        }
        ended
    }
}

/// Whether something will happen to an instance in this state without any other ending.
pub(super) fn is_live(state: TaskState) -> bool {
    !state.is_terminal() && state != TaskState::NoStatus
}
