//! An engine with a row store, a clock that is set by hand, and checks after every step.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use petgraph::graph::DiGraph;
use serde_json::{Map, Value, json};

use super::rows::Rows;
use crate::backfill::{Fate, fate};
use crate::dag::{Callbacks, DEFAULT_POOL, Dag, Params, Task};
use crate::engine::{
    Clear, DagLoaded, DatesWanted, Effects, Engine, EngineConfig, Event, LengthWanted, Mark, Order,
    PastWanted, Refusal, RunWanted, SCHEDULER, Selection, Trigger, fold, told_state,
};
use crate::ids::{DagId, RunId, TaskId};
use crate::mapping::Given;
use crate::operator::Place;
use crate::record::{AttemptKey, BackfillDateRow, RunKey, RunRow, TiKey, VersionKey};
use crate::state::{
    BackfillDateState, RunState, RunType, TaskState, TriggerRule, TriggeredBy, WeightRule,
};
use crate::timetable::Timetable;
use crate::wait::{Condition, Elsewhere, Question, Seen, WhichRun};
use crate::wire::{AttemptResult, Demand, Outcome, TriggerDemand};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(super) fn dag_id(text: &str) -> DagId {
    DagId::new(text).expect("a dag id")
}

pub(super) fn task_id(text: &str) -> TaskId {
    TaskId::new(text).expect("a task id")
}

/// A bash task with Airflow's defaults.
pub(super) fn task(id: &str) -> Task {
    Task {
        task_id: task_id(id),
        task_display_name: None,
        doc_md: None,
        owner: String::new(),
        operator: "bash".to_owned(),
        config: Map::new(),
        place: Place::Worker,
        trigger_rule: TriggerRule::AllSuccess,
        retries: 0,
        retry_delay_secs: 300.0,
        retry_exponential_backoff: 0.0,
        max_retry_delay_secs: None,
        no_retry_exit_codes: Vec::new(),
        retry_policy: Vec::new(),
        start_date: None,
        end_date: None,
        execution_timeout_secs: None,
        depends_on_past: false,
        wait_for_downstream: false,
        wait_for_past_depends_before_skipping: false,
        pools: IndexMap::from([(DEFAULT_POOL.to_owned(), 1)]),
        priority_weight: 1,
        weight_rule: WeightRule::Absolute,
        effective_priority: 1,
        queue: "default".to_owned(),
        resources: IndexMap::new(),
        max_active_tis_per_dag: None,
        env: IndexMap::new(),
        append_env: false,
        env_file: None,
        max_active_tis_per_dagrun: None,
        mapping: None,
        map_index_template: None,
        do_xcom_push: true,
        multiple_outputs: false,
        run_as_user: None,
        when: None,
        inlets: Vec::new(),
        outlets: Vec::new(),
        callbacks: Callbacks::default(),
        is_setup: false,
        is_teardown: false,
        on_failure_fail_dagrun: false,
        files: IndexMap::new(),
    }
}

/// The same task as another operator, decided in the scheduler.
pub(super) fn decision(id: &str, operator: &str) -> Task {
    Task { operator: operator.to_owned(), place: Place::Scheduler, ..task(id) }
}

