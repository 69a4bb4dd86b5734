//! Plays dag runs on the real engine, with a clock that jumps to whatever is due next.
//!
//! Must not decide what a task gives: that is the script's.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::dag::{Dag, Task, TaskIndex};
use crate::engine::{DagLoaded, Effects, Engine, EngineConfig, Event, Order, Refusal, Trigger};
use crate::ids::TaskId;
use crate::mapping::Given;
use crate::operator::Place;
use crate::record::{AttemptKey, Change, PoolRow, RunKey, RunRow, TiKey, TiRow};
use crate::state::{RunType, TaskState, TriggeredBy};
use crate::timetable::Timetable;
use crate::wire::AttemptResult;

/// More steps than this and the run is called endless.
const STEPS_MAX: usize = 200_000;

/// The name of who runs the tasks.
const WORKER: &str = "millrace test";

/// XComs by task, mapped item and key.
pub(super) type XComs = BTreeMap<(TaskId, i32, String), Value>;

/// The run that is played.
#[derive(Debug, Clone)]
pub(super) struct Occasion {
    pub(super) run_type: RunType,
    pub(super) logical_date: Option<Timestamp>,
    pub(super) data_interval: Option<(Timestamp, Timestamp)>,
    pub(super) run_after: Timestamp,
    pub(super) conf: Map<String, Value>,
}

/// An attempt that somebody must say the end of.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) key: AttemptKey,
    pub(super) index: TaskIndex,
    pub(super) task: &'a Arc<Task>,
    pub(super) ti: &'a TiRow,
    pub(super) run: &'a RunRow,
    pub(super) xcoms: &'a XComs,
    pub(super) now: Timestamp,
}

/// Says how attempts end.
pub(super) trait Script {
    /// The end of an attempt.
    fn result(&mut self, attempt: &Attempt<'_>) -> AttemptResult;
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub(super) run: RunRow,
    /// The state of each task: that of its only instance, or the worst of its mapped ones.
    pub(super) states: Vec<TaskState>,
    /// Why each task is in its state.
    pub(super) reasons: Vec<Option<String>>,
    /// Each item of the mapped tasks, and why it is in its state.
    pub(super) items: BTreeMap<(TaskId, u32), (TaskState, Option<String>)>,
    pub(super) xcoms: XComs,
    /// Whether it came to an end.
    pub(super) is_ended: bool,
}

/// What counts when instances of one task ended differently.
const fn severity(state: TaskState) -> u8 {
    match state {
        TaskState::Removed => 0,
        TaskState::Skipped => 1,
        TaskState::Success => 2,
        TaskState::UpstreamFailed => 4,
        TaskState::Failed => 5,
        _ => 3,
    }
}

/// A DAG in an engine of its own.
pub(super) struct Play {
    dag: Arc<Dag>,
    tasks: Vec<Arc<Task>>,
    index: BTreeMap<TaskId, TaskIndex>,
    engine: Engine,
    now: Timestamp,
    run: Option<RunRow>,
    tis: BTreeMap<TiKey, TiRow>,
    xcoms: XComs,
}

impl Play {
    /// A DAG that nothing but [`Play::run`] makes runs of.
    pub(super) fn new(dag: &Dag) -> Self {
        let alone = Dag {
            timetable: Timetable::Never,
            is_paused_upon_creation: Some(false),
            max_consecutive_failed_dag_runs: 0,
            ..dag.clone()
        };
        let mut play = Self {
            tasks: dag.tasks.iter().cloned().map(Arc::new).collect(),
            index: dag.tasks.iter().enumerate().map(|(i, t)| (t.task_id.clone(), i)).collect(),
            dag: Arc::new(alone),
            engine: Engine::new(EngineConfig::default()),
            now: Timestamp::UNIX_EPOCH,
            run: None,
            tis: BTreeMap::new(),
            xcoms: XComs::new(),
        };
        play.load();
        play
    }

    /// A new engine with the DAG, and with every pool that it names as wide as it likes.
    fn load(&mut self) {
        self.engine = Engine::new(EngineConfig::default());
        let pools: IndexMap<String, ()> =
            self.dag.tasks.iter().flat_map(|t| t.pools.keys().cloned()).map(|p| (p, ())).collect();
        for name in pools.into_keys() {
            let pool = PoolRow { name, slots: -1, description: None, include_deferred: false };
            self.step(Event::Order(Box::new(Order::SetPool { row: pool, actor: None })));
        }
        let loaded = DagLoaded {
            dag: Arc::clone(&self.dag),
            content_hash: String::new(),
            file: String::new(),
            source: "".into(),
            files: Arc::default(),
            paused_by_default: false,
        };
        self.step(Event::DagLoaded(Box::new(loaded)));
    }

