//! The engine: the state of every unfinished run, and what follows from each event.
//!
//! `engine.step(event, now)` is the only door. It changes the engine's memory and returns
//! [`Effects`]: the rows to write, and what may be done once they are written. The shell applies
//! the rows of many steps in one transaction; when that fails it throws the engine away and makes
//! it again by [`Engine::restore`], so memory and database cannot drift apart. The engine reads no
//! clock, does no I/O and logs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::dag::{DEFAULT_POOL, DEFAULT_POOL_SLOTS, Dag};
use crate::ids::{DagId, RunId};
use crate::operator::Place;
use crate::record::{
    AssetEventKey, AttemptKey, BackfillKey, BackfillRow, DagRow, PoolRow, RunKey, RunRow, TiKey,
    TiRow, VersionKey,
};
use crate::state::TaskState;

mod admit;
mod answer;
mod apply;
mod asset;
mod asset_events;
mod attempt;
mod backfill;
mod clear;
mod create;
mod deadline;
mod decide;
mod evaluate;
mod event;
mod explain;
mod explain_dag;
mod explain_date;
mod explain_wait;
mod explanation;
mod fold;
mod ideal;
mod lane;
mod layout;
mod lifecycle;
mod line;
mod load;
mod mapping;
mod mark;
mod notice;
mod order;
mod past;
mod reach;
mod restore;
mod run;
mod schedule;
mod select;
mod settle;
mod step;
#[cfg(test)]
mod tests;
pub mod transition;
mod trigger;
mod wait;

pub use apply::told_state;
pub use clear::plan_clear;
pub use create::run_id_for;
pub use deadline::explain_deadlines;
pub use event::{
    Answer, BackfillOrder, Clear, DATES_AT_ONCE, DagLoaded, DatesWanted, Effects, Event,
    LengthWanted, Mark, NewBackfill, Order, PastWanted, QueuedTi, RUNS_PER_ORDER_MAX, Refusal,
    RunWanted, Selection, Setting, Trigger,
};
pub use explain::{Reason, Workers};
pub use explain_date::{DateQuestion, KnownDag, explain_date};
pub use explanation::{Explanation, SeenWorker, Surroundings};
pub use fold::{FoldedStates, fold};
pub use mark::{MarkPlan, plan_mark};
pub use run::SCHEDULER;

use asset::{Assets, DagAssets};
use lane::Lane;
use layout::Layout;
use line::{Label, Lines};
use run::Run;
use settle::Timer;
use step::Step;

/// The engine's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// How often an attempt of one try may be lost without the task's fault before the task fails.
    pub infra_tries_max: u32,
    /// The most runs that timetables create in one step; the rest follows at the next tick.
    pub planned_runs_max: u32,
    /// The most instances of one mapped task (Airflow: `max_map_length`).
    pub max_map_length: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            infra_tries_max: 5,
            planned_runs_max: 64,
            max_map_length: crate::mapping::MAP_LENGTH_MAX,
        }
    }
}

/// The state of every unfinished run.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    dags: BTreeMap<DagId, DagEntry>,
    runs: BTreeMap<RunKey, Run>,
    /// Where each task instance in memory is.
    tis: HashMap<TiKey, (RunKey, u32)>,
    names: HashMap<(DagId, RunId), RunKey>,
    lines: Lines,
    timers: BTreeSet<(Timestamp, Timer)>,
    /// Who waits for which run of which DAG.
    watchers: wait::Watchers,
    /// Ended runs that were loaded for an order.
    visitors: BTreeSet<RunKey>,
    /// Unfinished runs whose DAG version could not be read.
    unreadable: BTreeSet<RunKey>,
    assets: Assets,
    last: Numbers,
}

/// The highest numbers given out.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    run: RunKey,
    ti: TiKey,
    version: VersionKey,
    notice: i64,
    backfill: BackfillKey,
    asset_event: AssetEventKey,
}

/// A DAG as the engine knows it.
#[derive(Debug)]
struct DagEntry {
    row: DagRow,
    /// The newest version; absent when its text can no longer be read.
    layout: Option<Arc<Layout>>,
    content_hash: String,
    version_number: u32,
    /// Its running runs, without those of its backfill.
    running: BTreeSet<RunKey>,
    /// Its queued runs, without those of its backfill.
    queued: BTreeSet<(Timestamp, RunKey)>,
    /// Its open backfill.
    lane: Option<Box<Lane>>,
    lane_running: BTreeSet<RunKey>,
    lane_queued: BTreeSet<RunKey>,
    /// The greatest logical date of any run, and the greatest `run_after`.
    newest: (Option<Timestamp>, Option<Timestamp>),
    /// Whether a look at which planned dates have runs is under way.
    is_looking: bool,
    /// Its entry among the timers.
    timer: Option<Timestamp>,
    /// Run ids made for this instant, so that two orders of one batch do not collide.
    named: Option<(Timestamp, Vec<RunId>)>,
    assets: DagAssets,
    is_dirty: bool,
}