/// A DAG of tasks, each with the names of its upstreams.
pub(super) fn dag(name: &str, tasks: Vec<(Task, &[&str])>) -> Dag {
    let mut graph = DiGraph::new();
    let nodes: BTreeMap<String, _> = tasks
        .iter()
        .enumerate()
        .map(|(index, (task, _))| (task.task_id.as_str().to_owned(), graph.add_node(index)))
        .collect();
    for (task, needs) in &tasks {
        for up in *needs {
            graph.add_edge(nodes[*up], nodes[task.task_id.as_str()], ());
        }
    }
    Dag {
        groups: Vec::new(),
        dag_id: dag_id(name),
        dag_display_name: None,
        description: None,
        doc_md: None,
        owner: String::new(),
        tags: Vec::new(),
        schedule_text: None,
        timetable: Timetable::Never,
        assets: None,
        timezone: "UTC".to_owned(),
        start_date: None,
        end_date: None,
        catchup: false,
        max_active_runs: 16,
        max_active_tasks: 16,
        max_consecutive_failed_dag_runs: 0,
        dagrun_timeout_secs: None,
        fail_fast: false,
        allowed_run_types: None,
        is_paused_upon_creation: Some(false),
        params: Params::default(),
        macros: IndexMap::new(),
        render_template_as_native_obj: false,
        callbacks: Callbacks::default(),
        deadlines: Vec::new(),
        tasks: tasks.into_iter().map(|(task, _)| task).collect(),
        graph,
    }
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) rows: Rows,
    pub(super) now: Timestamp,
    pub(super) dags: HashMap<VersionKey, Arc<Dag>>,
    pub(super) kills: Vec<AttemptKey>,
    /// Whether memory, rows and events are compared after every step.
    pub(super) is_thorough: bool,
    loaded: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(EngineConfig::default()),
            rows: Rows::default(),
            now: at("2025-01-01T00:00:00Z"),
            dags: HashMap::new(),
            kills: Vec::new(),
            is_thorough: true,
            loaded: 0,
        };
        world.restart();
        world
    }

    /// The engine is made again from the rows.
    pub(super) fn restart(&mut self) {
        let (engine, effects) = Engine::restore(
            EngineConfig::default(),
            self.rows.snapshot(),
            self.dags.clone(),
            self.now,
        );
        self.engine = engine;
        self.take(effects);
    }

    pub(super) fn load(&mut self, dag: Dag) {
        self.loaded += 1;
        let dag = Arc::new(dag);
        let effects = self.engine.step(
            Event::DagLoaded(Box::new(DagLoaded {
                content_hash: format!("hash {}", self.loaded),
                file: format!("{}.yaml", dag.dag_id),
                source: "".into(),
                files: Arc::default(),
                paused_by_default: true,
                dag: Arc::clone(&dag),
            })),
            self.now,
        );
        for change in &effects.changes {
            if let crate::record::Change::Version(row) = change {
                self.dags.insert(row.id, Arc::clone(&dag));
            }
        }
        self.take(effects);
    }

    pub(super) fn step(&mut self, event: Event) -> Effects {
        let effects = self.engine.step(event, self.now);
        self.take(effects)
    }

    pub(super) fn take(&mut self, mut effects: Effects) -> Effects {
        for answer in self.accept(&effects) {
            self.step(answer);
        }
        for wanted in std::mem::take(&mut effects.dates_wanted) {
            for event in existing(&self.rows, &self.dags, wanted) {
                self.step(event);
            }
        }
        for wanted in std::mem::take(&mut effects.runs_wanted) {
            let answer = seen(&self.rows, &wanted);
            self.step(answer);
        }
        effects
    }

    /// Writes what a step gave; answers what it asks.
    pub(super) fn accept(&mut self, effects: &Effects) -> Vec<Event> {
        self.rows.apply(&effects.changes);
        self.kills.extend(effects.kills.iter().map(|kill| kill.key));
        if self.is_thorough {
            self.check();
        }
        answers(&self.rows, effects)
    }

    /// Memory and rows agree, and so do the events.
    pub(super) fn check(&self) {
        for run in self.engine.runs() {
            assert_eq!(Some(run), self.rows.runs.get(&run.id), "run {}", run.run_id);
            for ti in self.engine.tis_of(run.id) {
                assert_eq!(Some(ti), self.rows.tis.get(&ti.id));
            }
        }
        self.check_backfills();
        let folded = fold(&self.rows.events).expect("the events follow from each other");
        for (key, run) in &self.rows.runs {
            assert_eq!(folded.runs.get(key), Some(&run.state), "{}", run.run_id);
        }
        for (key, ti) in &self.rows.tis {
            let state = folded.tis.get(key).map_or(TaskState::NoStatus, |(state, _)| *state);
            assert_eq!(state, told_state(ti), "{} from events", ti.task_id);
        }
        self.engine.check();
    }

    /// A backfill's counters are those of its dates, and its lane stays below its cap.
    fn check_backfills(&self) {
        for row in self.rows.backfills.values() {
            let mut again = row.clone();
            for &state in BackfillDateState::ALL {
                *again.count(state) = 0;
            }
            let of = |date: &&BackfillDateRow| date.backfill == row.id;
            for date in self.rows.backfill_dates.values().filter(of) {
                *again.count(date.state) += 1;
                let run = date.run.and_then(|run| self.rows.runs.get(&run));
                if date.state == BackfillDateState::Active {
                    let run = run.expect("an active date has a run");
                    assert!(!run.state.is_terminal(), "{} is over", run.run_id);
                    assert_eq!(run.logical_date, Some(date.logical_date));
                }
            }
            assert_eq!(again, *row, "the counters of backfill {}", row.id);
            assert!(row.runs_active <= row.max_active_runs);
            assert!(row.is_open || row.runs_active == 0, "a closed lane has no runs");
        }
    }

    pub(super) fn order(&mut self, order: Order) -> Result<Value, Refusal> {
        self.load_for(&order);
        self.step(Event::Order(Box::new(order))).answer.expect("an order is answered")
    }

    /// Brings an ended run back for an order, as the shell does.
    fn load_for(&mut self, order: &Order) {
        let Some((dag_id, run_ids)) = order.runs() else { return };
        for run_id in run_ids {
            if self.engine.find_run(dag_id, run_id).is_some() {
                continue;
            }
            let row = self.rows.runs.values().find(|r| r.dag_id == *dag_id && r.run_id == *run_id);
            let Some(row) = row.cloned() else { continue };
            let (tis, dag) = (self.rows.tis_of(row.id), Arc::clone(&self.dags[&row.version]));
            self.step(Event::RunLoaded { run: Box::new(row), tis, dag });
        }
    }

    pub(super) fn trigger(&mut self, dag: &str, date: &str) -> RunKey {
        let order = Order::Trigger(Trigger {
            dag_id: dag_id(dag),
            run_id: None,
            run_type: RunType::Manual,
            logical_date: Some(at(date)),
            data_interval: None,
            run_after: None,
            conf: None,
            note: None,
            triggered_by: TriggeredBy::Test,
            actor: None,
        });
        let answer = self.order(order).expect("a run");
        let run_id = RunId::new(answer.as_str().expect("a run id")).expect("a run id");
        let is_new = |run: &&RunRow| run.run_id == run_id && run.dag_id == *dag;
        let found = self.rows.runs.values().find(is_new);
        found.expect("the run exists").id
    }

    pub(super) fn clear(&mut self, run: RunKey, selection: Selection) -> Result<Value, Refusal> {
        let row = &self.rows.runs[&run];
        self.order(Order::Clear(Clear {
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            selection,
            more_runs: Vec::new(),
            prevent_running_task: false,
            note: None,
            reset_dag_run: true,
            run_on_latest_version: false,
            actor: Some("ann".to_owned()),
        }))
    }

    pub(super) fn mark(&mut self, run: RunKey, task: &str, state: TaskState) {
        let selection = Selection { task_ids: vec![task_id(task)], ..Selection::default() };
        self.mark_of(run, selection, state);
    }

    pub(super) fn mark_of(&mut self, run: RunKey, selection: Selection, state: TaskState) {
        let row = &self.rows.runs[&run];
        let order = Order::Mark(Mark {
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            more_runs: Vec::new(),
            selection,
            state,
            actor: Some("ann".to_owned()),
        });
        self.order(order).expect("a mark");
    }

    pub(super) fn advance(&mut self, secs: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(secs)).expect("in range");
        self.step(Event::Tick);
    }

    /// The task instance of a task, by the name of its task.
    pub(super) fn ti(&self, run: RunKey, task: &str) -> TiKey {
        let found = self.rows.tis.values().find(|ti| ti.run == run && ti.task_id == *task);
        found.unwrap_or_else(|| panic!("no task instance {task}")).id
    }

    /// The task instance at a place of the run.
    pub(super) fn ti_at(&self, run: RunKey, index: usize) -> TiKey {
        self.engine.tis_of(run).nth(index).expect("it is there").id
    }

    pub(super) fn queued(&self) -> Vec<String> {
        let name = |ti: TiKey| self.rows.tis[&ti].task_id.to_string();
        self.engine.queued().map(|queued| name(queued.ti)).collect()
    }

    /// An instance of a mapped task.
    pub(super) fn item(&self, run: RunKey, task: &str, index: i32) -> TiKey {
        let mut tis = self.rows.tis.values();
        let found = tis.find(|ti| ti.run == run && ti.task_id == *task && ti.map_index == index);
        found.unwrap_or_else(|| panic!("no task instance {task}[{index}]")).id
    }

    /// Starts and ends an instance of a mapped task.
    pub(super) fn run_item(&mut self, run: RunKey, task: &str, index: i32, outcome: Outcome) {
        let key = self.assign(self.item(run, task, index));
        self.finish(key, outcome);
    }

    /// Starts a task, which then gives a value.
    pub(super) fn give(&mut self, run: RunKey, task: &str, value: Value) {
        let key = self.start(run, task);
        self.step(gave(key, value));
    }

    pub(super) fn assign(&mut self, ti: TiKey) -> AttemptKey {
        let place = self.engine.queued().find(|queued| queued.ti == ti).map(|queued| queued.place);
        let worker = if place == Some(Place::Scheduler) { SCHEDULER } else { "w1" };
        let event = Event::Assign { ti, worker: worker.to_owned() };
        self.step(event).assigned.expect("it was queued")
    }

    pub(super) fn start(&mut self, run: RunKey, task: &str) -> AttemptKey {
        self.assign(self.ti(run, task))
    }

    pub(super) fn finish(&mut self, key: AttemptKey, outcome: Outcome) -> Effects {
        self.step(Event::Finished(Box::new(AttemptResult::new(key, outcome))))
    }

    /// Starts and ends a task.
    pub(super) fn run(&mut self, run: RunKey, task: &str, outcome: Outcome) {
        let key = self.start(run, task);
        self.finish(key, outcome);
    }

    pub(super) fn state(&self, run: RunKey, task: &str) -> TaskState {
        self.rows.tis[&self.ti(run, task)].state
    }

    pub(super) fn run_state(&self, run: RunKey) -> RunState {
        self.rows.runs[&run].state
    }

    /// `run state: task state, task state`, in file order.
    pub(super) fn line(&self, run: RunKey) -> String {
        let tis: Vec<String> = self
            .rows
            .tis
            .values()
            .filter(|ti| ti.run == run)
            .map(|ti| {
                let tries =
                    if ti.try_number > 1 { format!("#{}", ti.try_number) } else { String::new() };
                let item =
                    if ti.map_index >= 0 { format!("[{}]", ti.map_index) } else { String::new() };
                format!("{}{item} {}{tries}", ti.task_id, ti.state)
            })
            .collect();
        format!("{}: {}", self.run_state(run), tis.join(", "))
    }
}

