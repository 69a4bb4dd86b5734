//! Properties over random DAGs and random histories, seeded: the same everywhere.

use std::collections::VecDeque;
use std::fmt::Write;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::mapping::{grouped, mapped, over};
use super::outcomes::{Finish, Lcg, ORDERS, play};
use super::world::{
    World, answers, asks, at, chose, dag, decision, demands, elsewhere, existing, gave, goes_on,
    question, seen, sensor, task, task_id, trigger_demand, waits,
};
use crate::dag::{Dag, Task};
use crate::engine::{
    Answer, Clear, Effects, Engine, EngineConfig, Event, Mark, Order, SCHEDULER, Selection, Trigger,
};
use crate::ids::RunId;
use crate::operator::Place;
use crate::record::{AttemptKey, PoolRow, RunRow, TiRow};
use crate::state::{RunState, RunType, TaskState, TriggerRule, TriggeredBy};
use crate::wait::WhichRun;
use crate::wire::{AttemptResult, Demand, Outcome};

/// A DAG with scripted results, as in `dag_outcomes.json`.
fn random_case(seed: u64) -> Value {
    let mut random = Lcg(seed);
    let count = 3 + random.below(8);
    let mut tasks = Vec::new();
    let mut behaviour = serde_json::Map::new();
    for index in 0..count {
        let mut upstream: Vec<String> = Vec::new();
        for up in 0..index {
            if random.below(5) < 2 {
                upstream.push(format!("t{up}"));
            }
        }
        let rule = TriggerRule::ALL[random.below(TriggerRule::ALL.len())];
        let rule = if random.below(3) == 0 { TriggerRule::AllSuccess } else { rule };
        let mut task = json!({ "id": format!("t{index}"), "upstream": upstream });
        task["trigger_rule"] = json!(rule);
        match random.below(6) {
            0 => {
                task["kind"] = json!("branch");
                let ids: Vec<String> =
                    (0..random.below(3)).map(|_| format!("t{}", random.below(count))).collect();
                task["choice"] = json!(ids);
            }
            1 => {
                task["kind"] = json!("short_circuit");
                task["condition"] = json!(random.below(2) == 0);
                task["ignore_downstream_trigger_rules"] = json!(random.below(2) == 0);
            }
            _ => {}
        }
        if random.below(5) == 0 {
            task["retries"] = json!(1);
        }
        match random.below(5) {
            0 => {
                behaviour.insert(format!("t{index}"), json!("failed"));
            }
            1 => {
                behaviour.insert(format!("t{index}"), json!("skipped"));
            }
            2 if task["retries"] == json!(1) => {
                behaviour.insert(format!("t{index}"), json!(["failed", "success"]));
            }
            _ => {}
        }
        tasks.push(task);
    }
    json!({ "name": format!("seed {seed}"), "tasks": tasks, "behaviour": behaviour })
}

#[test]
fn the_order_in_which_tasks_end_never_matters() {
    // The last was once an exception.
    for seed in (0..400).chain([5296]) {
        let case = random_case(seed);
        let first = play(&case, ORDERS[0]);
        let orders = ORDERS[1..].iter().copied();
        for order in orders.chain([Finish::Random(seed), Finish::Random(seed + 1)]) {
            assert_eq!(play(&case, order), first, "{order:?} of {case}");
        }
        let state = first[0]["run_state"].as_str().unwrap();
        assert!(state == "success" || state == "failed", "{case} ends");
    }
}