impl Engine {
    /// An engine without DAGs, runs and history, with Airflow's default pool.
    pub fn new(config: EngineConfig) -> Self {
        let mut engine = Self {
            config,
            dags: BTreeMap::new(),
            runs: BTreeMap::new(),
            tis: HashMap::new(),
            names: HashMap::new(),
            lines: Lines::default(),
            timers: BTreeSet::new(),
            watchers: wait::Watchers::new(),
            visitors: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            assets: Assets::default(),
            last: Numbers::default(),
        };
        engine.lines.pool(DEFAULT_POOL).row = Some(default_pool());
        engine
    }

    /// Takes an event. The same events at the same times give the same effects.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Effects {
        let mut step = Step::new(now);
        self.fire_timers(&mut step);
        self.settle(&mut step);
        match event {
            Event::Tick => {}
            Event::DagLoaded(loaded) => self.load_dag(&mut step, *loaded),
            Event::DagGone(dag_id) => self.lose_dag(&mut step, &dag_id),
            Event::Assign { ti, worker } => self.assign(&mut step, ti, worker),
            Event::Finished(result) => self.finished(&mut step, *result),
            Event::Lost { key, reason } => self.lost(&mut step, key, reason),
            Event::RunLoaded { run, tis, dag } => self.load_run(&mut step, *run, tis, dag),
            Event::PastLoaded { run, previous, states } => {
                self.load_past(&mut step, run, previous, states);
            }
            Event::DatesLoaded { wanted, found, unreadable } => {
                if wanted.backfill.is_some() {
                    self.load_dates(&mut step, &wanted, &found, &unreadable);
                } else {
                    self.load_planned(&mut step, &wanted, &found);
                }
                self.dismiss_visitors(&mut step);
            }
            Event::RunSeen { wanted, seen } => self.run_seen(&mut step, &wanted, seen.as_ref()),
            Event::LengthLoaded { wanted, length } => self.load_length(&mut step, &wanted, length),
            Event::Order(order) => {
                let answer = self.order(&mut step, *order);
                step.answer = Some(answer);
                self.dismiss_visitors(&mut step);
            }
        }
        self.settle(&mut step);
        self.close(step)
    }

    /// Every queued task instance in the order of hand-out: decisions of the scheduler first, then
    /// queue by queue.
    pub fn queued(&self) -> impl Iterator<Item = QueuedTi> + '_ {
        self.lines.queued.iter().flat_map(|(label, ranks)| {
            let (place, queue) = match label {
                Label::Scheduler => (Place::Scheduler, SCHEDULER),
                Label::Queue(queue) => (Place::Worker, queue.as_str()),
            };
            ranks.iter().map(move |rank| QueuedTi { ti: rank.ti, queue: queue.to_owned(), place })
        })
    }

    /// The queued task instances of one queue in the order of hand-out.
    pub fn queued_in(&self, queue: &str) -> impl Iterator<Item = TiKey> + '_ {
        let label = Label::Queue(queue.to_owned());
        self.lines.queued.get(&label).into_iter().flatten().map(|rank| rank.ti)
    }

    /// The task instances that the scheduler decides itself, in order.
    pub fn decisions(&self) -> impl Iterator<Item = TiKey> + '_ {
        self.lines.queued.get(&Label::Scheduler).into_iter().flatten().map(|rank| rank.ti)
    }

    /// The queues in which somebody waits, with how many.
    pub fn queues(&self) -> impl Iterator<Item = (&str, usize)> + '_ {
        self.lines.queued.iter().filter_map(|(label, ranks)| match label {
            Label::Queue(queue) if !ranks.is_empty() => Some((queue.as_str(), ranks.len())),
            _ => None,
        })
    }

    /// Every attempt that is with a worker or the scheduler now, with who has it.
    pub fn running(&self) -> impl Iterator<Item = (AttemptKey, &str)> + '_ {
        self.runs.values().flat_map(|run| run.tis.iter()).filter_map(|ti| {
            let row = ti.row();
            let runs = matches!(row.state, TaskState::Running | TaskState::Restarting);
            let key = AttemptKey { ti: row.id, try_number: row.try_number, epoch: row.epoch };
            runs.then(|| (key, row.worker.as_deref().unwrap_or(SCHEDULER)))
        })
    }

    /// A run in memory.
    pub fn run(&self, key: RunKey) -> Option<&RunRow> {
        self.runs.get(&key).map(|run| run.cell.row())
    }

    /// Every run in memory.
    pub fn runs(&self) -> impl Iterator<Item = &RunRow> + '_ {
        self.runs.values().map(|run| run.cell.row())
    }

    /// A task instance of a run in memory.
    pub fn ti(&self, key: TiKey) -> Option<&TiRow> {
        let (run, slot) = self.tis.get(&key)?;
        Some(self.runs.get(run)?.ti(*slot).row())
    }

    /// The task instances of a run in memory.
    pub fn tis_of(&self, key: RunKey) -> impl Iterator<Item = &TiRow> + '_ {
        self.runs.get(&key).into_iter().flat_map(|run| run.tis.iter().map(run::Ti::row))
    }

    /// How many instances the mapped task of an instance in memory has; none when it is not mapped.
    pub fn expanded_count(&self, key: TiKey) -> Option<u32> {
        let (run, slot) = self.tis.get(&key)?;
        let run = self.runs.get(run)?;
        let task = run.instances.task_of(*slot)?;
        run.layout.unit_of(task)?;
        let slots = run.instances.of(task).iter();
        let count = slots.filter(|&&slot| run.ti(slot).state() != TaskState::Removed).count();
        u32::try_from(count).ok()
    }

    /// The run of a name, if it is in memory.
    pub fn find_run(&self, dag_id: &DagId, run_id: &RunId) -> Option<RunKey> {
        self.names.get(&(dag_id.clone(), run_id.clone())).copied()
    }

    /// A DAG's row and, while its text can be read, its newest version.
    pub fn dag(&self, dag_id: &DagId) -> Option<(&DagRow, Option<&Arc<Dag>>)> {
        let entry = self.dags.get(dag_id)?;
        Some((&entry.row, entry.layout.as_ref().map(|layout| &layout.dag)))
    }

    /// Every DAG's row.
    pub fn dags(&self) -> impl Iterator<Item = &DagRow> + '_ {
        self.dags.values().map(|entry| &entry.row)
    }

    /// A version that is the newest of its DAG or that a run in memory has, and its file.
    pub fn version(&self, version: VersionKey) -> Option<(&Arc<Dag>, &str)> {
        let newest = self.dags.values().filter_map(|entry| entry.layout.as_ref());
        let used = self.runs.values().map(|run| &run.layout);
        let layout = newest.chain(used).find(|layout| layout.version == version)?;
        Some((&layout.dag, &layout.file))
    }

    /// A DAG's open backfill.
    pub fn backfill_of(&self, dag_id: &DagId) -> Option<&BackfillRow> {
        Some(&self.dags.get(dag_id)?.lane.as_ref()?.row)
    }

    /// Every pool with its occupied slots.
    pub fn pools(&self) -> impl Iterator<Item = (&PoolRow, i64)> + '_ {
        self.lines.pools.values().filter_map(|pool| Some((pool.row.as_ref()?, pool.occupied)))
    }

    /// Unfinished runs that stand still, since the text of their version cannot be read.
    pub fn unreadable_runs(&self) -> impl Iterator<Item = RunKey> + '_ {
        self.unreadable.iter().copied()
    }

    /// When something is next due by itself.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }
}