/// A branch that chose these.
pub(super) fn chose(key: AttemptKey, ids: &[&str]) -> Event {
    let mut result = AttemptResult::new(key, Outcome::Success);
    result.chosen = Some(ids.iter().map(|id| (*id).to_owned()).collect());
    Event::Finished(Box::new(result))
}

/// An attempt that says whether what is below goes on.
pub(super) fn goes_on(key: AttemptKey, go_on: bool) -> Event {
    let mut result = AttemptResult::new(key, Outcome::Success);
    result.go_on = Some(go_on);
    result.xcoms.insert("return_value".to_owned(), json!(go_on));
    Event::Finished(Box::new(result))
}

/// A sensor with its keys.
#[expect(clippy::needless_pass_by_value, reason = "it is written in place")]
pub(super) fn sensor(id: &str, config: Value) -> Task {
    let config = config.as_object().expect("a map").clone();
    let place = (crate::operator::sensor::SPEC.place)(&config);
    Task { operator: "sensor".to_owned(), place, config, ..task(id) }
}

/// A condition on the run of a DAG, or on tasks of it.
pub(super) fn elsewhere(dag: &str, run: WhichRun, tasks: &[&str]) -> Condition {
    Condition::Elsewhere(Elsewhere {
        dag_id: dag_id(dag),
        run,
        task_ids: tasks.iter().map(|id| task_id(id)).collect(),
        group: None,
        allowed: vec![TaskState::Success],
        failed: vec![TaskState::Failed],
        skipped: vec![TaskState::Skipped],
        check_existence: false,
    })
}