/// A DAG with a bit of everything that waits.
fn busy_dag(version: u32) -> Dag {
    let slow =
        |id: &str| Task { pools: [("small".to_owned(), 1)].into_iter().collect(), ..task(id) };
    let wide = Task {
        pools: [("small".to_owned(), 2), ("gpu".to_owned(), 1)].into_iter().collect(),
        effective_priority: 5,
        ..task("wide")
    };
    let mut tasks: Vec<(Task, &[&str])> = vec![
        (Task { retries: 1, retry_delay_secs: 30.0, ..slow("a") }, &[]),
        (slow("b"), &[]),
        (wide, &["a"]),
        (decision("pick", "branch"), &["a"]),
        (Task { when: Some("x".to_owned()), ..slow("left") }, &["pick"]),
        (Task { max_active_tis_per_dag: Some(1), ..task("right") }, &["pick"]),
        (decision("gate", "short_circuit"), &["b"]),
        (Task { depends_on_past: true, ..task("past") }, &["gate"]),
        (decision("nothing", "empty"), &["past"]),
        (Task { trigger_rule: TriggerRule::OneFailed, ..task("alarm") }, &["a", "b", "left"]),
        (sensor("poke", json!({"file": "f", "poke_interval": 20, "timeout": 90})), &["a"]),
        (sensor("other", json!({"dag": "busy", "timeout": 400, "soft_fail": true})), &[]),
        (decision("start", "trigger_dag"), &["poke"]),
        (Task { retries: 1, ..decision("ask", "approval") }, &["b"]),
        (task("asked"), &["ask"]),
        (
            Task { trigger_rule: TriggerRule::NoneFailedMinOneSuccess, ..task("join") },
            &["left", "right", "nothing"],
        ),
    ];
    // Literals change with the version; what a task gives changes with every try.
    let items = if version % 2 == 1 { json!(["x", "y", "z"]) } else { json!(["x", "y"]) };
    let sweep = Task { max_active_tis_per_dagrun: Some(1), retries: 1, ..task("sweep") };
    tasks.push((mapped(sweep, &[("k", items)]), &["a"]));
    tasks.push((task("list"), &["b"]));
    tasks.push((over(task("each"), "list"), &["list"]));
    tasks.push((over(Task { depends_on_past: true, ..task("again") }, "each"), &["each"]));
    tasks.push((grouped(decision("g.pick", "branch"), "g", "list"), &["list", "a"]));
    tasks.push((grouped(task("g.left"), "g", "list"), &["g.pick"]));
    tasks.push((grouped(task("g.right"), "g", "list"), &["g.pick", "sweep"]));
    let reduce = Task { trigger_rule: TriggerRule::NoneFailed, ..task("reduce") };
    tasks.push((reduce, &["g.left", "g.right", "again"]));
    if version % 2 == 1 {
        tasks.push((task("extra"), &["join"]));
    }
    let mut dag = dag("busy", tasks);
    dag.max_active_runs = 3;
    dag.max_active_tasks = 4;
    dag.dagrun_timeout_secs = Some(4000.0);
    dag
}

/// The next thing that happens.
fn random_events(world: &World, random: &mut Lcg) -> Vec<Event> {
    let queued: Vec<_> = world.engine.queued().collect();
    let running: Vec<AttemptKey> = world.engine.running().map(|(key, _)| key).collect();
    match random.below(20) {
        0..=6 if !queued.is_empty() => {
            let one = &queued[random.below(queued.len())];
            let worker = if one.place == Place::Scheduler { SCHEDULER } else { "w" };
            vec![Event::Assign { ti: one.ti, worker: worker.to_owned() }]
        }
        7..=13 if !running.is_empty() => {
            vec![random_end(world, running[random.below(running.len())], random)]
        }
        14 => vec![order_trigger(world)],
        15 => random_clear(world, random),
        18 => random_answer(world, random),
        16 => vec![Event::Order(Box::new(Order::Pause {
            dag_id: super::world::dag_id("busy"),
            is_paused: random.below(2) == 0,
            actor: None,
        }))],
        17 => vec![Event::Order(Box::new(Order::SetPool {
            row: PoolRow {
                name: ["small", "gpu"][random.below(2)].to_owned(),
                slots: i64::try_from(random.below(4)).unwrap(),
                description: None,
                include_deferred: false,
            },
            actor: None,
        }))],
        _ => vec![Event::Tick],
    }
}