fn default_pool() -> PoolRow {
    PoolRow {
        name: DEFAULT_POOL.to_owned(),
        slots: DEFAULT_POOL_SLOTS,
        description: Some("the pool of tasks that name none".to_owned()),
        include_deferred: false,
    }
}

#[cfg(test)]
impl Engine {
    /// The counters that are changed one by one are those that a recount gives, and no slot is
    /// counted twice.
    fn check(&self) {
        let mut occupied: BTreeMap<&str, [i64; 2]> = BTreeMap::new();
        for run in self.runs.values() {
            let mut again = run.clone();
            again.recount();
            assert_eq!((again.unfinished, again.live), (run.unfinished, run.live));
            for slot in run.slots() {
                let at = match apply::holds(run, slot) {
                    apply::Held::Nothing => continue,
                    apply::Held::Slots => 0,
                    apply::Held::Deferred => 1,
                };
                for (pool, slots) in run.task(slot).iter().flat_map(|task| &task.pools) {
                    occupied.entry(pool).or_default()[at] += i64::from(*slots);
                }
            }
            for (again, ti) in again.tis.iter().zip(&run.tis) {
                assert_eq!(again.own, ti.own, "{}", ti.row().task_id);
            }
            assert_eq!(again.shared, run.shared, "{}", run.cell.row().run_id);
        }
        for (name, pool) in &self.lines.pools {
            let counted = occupied.get(name.as_str()).copied().unwrap_or_default();
            assert_eq!([pool.occupied, pool.deferred], counted, "{name}");
        }
        assert!(self.lines.agenda.is_empty() && self.lines.freed.is_empty(), "work is left");
    }
}
