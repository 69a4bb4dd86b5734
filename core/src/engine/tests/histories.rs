//! Random histories of random DAGs: the engine against the slow model (`model`).
//!
//! What a try does follows from the history's salt, its task, its run and its number. So the model
//! can say at any time how everything will end, and what it says may change only when a person
//! intervenes; in the end the engine must be where the model said. A history that fails is made
//! smaller and printed. `MODEL_HISTORIES` is how many there are, `MODEL_SEED` the first.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::model::{Deed, Question, predict};
use super::outcomes::Lcg;
use super::world::{World, chose, dag, goes_on, task, task_id};
use crate::dag::{Dag, Task};
use crate::engine::{Event, Order, SCHEDULER, Selection};
use crate::operator::Place;
use crate::record::{AttemptKey, PoolRow, RunKey, TiRow};
use crate::state::{RunState, TaskState, TriggerRule};
use crate::wire::Outcome;

/// One task of a history's DAG.
#[derive(Debug, Clone)]
struct Spec {
    /// Its name, which it keeps when others are taken out.
    name: usize,
    kind: &'static str,
    rule: TriggerRule,
    upstream: Vec<usize>,
    retries: u32,
    cuts_direct: bool,
    depends_on_past: bool,
    wait_for_downstream: bool,
    fails_run: bool,
    pool: bool,
}

/// A history: it follows from this alone.
#[derive(Debug, Clone)]
struct Plan {
    salt: u64,
    specs: Vec<Spec>,
    max_active_tasks: u32,
    max_active_runs: u32,
    /// Numbers that say what happens next.
    steps: Vec<usize>,
}

type States = (Vec<Option<TaskState>>, RunState);

fn random_spec(random: &mut Lcg, name: usize, upstream: Vec<usize>) -> Spec {
    let kind =
        ["bash", "bash", "bash", "bash", "branch", "short_circuit", "latest_only"][random.below(7)];
    let rule = TriggerRule::ALL[random.below(TriggerRule::ALL.len())];
    let past = random.below(24);
    Spec {
        name,
        kind,
        rule: if random.below(3) == 0 { TriggerRule::AllSuccess } else { rule },
        upstream,
        retries: u32::try_from(random.below(5).saturating_sub(2)).expect("small"),
        cuts_direct: random.below(2) == 0,
        depends_on_past: past == 0,
        wait_for_downstream: past == 1,
        fails_run: random.below(4) == 0,
        pool: random.below(3) == 0,
    }
}

fn random_plan(seed: u64) -> Plan {
    let mut random = Lcg(seed);
    let count = 2 + random.below(7);
    let mut specs: Vec<Spec> = Vec::new();
    for name in 0..count {
        let upstream = (0..name).filter(|_| random.below(5) < 2).collect();
        specs.push(random_spec(&mut random, name, upstream));
    }
    if random.below(3) == 0 {
        // A setup above one task, its teardown below another.
        let setup = random.below(count);
        specs[setup].kind = "setup";
        let work = setup + random.below(count - setup);
        let teardown = random_spec(&mut random, count, vec![setup, work]);
        let rule = TriggerRule::AllDoneSetupSuccess;
        specs.push(Spec { kind: "teardown", rule, ..teardown });
    }
    let length = 10 + random.below(70);
    Plan {
        salt: seed,
        specs,
        max_active_tasks: [1, 2, 16][random.below(3)],
        max_active_runs: [1, 2, 16][random.below(3)],
        steps: (0..length).map(|_| random.below(1 << 20)).collect(),
    }
}

fn id(name: usize) -> String {
    format!("t{name}")
}

fn build(plan: &Plan) -> Dag {
    let tasks = plan.specs.iter().map(|spec| {
        let mut task: Task = task(&id(spec.name));
        task.trigger_rule = spec.rule;
        task.retries = spec.retries;
        task.retry_delay_secs = 20.0;
        task.depends_on_past = spec.depends_on_past;
        task.wait_for_downstream = spec.wait_for_downstream;
        task.is_setup = spec.kind == "setup";
        task.is_teardown = spec.kind == "teardown";
        if spec.pool {
            task.pools = [("small".to_owned(), 1)].into_iter().collect();
        }
        if matches!(spec.kind, "branch" | "short_circuit" | "latest_only") {
            spec.kind.clone_into(&mut task.operator);
            task.place = Place::Scheduler;
            if spec.cuts_direct {
                task.config.insert("ignore_downstream_trigger_rules".to_owned(), false.into());
            }
        }
        if spec.fails_run && task.is_teardown {
            task.on_failure_fail_dagrun = true;
        }
        let mut upstream: Vec<String> = spec.upstream.iter().map(|&up| id(up)).collect();
        upstream.dedup();
        (task, upstream)
    });
    let tasks: Vec<(Task, Vec<String>)> = tasks.collect();
    let needs: Vec<Vec<&str>> =
        tasks.iter().map(|(_, ups)| ups.iter().map(String::as_str).collect()).collect();
    let listed =
        tasks.iter().zip(&needs).map(|((task, _), needs)| (task.clone(), needs.as_slice()));
    let mut dag = dag("d", listed.collect());
    dag.max_active_tasks = plan.max_active_tasks;
    dag.max_active_runs = plan.max_active_runs;
    dag
}