fn random_end(world: &World, key: AttemptKey, random: &mut Lcg) -> Event {
    let row = &world.rows.tis[&key.ti];
    match (random.below(8), row.operator.as_str()) {
        (0, _) => Event::Lost { key, reason: "the worker is gone".to_owned() },
        (1, _) => {
            let mut result = AttemptResult::new(key, Outcome::Failed);
            result.exit_code = Some(1);
            Event::Finished(Box::new(result))
        }
        (2, _) => Event::Finished(Box::new(AttemptResult::new(key, Outcome::Skipped))),
        (_, "sensor") if row.task_id == *"poke" && random.below(3) > 0 => {
            Event::Finished(Box::new(AttemptResult::new(key, Outcome::NotYet)))
        }
        (_, "sensor") if row.task_id == *"other" => {
            let date = world.rows.runs[&row.run].logical_date;
            let before = date.and_then(|at| at.checked_sub(SignedDuration::from_secs(40)).ok());
            waits(
                key,
                elsewhere("busy", WhichRun::Date(before.unwrap_or(world.now)), &["a"]),
                400.0,
            )
        }
        (_, "trigger_dag") => {
            let mut demand = trigger_demand("busy", &format!("t{}", key.ti), random.below(2) == 0);
            let known = |run: &&RunRow| demand.trigger.run_id.as_ref() == Some(&run.run_id);
            demand.known = world.rows.runs.values().find(known).map(|run| run.run_id.clone());
            demands(key, Demand::Trigger(Box::new(demand)))
        }
        (_, "approval") => asks(key, question("go?"), 200.0),
        (_, "branch") if row.map_index >= 0 => {
            chose(key, &[["g.left", "g.right"][random.below(2)]])
        }
        (_, "branch") => chose(key, &[["left", "right"][random.below(2)]]),
        (_, "short_circuit") => goes_on(key, random.below(3) > 0),
        _ if row.task_id == *"list" => gave(key, json!(vec![1; random.below(5)])),
        _ => Event::Finished(Box::new(AttemptResult::new(key, Outcome::Success))),
    }
}

/// An answer to one of those who ask.
fn random_answer(world: &World, random: &mut Lcg) -> Vec<Event> {
    let asking = |ti: &&TiRow| ti.state == TaskState::AwaitingInput;
    let Some(ti) = world.rows.tis.values().find(asking) else { return vec![Event::Tick] };
    let run = &world.rows.runs[&ti.run];
    vec![Event::Order(Box::new(Order::Answer(Answer {
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_id: ti.task_id.clone(),
        map_index: -1,
        chosen_options: vec![["Approve", "Reject"][random.below(2)].to_owned()],
        params_input: serde_json::Map::new(),
        actor: Some("ann".to_owned()),
    })))]
}

fn order_trigger(world: &World) -> Event {
    Event::Order(Box::new(Order::Trigger(Trigger {
        dag_id: super::world::dag_id("busy"),
        run_id: None,
        run_type: RunType::Manual,
        logical_date: Some(world.now),
        data_interval: None,
        run_after: None,
        conf: None,
        note: None,
        triggered_by: TriggeredBy::Test,
        actor: None,
    })))
}

/// A clear or a mark of some run, which is loaded first when it has ended.
fn random_clear(world: &World, random: &mut Lcg) -> Vec<Event> {
    let runs: Vec<&RunRow> = world.rows.runs.values().collect();
    if runs.is_empty() {
        return vec![Event::Tick];
    }
    let run = runs[random.below(runs.len())];
    let names =
        ["a", "b", "pick", "left", "join", "gate", "sweep", "list", "each", "g.pick", "g.left"];
    let selection = Selection {
        task_ids: vec![task_id(names[random.below(names.len())])],
        include_downstream: random.below(2) == 0,
        ..Selection::default()
    };
    let others = runs.iter().filter(|other| other.dag_id == run.dag_id && other.id != run.id);
    let more: Vec<RunId> = match random.below(3) {
        0 => others.take(2).map(|other| other.run_id.clone()).collect(),
        _ => Vec::new(),
    };
    let order = match random.below(4) {
        0 => Order::Mark(Mark {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            more_runs: more,
            selection,
            state: [TaskState::Success, TaskState::Failed, TaskState::Skipped][random.below(3)],
            actor: None,
        }),
        1 => Order::MarkRun {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            state: [RunState::Success, RunState::Failed, RunState::Queued][random.below(3)],
            actor: None,
        },
        kind => Order::Clear(Clear {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            more_runs: more,
            selection,
            prevent_running_task: false,
            note: None,
            reset_dag_run: true,
            run_on_latest_version: kind == 2,
            actor: None,
        }),
    };
    let mut events = Vec::new();
    let wanted = order.runs().map(|(_, wanted)| wanted).unwrap_or_default();
    let is_wanted = |other: &&&RunRow| {
        other.dag_id == run.dag_id && wanted.contains(&&other.run_id) && other.state.is_terminal()
    };
    for run in runs.iter().filter(is_wanted) {
        let tis: Vec<TiRow> = world.rows.tis_of(run.id);
        let dag = std::sync::Arc::clone(&world.dags[&run.version]);
        events.push(Event::RunLoaded { run: Box::new((*run).clone()), tis, dag });
    }
    events.push(Event::Order(Box::new(order)));
    events
}