    /// Plays one run to its end, or to where nothing would ever happen.
    ///
    /// # Errors
    /// The run is refused.
    pub(super) fn run(
        &mut self,
        occasion: &Occasion,
        script: &mut dyn Script,
    ) -> Result<Played, Refusal> {
        self.now = self.now.max(occasion.run_after);
        (self.run, self.tis, self.xcoms) = (None, BTreeMap::new(), XComs::new());
        let order = Order::Trigger(Trigger {
            dag_id: self.dag.dag_id.clone(),
            run_id: None,
            run_type: occasion.run_type,
            logical_date: occasion.logical_date,
            data_interval: occasion.data_interval,
            run_after: Some(occasion.run_after),
            conf: (!occasion.conf.is_empty()).then(|| occasion.conf.clone()),
            note: None,
            triggered_by: TriggeredBy::Test,
            actor: None,
        });
        if let Some(Err(refusal)) = self.step(Event::Order(Box::new(order))) {
            return Err(refusal);
        }
        let is_ended = self.play(script);
        let run = self.run.take().ok_or_else(|| Refusal::Conflict {
            what: "the engine made no run; this is a defect".to_owned(),
        })?;
        if !is_ended {
            // It would stand in the way of the next run.
            self.load();
        }
        let mut played = Played {
            run,
            states: vec![TaskState::Removed; self.tasks.len()],
            reasons: vec![None; self.tasks.len()],
            items: BTreeMap::new(),
            xcoms: std::mem::take(&mut self.xcoms),
            is_ended,
        };
        for ti in std::mem::take(&mut self.tis).into_values() {
            let Some(&at) = self.index.get(&ti.task_id) else { continue };
            if let Ok(item) = u32::try_from(ti.map_index) {
                let end = (ti.state, ti.reason.clone());
                played.items.insert((ti.task_id.clone(), item), end);
            }
            if severity(ti.state) >= severity(played.states[at]) {
                played.states[at] = ti.state;
                played.reasons[at] = ti.reason;
            }
        }
        Ok(played)
    }

    fn play(&mut self, script: &mut dyn Script) -> bool {
        for _ in 0..STEPS_MAX {
            let ended = self.run.as_ref().is_some_and(|run| run.state.is_terminal());
            if ended {
                return true;
            }
            let next = self.engine.queued().next();
            match (next, self.engine.wake_at()) {
                (Some(waiting), _) => {
                    let worker = match waiting.place {
                        Place::Scheduler => crate::engine::SCHEDULER,
                        Place::Worker => WORKER,
                    };
                    self.attempt(waiting.ti, worker, script);
                }
                (None, Some(at)) if at > self.now => {
                    self.now = at;
                    self.step(Event::Tick);
                }
                (None, _) => return false,
            }
        }
        false
    }

    fn attempt(&mut self, ti: TiKey, worker: &str, script: &mut dyn Script) {
        let event = Event::Assign { ti, worker: worker.to_owned() };
        let effects = self.engine.step(event, self.now);
        let assigned = effects.assigned;
        self.take(effects);
        let Some(key) = assigned else { return };
        let (Some(row), Some(run)) = (self.tis.get(&ti), &self.run) else { return };
        let Some(&index) = self.index.get(&row.task_id) else { return };
        let attempt = Attempt {
            key,
            index,
            task: &self.tasks[index],
            ti: row,
            run,
            xcoms: &self.xcoms,
            now: self.now,
        };
        let result = script.result(&attempt);
        self.step(Event::Finished(Box::new(result)));
    }

    fn step(&mut self, event: Event) -> Option<Result<Value, Refusal>> {
        let mut effects = self.engine.step(event, self.now);
        let answer = effects.answer.take();
        self.take(effects);
        answer
    }

    /// Keeps the rows, and answers that there is no earlier run and how much there is to map over.
    fn take(&mut self, effects: Effects) {
        for change in effects.changes {
            match change {
                Change::RunCreated(run, tis) => {
                    self.tis.extend(tis.into_iter().map(|ti| (ti.id, ti)));
                    self.run = Some(*run);
                }
                Change::Run { row, .. } if self.is_current(row.id) => self.run = Some(*row),
                Change::Ti { row, .. } | Change::TiCreated(row) if self.is_current(row.run) => {
                    self.tis.insert(row.id, *row);
                }
                Change::XCom(row) => {
                    self.xcoms.insert((row.task_id, row.map_index, row.key), row.value);
                }
                Change::XComsCleared(ti) => {
                    if let Some(ti) = self.tis.get(&ti) {
                        let (task_id, map_index) = (ti.task_id.clone(), ti.map_index);
                        self.xcoms
                            .retain(|(task, map, _), _| (task, *map) != (&task_id, map_index));
                    }
                }
                _ => {}
            }
        }
        for wanted in effects.past_wanted {
            let none =
                Event::PastLoaded { run: wanted.run, previous: None, states: BTreeMap::new() };
            self.step(none);
        }
        for wanted in effects.lengths_wanted {
            let given = super::lookup::given(&self.xcoms, wanted.task_id.as_str(), &wanted.key);
            let length = Given(&given).length();
            self.step(Event::LengthLoaded { wanted, length });
        }
    }

    fn is_current(&self, run: RunKey) -> bool {
        self.run.as_ref().is_some_and(|row| row.id == run)
    }
}

/// The run that a DAG has for a date: the schedule's, or one that a person starts.
pub(super) fn occasion(dag: &Dag, date: Timestamp, conf: Map<String, Value>) -> Occasion {
    let timetable = &dag.timetable;
    let planned = timetable
        .is_periodic()
        .then(|| timetable.runs_between(date, date).find(|run| run.logical_date == date))
        .flatten();
    match planned {
        Some(run) => Occasion {
            run_type: RunType::Scheduled,
            logical_date: Some(run.logical_date),
            data_interval: Some((run.data_interval.start, run.data_interval.end)),
            run_after: run.run_after,
            conf,
        },
        None => Occasion {
            run_type: RunType::Manual,
            logical_date: Some(date),
            data_interval: {
                let interval = timetable.manual_interval(date);
                Some((interval.start, interval.end))
            },
            run_after: date,
            conf,
        },
    }
}