/// The history as it goes on.
struct Tale<'a> {
    plan: &'a Plan,
    dag: Dag,
    world: World,
    runs: Vec<RunKey>,
    predicted: Vec<States>,
    log: String,
}

impl Tale<'_> {
    /// What a try of a task does: it follows from the salt.
    fn deed(&self, run: usize, task: usize, try_number: u32) -> Deed {
        let name = self.plan.specs[task].name as u64;
        let mut random = Lcg(self.plan.salt
            ^ (run as u64) << 40
            ^ (name + 1) << 20
            ^ u64::from(try_number) << 8);
        random.below(2);
        match random.below(10) {
            0..=2 => Deed::Fails,
            3 => Deed::Skips,
            _ => {
                let names: Vec<String> = self.plan.specs.iter().map(|spec| id(spec.name)).collect();
                let chosen = names.into_iter().filter(|_| random.below(4) == 0).collect();
                Deed::Succeeds { chosen, goes_on: random.below(2) == 0 }
            }
        }
    }

    fn rows(&self, run: usize) -> Vec<TiRow> {
        let rows = self.world.rows.tis_of(self.runs[run]);
        let of = |task: &Task| rows.iter().find(|row| row.task_id == task.task_id);
        self.dag.tasks.iter().map(|task| of(task).expect("an instance").clone()).collect()
    }

    /// How the model says that all runs will end.
    fn predict(&self) -> Vec<States> {
        let mut found: Vec<States> = Vec::new();
        for run in 0..self.runs.len() {
            let past = run.checked_sub(1).map(|last| found[last].0.clone());
            found.push(predict(&Question {
                dag: &self.dag,
                run_state: self.world.rows.runs[&self.runs[run]].state,
                rows: self.rows(run),
                past,
                deed: &|task, number| self.deed(run, task, number),
            }));
        }
        found
    }

    fn trigger(&mut self) {
        // Run ids are made of the time of day.
        self.world.advance(1);
        let day = self.runs.len() + 1;
        let run = self.world.trigger("d", &format!("2024-01-{day:02}T00:00:00Z"));
        self.runs.push(run);
    }

    fn finish(&mut self, key: AttemptKey) {
        let row = self.world.rows.tis[&key.ti].clone();
        let run = self.runs.iter().position(|run| *run == row.run).expect("its run");
        let (task, _) = self.dag.task(row.task_id.as_str()).expect("its task");
        match (self.deed(run, task, row.try_number), row.operator.as_str()) {
            (Deed::Fails, _) => drop(self.world.finish(key, Outcome::Failed)),
            (Deed::Skips, _) => drop(self.world.finish(key, Outcome::Skipped)),
            (Deed::Succeeds { chosen, .. }, "branch") => {
                let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
                self.world.step(chose(key, &chosen));
            }
            (Deed::Succeeds { goes_on: on, .. }, "short_circuit" | "latest_only") => {
                self.world.step(goes_on(key, on));
            }
            (Deed::Succeeds { .. }, _) => drop(self.world.finish(key, Outcome::Success)),
        }
    }

    fn assign(&mut self, pick: usize) {
        let queued: Vec<_> = self.world.engine.queued().collect();
        if let Some(one) = queued.get(pick % queued.len().max(1)) {
            let worker = if one.place == Place::Scheduler { SCHEDULER } else { "w" };
            let event = Event::Assign { ti: one.ti, worker: worker.to_owned() };
            self.world.step(event);
        }
    }

    fn running(&self) -> Vec<AttemptKey> {
        self.world.engine.running().map(|(key, _)| key).collect()
    }

    fn set_pool(&mut self, slots: usize) {
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
        let pick = number >> 5;
        let running = self.running();
        match number % 32 {
            0..=9 => self.assign(pick),
            10..=20 if !running.is_empty() => self.finish(running[pick % running.len()]),
            21 if !running.is_empty() => {
                let key = running[pick % running.len()];
                if self.world.rows.tis[&key.ti].infra_tries < 2 {
                    self.world.step(Event::Lost { key, reason: "gone".to_owned() });
                }
            }
            22 => self.world.advance(i64::try_from(pick % 60).expect("small")),
            23 => self.pause(pick.is_multiple_of(2)),
            24 => self.set_pool(pick % 3),
            25 | 26 => self.world.restart(),
            27 | 28 if self.runs.len() < 3 => {
                self.trigger();
                return true;
            }
            29 | 30 => {
                self.clear(pick);
                return true;
            }
            31 => {
                self.mark(pick);
                return true;
            }
            _ => self.world.advance(1),
        }
        false
    }

    fn clear(&mut self, pick: usize) {
        let run = self.runs[pick % self.runs.len()];
        let spec = &self.plan.specs[(pick >> 2) % self.plan.specs.len()];
        let selection = Selection {
            task_ids: vec![task_id(&id(spec.name))],
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

    /// Lets everything come to rest.
    fn rest(&mut self) {
        self.pause(false);
        self.set_pool(3);
        for turn in 0..3_000 {
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
    fn compare(&self, states: &[States], when: &str) {
        for (run, (found, said)) in states.iter().zip(&self.predicted).enumerate() {
            let about = || format!("{when}, run {run}: {found:?}, not {said:?}\n{}", self.log);
            assert!(found.1 == said.1, "{}", about());
            for (task, state) in found.0.iter().enumerate() {
                // Below what the past holds for ever, a decision may be waited for in vain.
                let is_certain = self.all_above(task).iter().all(|&up| said.0[up].is_some());
                assert!(*state == said.0[task] || !is_certain, "{}", about());
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

    fn live(&mut self) {
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
                    number % 32,
                    self.world.line(self.runs[run])
                );
            }
            if by_a_person {
                self.predicted = self.predict();
            } else if index % 3 == 0 {
                self.compare(&self.predict(), &format!("step {index}"));
            }
        }
        self.rest();
        let end: Vec<States> = self
            .runs
            .iter()
            .enumerate()
            .map(|(run, key)| {
                let rows = self.rows(run).into_iter();
                let states =
                    rows.map(|row| Some(row.state).filter(|state| *state != TaskState::NoStatus));
                (states.collect(), self.world.run_state(*key))
            })
            .collect();
        let looks_back = |spec: &Spec| spec.depends_on_past || spec.wait_for_downstream;
        if end.iter().any(|(_, run)| *run == RunState::Queued) {
            // One run waits for a place that another has, which waits for the first one's tasks.
            assert!(self.plan.specs.iter().any(looks_back), "a run is never begun\n{}", self.log);
            return;
        }
        self.compare(&end, "end");
        self.world.check();
    }
}

/// Why a history fails, if it does.
fn failure(plan: &Plan) -> Option<String> {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new();
        world.is_thorough = false;
        world.load(build(plan));
        let dag = build(plan);
        Tale { plan, dag, world, runs: vec![], predicted: vec![], log: String::new() }.live();
    }));
    let reason = lived.err()?;
    let text = reason.downcast_ref::<String>().cloned();
    Some(
        text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default(),
    )
}

