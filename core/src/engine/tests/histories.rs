//! Random histories of random DAGs: the engine against the slow model (`model`).
//!
//! What a try does follows from the history's salt, its task, its run and its number. So the model
//! can say at any time how everything will end, and what it says may change only when a person
//! intervenes; in the end the engine must be where the model said. A history that fails is made
//! smaller and printed. `MODEL_HISTORIES` is how many there are, `MODEL_SEED` the first.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

use super::model::{Deed, Question, States, predict};
use super::plan::{Plan, Spec, build, id, random_plan};
use super::world::{World, chose, gave, goes_on, task_id};
use crate::dag::Dag;
use crate::engine::{Event, Order, SCHEDULER, Selection};
use crate::operator::Place;
use crate::record::{AttemptKey, PoolRow, RunKey, TiRow};
use crate::state::{RunState, TaskState};
use crate::wire::Outcome;

/// The history as it goes on.
pub(super) struct Tale<'a> {
    plan: &'a Plan,
    dag: Dag,
    pub(super) world: World,
    pub(super) runs: Vec<RunKey>,
    predicted: Vec<(States, RunState)>,
    log: String,
    seen: Seen,
}

/// What happened in histories, to show that they are worth something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) instances: usize,
    pub(super) items: usize,
    pub(super) grouped: usize,
    pub(super) empty: usize,
    pub(super) removed: usize,
    pub(super) teardowns: usize,
    pub(super) decided: usize,
    pub(super) retried: usize,
    by_a_person: usize,
    held: usize,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        self.instances += other.instances;
        self.items += other.items;
        self.grouped += other.grouped;
        self.empty += other.empty;
        self.removed += other.removed;
        self.teardowns += other.teardowns;
        self.decided += other.decided;
        self.retried += other.retried;
        self.by_a_person += other.by_a_person;
        self.held += other.held;
    }
}