/// A decision to wait.
pub(super) fn waits(key: AttemptKey, condition: Condition, timeout_secs: f64) -> Event {
    let condition = Box::new(condition);
    demands(key, Demand::Wait { condition, timeout_secs: Some(timeout_secs) })
}

/// A decision to ask a person.
pub(super) fn asks(key: AttemptKey, question: Question, timeout_secs: f64) -> Event {
    waits(key, Condition::Answer(question), timeout_secs)
}

/// A question with the usual options.
pub(super) fn question(subject: &str) -> Question {
    let options = ["Approve", "Reject"].map(str::to_owned).to_vec();
    Question { subject: subject.to_owned(), options, ..Question::default() }
}

/// A decision to start a run of another DAG.
pub(super) fn triggers(key: AttemptKey, dag: &str, run_id: &str, waits: bool) -> Event {
    demands(key, Demand::Trigger(Box::new(trigger_demand(dag, run_id, waits))))
}

pub(super) fn trigger_demand(dag: &str, run_id: &str, waits: bool) -> TriggerDemand {
    TriggerDemand {
        trigger: Trigger {
            dag_id: dag_id(dag),
            run_id: Some(RunId::new(run_id).expect("a run id")),
            run_type: RunType::OperatorTriggered,
            logical_date: None,
            data_interval: None,
            run_after: None,
            conf: None,
            note: None,
            triggered_by: TriggeredBy::Operator,
            actor: None,
        },
        is_dated_now: true,
        known: None,
        reset: false,
        skip_known: true,
        fail_paused: false,
        wait: waits.then(|| (vec![TaskState::Success], vec![TaskState::Failed])),
        timeout_secs: None,
    }
}