/// The plan without a task.
fn without(plan: &Plan, index: usize) -> Plan {
    let mut plan = plan.clone();
    let gone = plan.specs.remove(index).name;
    for spec in &mut plan.specs {
        spec.upstream.retain(|up| *up != gone);
    }
    plan
}

/// A smaller plan that fails as well: fewer steps, fewer tasks, as long as one can go.
fn shrink(mut plan: Plan) -> Plan {
    loop {
        let mut smaller: Vec<Plan> = Vec::new();
        let mut chunk = plan.steps.len();
        while chunk > 0 {
            for start in (0..plan.steps.len()).step_by(chunk) {
                let mut fewer = plan.clone();
                fewer.steps.drain(start..(start + chunk).min(plan.steps.len()));
                smaller.push(fewer);
            }
            chunk /= 2;
        }
        if plan.specs.len() > 1 {
            smaller.extend((0..plan.specs.len()).map(|index| without(&plan, index)));
        }
        match smaller.into_iter().find(|plan| failure(plan).is_some()) {
            Some(found) => plan = found,
            None => return plan,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's setting, not the core's")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn histories_end_as_the_model_says() {
    let (first, count) = (setting("MODEL_SEED", 1), setting("MODEL_HISTORIES", 300));
    for seed in first..first + count {
        let plan = random_plan(seed);
        if failure(&plan).is_some() {
            let small = shrink(plan);
            let reason = failure(&small).unwrap_or_default();
            let specs: Vec<String> =
                small.specs.iter().map(|spec| format!("\n  {spec:?}")).collect();
            panic!(
                "MODEL_SEED={seed} MODEL_HISTORIES=1, made smaller: steps {:?}, tasks{}\n{reason}",
                small.steps,
                specs.concat()
            );
        }
        if (seed - first) % 10_000 == 9_999 {
            println!("{} histories agree", seed - first + 1);
        }
    }
    println!("{count} histories from seed {first} end as the model says");
}