impl<'a> Tale<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut world = World::new();
        world.is_thorough = false;
        world.load(build(plan));
        let dag = build(plan);
        let (runs, predicted, log) = (Vec::new(), Vec::new(), String::new());
        Tale { plan, dag, world, runs, predicted, log, seen: Seen::default() }
    }

    fn rows(&self, run: usize) -> Vec<(TiRow, Option<u64>)> {
        let rows = self.world.rows.tis_of(self.runs[run]).into_iter();
        rows.map(|row| {
            let given = self.world.rows.xcoms.get(&(row.id, "return_value".to_owned()));
            let length = given.and_then(|value| Some(value.as_array()?.len() as u64));
            (row, length)
        })
        .collect()
    }

    /// How the model says that all runs will end.
    pub(super) fn predict(&self) -> Vec<(States, RunState)> {
        let mut found: Vec<(States, RunState)> = Vec::new();
        for run in 0..self.runs.len() {
            let past = run.checked_sub(1).map(|last| found[last].0.clone());
            found.push(predict(&Question {
                dag: &self.dag,
                run_state: self.world.rows.runs[&self.runs[run]].state,
                rows: self.rows(run),
                past,
                deed: &|task, index, number| self.plan.deed(run, task, index, number),
            }));
        }
        found
    }

    pub(super) fn trigger(&mut self) {
        // Run ids are made of the time of day.
        self.world.advance(1);
        let day = self.runs.len() + 1;
        let run = self.world.trigger("d", &format!("2024-01-{day:02}T00:00:00Z"));
        self.runs.push(run);
    }

    pub(super) fn finish(&mut self, key: AttemptKey) {
        let row = self.world.rows.tis[&key.ti].clone();
        let run = self.runs.iter().position(|run| *run == row.run).expect("its run");
        let (task, _) = self.dag.task(row.task_id.as_str()).expect("its task");
        match (self.plan.deed(run, task, row.map_index, row.try_number), row.operator.as_str()) {
            (Deed::Fails, _) => drop(self.world.finish(key, Outcome::Failed)),
            (Deed::Skips, _) => drop(self.world.finish(key, Outcome::Skipped)),
            (Deed::Succeeds { chosen, .. }, "branch") => {
                let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
                self.world.step(chose(key, &chosen));
            }
            (Deed::Succeeds { goes_on: on, .. }, "short_circuit" | "latest_only") => {
                self.world.step(goes_on(key, on));
            }
            (Deed::Succeeds { gives: Some(length), .. }, _) => {
                let list = vec![0; usize::try_from(length).expect("small")];
                self.world.step(gave(key, json!(list)));
            }
            (Deed::Succeeds { .. }, _) => drop(self.world.finish(key, Outcome::Success)),
        }
    }

    pub(super) fn assign(&mut self, pick: usize) {
        let queued: Vec<_> = self.world.engine.queued().collect();
        if let Some(one) = queued.get(pick % queued.len().max(1)) {
            let worker = if one.place == Place::Scheduler { SCHEDULER } else { "w" };
            let event = Event::Assign { ti: one.ti, worker: worker.to_owned() };
            self.world.step(event);
        }
    }

    pub(super) fn running(&self) -> Vec<AttemptKey> {
        self.world.engine.running().map(|(key, _)| key).collect()
    }

    pub(super) fn set_pool(&mut self, slots: usize) {
        let row = PoolRow {
            name: "small".to_owned(),
            slots: i64::try_from(slots).expect("small"),
            description: None,
            include_deferred: false,
        };
        self.world.order(Order::SetPool { row, actor: None }).expect("a pool");
    }

    fn pause(&mut self, is_paused: bool) {
        let dag_id = super::world::dag_id("d");
        let order = Order::Pause { dag_id, is_paused, actor: None };
        self.world.order(order).expect("a pause");
    }

    /// One step; answers whether a person changed what will be.
    fn step(&mut self, number: usize) -> bool {
        let pick = number >> 6;
        let running = self.running();
        match number % 64 {
            0..=19 => self.assign(pick),
            20..=41 if !running.is_empty() => self.finish(running[pick % running.len()]),
            42 | 43 if !running.is_empty() => {
                let key = running[pick % running.len()];
                if self.world.rows.tis[&key.ti].infra_tries < 2 {
                    self.world.step(Event::Lost { key, reason: "gone".to_owned() });
                }
            }
            44 | 45 => self.world.advance(i64::try_from(pick % 60).expect("small")),
            46 | 47 => self.pause(pick.is_multiple_of(2)),
            48 | 49 => self.set_pool(pick % 3),
            50..=52 => self.world.restart(),
            53..=55 if self.runs.len() < 3 => {
                self.trigger();
                return true;
            }
            56..=59 => {
                self.clear(pick);
                return true;
            }
            60 | 61 => {
                self.mark(pick);
                return true;
            }
            62 => {
                self.mark_run(pick);
                return true;
            }
            63 => {
                // The whole run, or what failed in it.
                let only_failed = pick.is_multiple_of(2);
                let run = self.runs[(pick >> 1) % self.runs.len()];
                let all = Selection { only_failed, ..Selection::default() };
                self.world.clear(run, all).expect("a clear");
                return true;
            }
            _ => self.world.advance(1),
        }
        false
    }

    fn clear(&mut self, pick: usize) {
        let run = self.runs[pick % self.runs.len()];
        let spec = &self.plan.specs[(pick >> 2) % self.plan.specs.len()];
        let task = task_id(&id(spec.name));
        let rows = self.world.rows.tis_of(run);
        let rows: Vec<&TiRow> = rows.iter().filter(|row| row.task_id == task).collect();
        let one = rows[(pick >> 3) % rows.len()].map_index;
        let is_one = one >= 0 && (pick >> 7).is_multiple_of(2);
        let selection = Selection {
            task_ids: if is_one { Vec::new() } else { vec![task.clone()] },
            items: if is_one { vec![(task, one)] } else { Vec::new() },
            include_downstream: (pick >> 8).is_multiple_of(2),
            include_upstream: (pick >> 9).is_multiple_of(8),
            only_failed: (pick >> 12).is_multiple_of(4),
            ..Selection::default()
        };
        self.world.clear(run, selection).expect("a clear");
    }

    fn mark(&mut self, pick: usize) {
        let run = self.runs[pick % self.runs.len()];
        let spec = &self.plan.specs[(pick >> 2) % self.plan.specs.len()];
        let state = [TaskState::Success, TaskState::Failed, TaskState::Skipped][(pick >> 8) % 3];
        self.world.mark(run, &id(spec.name), state);
    }

    fn mark_run(&mut self, pick: usize) {
        let row = &self.world.rows.runs[&self.runs[pick % self.runs.len()]];
        let order = Order::MarkRun {
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            state: [RunState::Success, RunState::Failed, RunState::Queued][(pick >> 2) % 3],
            actor: None,
        };
        self.world.order(order).expect("a mark");
    }

    /// Lets everything come to rest.
    fn rest(&mut self) {
        self.pause(false);
        self.set_pool(3);
        for turn in 0..6_000 {
            let running = self.running();
            if self.world.engine.queued().next().is_some() && turn % 3 != 2 {
                self.assign(turn);
            } else if running.is_empty() {
                if self.world.engine.queued().next().is_some() {
                    continue;
                }
                let Some(at) = self.world.engine.wake_at() else { return };
                self.world.now = self.world.now.max(at);
                self.world.step(Event::Tick);
            } else {
                let pick = self.plan.steps.get(turn % 7).copied().unwrap_or(0);
                self.finish(running[pick % running.len()]);
            }
        }
        panic!("it does not come to rest");
    }

    /// What the model says now is what it has said since a person last intervened.
    fn compare(&self, states: &[(States, RunState)], when: &str) {
        for (run, (found, said)) in states.iter().zip(&self.predicted).enumerate() {
            let about =
                || format!("{when}, run {run}:\n  found {found:?}\n  model {said:?}\n{}", self.log);
            assert!(found.1 == said.1, "{}", about());
            let (found, said) = (together(&self.dag, &found.0), together(&self.dag, &said.0));
            let keys = found.keys().chain(said.keys());
            for key in keys {
                // Below what the past holds for ever, a decision may be waited for in vain.
                let above = self.all_above(key.0);
                let is_certain =
                    !said.iter().any(|(up, end)| above.contains(&up.0) && end.is_none());
                assert!(found.get(key) == said.get(key) || !is_certain, "{}", about());
            }
        }
    }

    fn all_above(&self, task: usize) -> Vec<usize> {
        let mut above = self.dag.upstream(task);
        let mut next = 0;
        while next < above.len() {
            above.extend(self.dag.upstream(above[next]));
            next += 1;
        }
        above
    }

    /// How all runs stand now.
    pub(super) fn end(&self) -> Vec<(States, RunState)> {
        let state = |row: &TiRow| Some(row.state).filter(|state| *state != TaskState::NoStatus);
        let end = |(run, key): (usize, &RunKey)| {
            let rows = self.rows(run).into_iter();
            let states = rows.map(|(row, _)| {
                let (task, _) = self.dag.task(row.task_id.as_str()).expect("a task");
                ((task, row.map_index), state(&row))
            });
            (states.collect(), self.world.run_state(*key))
        };
        self.runs.iter().enumerate().map(end).collect()
    }

    /// Counts what there is in the runs.
    pub(super) fn count(&self) -> Seen {
        let mut seen = self.seen;
        for run in 0..self.runs.len() {
            for (row, _) in self.rows(run) {
                let task = self.dag.task(row.task_id.as_str()).expect("a task").1;
                let is_grouped = task.mapping.as_ref().is_some_and(|one| one.group.is_some());
                let says = |text: &str| {
                    usize::from(row.reason.as_deref().is_some_and(|reason| reason.contains(text)))
                };
                seen.instances += 1;
                seen.items += usize::from(row.map_index > 0);
                seen.grouped += usize::from(row.map_index > 0 && is_grouped);
                seen.empty += says("there is nothing to expand over");
                seen.removed += usize::from(row.state == TaskState::Removed);
                seen.teardowns += usize::from(task.is_teardown && row.epoch > 0);
                seen.decided += says("did not choose it") + says("decided not to go on");
                seen.retried += usize::from(row.try_number > 1);
                seen.held += usize::from(row.state == TaskState::NoStatus);
            }
        }
        seen
    }

    fn live(&mut self) -> Seen {
        self.set_pool(2);
        self.trigger();
        self.predicted = self.predict();
        for index in 0..self.plan.steps.len() {
            let number = self.plan.steps[index];
            let by_a_person = self.step(number);
            for run in 0..self.runs.len() {
                let _ = write!(
                    self.log,
                    "\n{index} ({}): {}",
                    number % 64,
                    self.world.line(self.runs[run])
                );
            }
            if by_a_person {
                self.seen.by_a_person += 1;
                self.predicted = self.predict();
            } else if index % 3 == 0 {
                self.compare(&self.predict(), &format!("step {index}"));
            }
        }
        self.rest();
        let end = self.end();
        let looks_back = |spec: &Spec| spec.depends_on_past || spec.wait_for_downstream;
        if end.iter().any(|(_, run)| *run == RunState::Queued) {
            // One run waits for a place that another has, which waits for the first one's tasks.
            assert!(self.plan.specs.iter().any(looks_back), "a run is never begun\n{}", self.log);
            return self.count();
        }
        self.compare(&end, "end");
        self.world.check();
        self.count()
    }
}