pub(super) fn demands(key: AttemptKey, demand: Demand) -> Event {
    let mut result = AttemptResult::new(key, Outcome::Deferred);
    result.demand = Some(Box::new(demand));
    Event::Finished(Box::new(result))
}

/// What the shell answers about a run that somebody waits for.
pub(super) fn seen(rows: &Rows, wanted: &RunWanted) -> Event {
    let is_meant = |run: &&RunRow| {
        run.dag_id == wanted.dag_id
            && match &wanted.run {
                WhichRun::Date(date) => run.logical_date == Some(*date),
                WhichRun::Id(run_id) => run.run_id == *run_id,
            }
    };
    let seen = rows.runs.values().find(is_meant).map(|run| Seen {
        state: run.state,
        tasks: rows.tis_of(run.id).into_iter().map(|ti| (ti.task_id, ti.state)).collect(),
    });
    Event::RunSeen { wanted: wanted.clone(), seen }
}

/// What the shell answers to what a step asks.
pub(super) fn answers(rows: &Rows, effects: &Effects) -> Vec<Event> {
    let pasts = effects.past_wanted.iter().map(|wanted| past(rows, wanted));
    pasts.chain(effects.lengths_wanted.iter().map(|wanted| length(rows, wanted))).collect()
}

/// What the shell answers about what is mapped over.
fn length(rows: &Rows, wanted: &LengthWanted) -> Event {
    let mut found: Vec<(i32, &Value)> = rows
        .xcoms
        .iter()
        .filter(|((_, key), _)| *key == wanted.key)
        .filter_map(|((ti, _), value)| Some((rows.tis.get(ti)?, value)))
        .filter(|(ti, _)| ti.run == wanted.run && ti.task_id == wanted.task_id)
        .map(|(ti, value)| (ti.map_index, value))
        .collect();
    found.sort_by_key(|(index, _)| *index);
    Event::LengthLoaded { wanted: wanted.clone(), length: Given(&found).length() }
}

/// A result that gives a value on.
pub(super) fn gave(key: AttemptKey, value: Value) -> Event {
    let mut result = AttemptResult::new(key, Outcome::Success);
    result.xcoms.insert("return_value".to_owned(), value);
    Event::Finished(Box::new(result))
}

/// What the shell answers about a previous run.
pub(super) fn past(rows: &Rows, wanted: &PastWanted) -> Event {
    let date = |run: &RunRow| run.logical_date.unwrap_or(run.run_after);
    let previous = rows
        .runs
        .values()
        .filter(|run| run.dag_id == wanted.dag_id && run.id != wanted.run)
        .filter(|run| !wanted.scheduled_only || run.run_type == RunType::Scheduled)
        .filter(|run| date(run) < wanted.before)
        .max_by_key(|run| (date(run), run.id))
        .map(|run| run.id);
    let tis = previous.map(|run| rows.tis_of(run)).unwrap_or_default();
    let states = tis.into_iter().map(|ti| ((ti.task_id, ti.map_index), ti.state)).collect();
    Event::PastLoaded { run: wanted.run, previous, states }
}

/// What the shell answers about dates: the runs that are to run again, then all that exist.
pub(super) fn existing(
    rows: &Rows,
    dags: &HashMap<VersionKey, Arc<Dag>>,
    wanted: DatesWanted,
) -> Vec<Event> {
    let of = |run: &&RunRow| {
        let is_dated = run.logical_date.is_some_and(|date| wanted.dates.contains(&date));
        run.dag_id == wanted.dag_id && (is_dated || wanted.run_ids.contains(&run.run_id))
    };
    let found: Vec<RunRow> = rows.runs.values().filter(of).cloned().collect();
    let mut events: Vec<Event> = wanted
        .dates
        .iter()
        .filter_map(|date| found.iter().find(|run| run.logical_date == Some(*date)))
        .filter(|_| wanted.backfill.is_some())
        .filter(|run| fate(Some(run.state), wanted.reprocess_behavior) == Fate::Rerun)
        .take(wanted.loads_max)
        .map(|run| Event::RunLoaded {
            run: Box::new(run.clone()),
            tis: rows.tis_of(run.id),
            dag: Arc::clone(&dags[&run.version]),
        })
        .collect();
    events.push(Event::DatesLoaded { wanted, found, unreadable: Vec::new() });
    events
}