/// An engine made of the rows, which must say that nothing has changed.
fn restored(world: &World) -> Engine {
    let (mut engine, effects) = Engine::restore(
        EngineConfig::default(),
        world.rows.snapshot(),
        world.dags.clone(),
        world.now,
    );
    assert!(effects.changes.is_empty(), "a restart changes {:?}", effects.changes);
    let mut pending = answers(&world.rows, &effects);
    while let Some(one) = pending.pop() {
        let effects = engine.step(one, world.now);
        assert!(effects.changes.is_empty(), "an answer changes {:?}", effects.changes);
        pending.extend(answers(&world.rows, &effects));
    }
    for wanted in effects.dates_wanted {
        for event in existing(&world.rows, &world.dags, wanted) {
            let effects = engine.step(event, world.now);
            assert!(effects.changes.is_empty(), "the dates change {:?}", effects.changes);
        }
    }
    for one in effects.runs_wanted {
        let effects = engine.step(seen(&world.rows, &one), world.now);
        assert!(
            effects.changes.is_empty(),
            "a run that is waited for changes {:?}",
            effects.changes
        );
    }
    engine
}

fn text(effects: &Effects) -> String {
    let Effects {
        changes,
        kills,
        wake_at,
        assigned,
        answer,
        fenced,
        past_wanted,
        lengths_wanted,
        dates_wanted,
        runs_wanted,
    } = effects;
    let mut text = format!(
        "{kills:?} {wake_at:?} {assigned:?} {answer:?} {fenced} {past_wanted:?} \
         {lengths_wanted:?} {dates_wanted:?} {runs_wanted:?}"
    );
    for change in changes {
        let _ = write!(text, "\n{change:?}");
    }
    text
}

/// After every step of a random history, an engine restored from the rows does the same.
#[test]
fn a_restart_changes_nothing() {
    for seed in 0..12 {
        let mut random = Lcg(seed);
        let mut world = World::new();
        world.load(busy_dag(0));
        for name in ["small", "gpu"] {
            let row = PoolRow {
                name: name.to_owned(),
                slots: 2,
                description: None,
                include_deferred: false,
            };
            world.order(Order::SetPool { row, actor: None }).expect("a pool");
        }
        for turn in 0..250 {
            if turn % 60 == 59 {
                world.load(busy_dag(turn / 60));
            }
            world.advance(i64::try_from(random.below(40)).unwrap());
            let mut other = restored(&world);
            let mut events: VecDeque<Event> = random_events(&world, &mut random).into();
            while let Some(event) = events.pop_front() {
                let expected = other.step(event.clone(), world.now);
                let effects = world.engine.step(event.clone(), world.now);
                assert_eq!(text(&effects), text(&expected), "seed {seed} turn {turn}: {event:?}");
                let mut follow = world.accept(&effects);
                for wanted in effects.dates_wanted {
                    follow.extend(existing(&world.rows, &world.dags, wanted));
                }
                follow.extend(effects.runs_wanted.iter().map(|one| seen(&world.rows, one)));
                for answer in follow.into_iter().rev() {
                    events.push_front(answer);
                }
            }
        }
        let runs = world.rows.runs.len();
        assert!(runs > 3 && world.rows.events.len() > 100, "seed {seed} made {runs} runs");
        assert!(world.now > at("2025-01-01T01:00:00Z"));
    }
}