/// The states, where a task of a mapped group that was never tried counts as one: whether such a
/// task was expanded before it was decided depends on what had really ended by then, and nobody
/// below can tell the difference.
pub(super) fn together(dag: &Dag, states: &States) -> States {
    let mut by_task: BTreeMap<usize, Vec<(i32, Option<TaskState>)>> = BTreeMap::new();
    for (&(task, index), &state) in states {
        by_task.entry(task).or_default().push((index, state));
    }
    let mut found = States::new();
    for (task, items) in by_task {
        let mapping = dag.tasks[task].mapping.as_ref();
        let is_grouped = mapping.is_some_and(|mapping| mapping.group.is_some());
        let untried = [None, Some(TaskState::Skipped), Some(TaskState::UpstreamFailed)];
        let first = items[0].1;
        let are_alike = items.iter().all(|(_, state)| *state == first);
        if is_grouped && are_alike && untried.contains(&first) {
            found.insert((task, -1), first);
        } else {
            found.extend(items.into_iter().map(|(index, state)| ((task, index), state)));
        }
    }
    found
}

/// What happened in a history, or why it fails.
fn tell(plan: &Plan) -> Result<Seen, String> {
    let lived = catch_unwind(AssertUnwindSafe(|| Tale::new(plan).live()));
    lived.map_err(|reason| {
        let text = reason.downcast_ref::<String>().cloned();
        text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

#[expect(clippy::disallowed_methods, reason = "a test's setting, not the core's")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Says in a small way how a plan fails.
fn explain(seed: u64, plan: Plan) -> ! {
    std::panic::set_hook(Box::new(|_| {}));
    let small = plan.shrink(|plan| tell(plan).is_err());
    drop(std::panic::take_hook());
    let specs: Vec<String> = small.specs.iter().map(|spec| format!("\n  {spec:?}")).collect();
    panic!(
        "MODEL_SEED={seed} MODEL_HISTORIES=1, made smaller: steps {:?}, tasks{}\n{}",
        small.steps,
        specs.concat(),
        tell(&small).err().unwrap_or_default()
    );
}

#[test]
fn histories_end_as_the_model_says() {
    let (first, count) = (setting("MODEL_SEED", 1), setting("MODEL_HISTORIES", 300));
    let mut seen = Seen::default();
    for seed in first..first + count {
        let plan = random_plan(seed);
        seen.add(tell(&plan).unwrap_or_else(|_| explain(seed, plan)));
        if (seed - first) % 10_000 == 9_999 {
            println!("{} histories agree", seed - first + 1);
        }
    }
    println!("{count} histories from seed {first} end as the model says: {seen:?}");
    let Seen { items, grouped, empty, removed, teardowns, decided, retried, by_a_person, .. } =
        seen;
    for (number, what) in [
        (items, "mapped items"),
        (grouped, "items of a group"),
        (empty, "empty mappings"),
        (removed, "removed items"),
        (teardowns, "teardowns that ran"),
        (decided, "tasks skipped by a decision"),
        (retried, "retries"),
        (by_a_person, "clears and marks"),
    ] {
        assert!(number > 0 || count < 300, "no {what} in {count} histories");
    }
}
