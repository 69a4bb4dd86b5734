//! The order in which scheduled task instances get what is free, and what they can wait for.
//!
//! Plain ordered sets; the rules of admission are in `admit`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::{DagId, TaskId};
use crate::operator::Place;
use crate::record::{PoolRow, RunKey, TiKey};

/// A point of priority is worth so many seconds of waiting.
const POINT_SECS: i64 = 15 * 60;

/// More points than this are worth no more waiting: a day.
const POINTS_MAX: i32 = 96;

/// The place of a task instance in every line: regular work before a backfill's (all but its
/// oldest run, see `lane`), the heavier first, then the older logical date, then file order
/// (Airflow: `priority_weight DESC, logical_date ASC, map_index ASC`). Since a flow of heavier ones
/// could go on for ever, waiting counts too: see [`turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Whether it is a backfill's that lets regular work go first.
    pub(super) is_behind: bool,
    /// See [`turn`].
    pub(super) turn: i64,
    /// The negative effective priority.
    pub(super) weight: i64,
    /// Microseconds of the logical date, or of `run_after` where there is none.
    pub(super) date: i64,
    pub(super) run: RunKey,
    pub(super) task: u32,
    pub(super) map_index: i32,
    pub(super) slot: u32,
    pub(super) ti: TiKey,
}

/// When it is a task instance's turn: the quarter of an hour in which it was scheduled, less its
/// points. So among those that were scheduled in one quarter the heavier goes first, each quarter
/// of waiting makes up for one point, and after two days at the latest nothing new goes before it.
/// It does not change while it waits, so that no line is ever sorted again.
pub(super) fn turn(scheduled_at: Option<Timestamp>, weight: i32) -> i64 {
    let quarter = scheduled_at.map_or(0, |at| at.as_second().div_euclid(POINT_SECS));
    quarter - i64::from(weight.clamp(-POINTS_MAX, POINTS_MAX))
}

/// What can hold a scheduled task instance back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gate {
    /// Its run is queued, or its DAG is paused.
    Closed,
    /// `max_active_tasks` of its run.
    Tasks,
    /// `max_active_tis_per_dagrun` of its task.
    RunLimit(TaskId),
    /// `max_active_tis_per_dag` of its task.
    Limit(DagId, TaskId),
    /// A pool without enough free slots, or one that does not exist.
    Pool(String),
    /// A pool that has fewer slots than it needs.
    TooWide(String),
}

/// A group in a line of several runs: its first rank, its run and its profile.
pub(super) type Waiting = BTreeSet<(Rank, RunKey, u16)>;

/// The lines that several runs share.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) limits: BTreeMap<(DagId, TaskId), Limit>,
    /// Groups to try, in order of their first.
    pub(super) agenda: Waiting,
    /// Shared gates where something became free.
    pub(super) freed: BTreeSet<Gate>,
    /// Pools where somebody who needs more slots than are free holds others back.
    pub(super) held: BTreeSet<String>,
    /// Handed to whoever asks, by place and queue.
    pub(super) queued: BTreeMap<Label, BTreeSet<Rank>>,
}

/// Where queued task instances wait.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    Scheduler,
    Queue(String),
}

impl Label {
    pub(super) fn of(place: Place, queue: &str) -> Self {
        match place {
            Place::Scheduler => Self::Scheduler,
            Place::Worker => Self::Queue(queue.to_owned()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Absent when tasks name a pool that does not exist.
    pub(super) row: Option<PoolRow>,
    pub(super) occupied: i64,
    /// Slots of instances that wait without one; they count with `include_deferred`.
    pub(super) deferred: i64,
    pub(super) waiting: Waiting,
    pub(super) too_wide: Waiting,
}

impl Pool {
    /// Free slots; none when the pool does not exist.
    pub(super) fn free(&self) -> Option<i64> {
        let slots = self.row.as_ref()?.slots;
        Some(if slots < 0 { i64::MAX } else { slots - self.counted() })
    }

    /// The slots that are not free.
    pub(super) fn counted(&self) -> i64 {
        self.occupied + if self.includes_deferred() { self.deferred } else { 0 }
    }

    /// Whether what waits without a slot counts (Airflow: `include_deferred`).
    pub(super) fn includes_deferred(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.include_deferred)
    }

    pub(super) fn fits(&self, slots: u32) -> bool {
        self.free().is_some_and(|free| i64::from(slots) <= free)
    }

    /// Whether it could never give so many slots.
    pub(super) fn is_narrower_than(&self, slots: u32) -> bool {
        self.row.as_ref().is_some_and(|row| row.slots >= 0 && row.slots < i64::from(slots))
    }
}

/// `max_active_tis_per_dag` of one task.
#[derive(Debug, Default)]
pub(super) struct Limit {
    pub(super) active: u32,
    pub(super) waiting: Waiting,
}

impl Lines {
    pub(super) fn pool(&mut self, name: &str) -> &mut Pool {
        if !self.pools.contains_key(name) {
            self.pools.insert(name.to_owned(), Pool::default());
        }
        self.pools.get_mut(name).expect("it was inserted above")
    }

    /// The line of a shared gate; the gates of a single run have none.
    pub(super) fn waiting(&mut self, gate: &Gate) -> Option<&mut Waiting> {
        match gate {
            Gate::Closed | Gate::Tasks | Gate::RunLimit(_) => None,
            Gate::Limit(dag, task) => {
                Some(&mut self.limits.entry((dag.clone(), task.clone())).or_default().waiting)
            }
            Gate::Pool(name) => Some(&mut self.pool(name).waiting),
            Gate::TooWide(name) => Some(&mut self.pool(name).too_wide),
        }
    }
}
