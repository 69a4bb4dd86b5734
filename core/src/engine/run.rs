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
    /// By task index of the layout; behind those, instances whose task is gone.
    pub(super) tis: Vec<Ti>,
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
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ti {
    pub(super) cell: TaskInstance,
    pub(super) up: Upstream,
    pub(super) setups: Setups,
    /// Decision tasks that may skip it and have not ended.
    pub(super) deciders_open: u32,
    /// For a teardown: unfinished tasks in its scope.
    pub(super) scope_open: u32,
    /// What the database has, when the row was changed in this step.
    pub(super) before: Option<Stored>,
    /// Not in the database yet.
    pub(super) is_new: bool,
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
    Ended { previous: Option<RunKey>, states: BTreeMap<TaskId, TaskState> },
}

impl Ti {
    pub(super) fn new(row: TiRow, is_new: bool) -> Self {
        Self {
            cell: TaskInstance::new(row),
            up: Upstream::default(),
            setups: Setups::default(),
            deciders_open: 0,
            scope_open: 0,
            before: None,
            is_new,
        }
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
        self.layout.dag.tasks.get(slot as usize)
    }

    pub(super) fn node(&self, slot: u32) -> Option<&Node> {
        self.layout.nodes.get(slot as usize)
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
            _ => DECISION_PROFILE,
        }
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
        let states: Vec<TaskState> = self.tis.iter().map(Ti::state).collect();
        for (slot, node) in layout.nodes.iter().enumerate() {
            let open = |tasks: &[u32]| {
                let open = tasks.iter().filter(|&&task| !states[task as usize].is_terminal());
                u32::try_from(open.count()).unwrap_or(u32::MAX)
            };
            let mut up = Upstream::default();
            for &upstream in &node.upstream {
                up.add(states[upstream as usize], layout.task(upstream).is_setup);
            }
            let mut setups = Setups {
                total: u32::try_from(node.setups.len()).unwrap_or(u32::MAX),
                ..Setups::default()
            };
            for &setup in &node.setups {
                setups.finish(states[setup as usize]);
            }
            let ti = &mut self.tis[slot];
            ti.up = up;
            ti.setups = setups;
            ti.deciders_open = open(&node.deciders);
            ti.scope_open = open(&node.scope);
        }
        let count = |test: fn(&TaskState) -> bool| {
            u32::try_from(states.iter().filter(|state| test(state)).count()).unwrap_or(u32::MAX)
        };
        self.unfinished = count(|state| !state.is_terminal());
        self.live = count(|state| is_live(*state));
    }

    /// The states of all instances by task, for a later run that looks back.
    pub(super) fn states(&self) -> BTreeMap<TaskId, TaskState> {
        self.tis.iter().map(|ti| (ti.row().task_id.clone(), ti.state())).collect()
    }

    pub(super) fn key_of(&self, slot: u32) -> TiKey {
        self.ti(slot).row().id
    }
}

/// Whether something will happen to an instance in this state without any other ending.
pub(super) fn is_live(state: TaskState) -> bool {
    !state.is_terminal() && state != TaskState::NoStatus
}
