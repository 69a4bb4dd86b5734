//! Waiting without a slot: sensors, other DAGs' runs, triggered runs, approvals.

use serde_json::{Value, json};

use super::world::{
    World, asks, at, dag, dag_id, decision, demands, elsewhere, question, sensor, task, task_id,
    trigger_demand, triggers, waits,
};
use crate::dag::{Dag, Task};
use crate::engine::{Answer, Event, Order, Refusal, Selection, Workers};
use crate::ids::RunId;
use crate::record::{AttemptKey, RunKey};
use crate::state::{RunState, RunType, TaskState};
use crate::wait::{Condition, Question, WhichRun};
use crate::wire::{AttemptResult, Demand, Outcome};

const DATE: &str = "2025-01-01T00:00:00Z";

fn check(world: &World, run: RunKey, expected: &str) {
    assert_eq!(world.line(run), expected);
}

fn world_of(dags: Vec<Dag>) -> (World, RunKey) {
    let mut world = World::new();
    let name = dags[0].dag_id.to_string();
    for dag in dags {
        world.load(dag);
    }
    let run = world.trigger(&name, DATE);
    (world, run)
}

fn reasons(world: &World, run: RunKey, task: &str) -> String {
    let workers = Workers { serving: 0, free_slots: 0 };
    let found = world.engine.explain(world.ti(run, task), workers, world.now).expect("in memory");
    let found: Vec<String> = found.into_iter().map(|r| format!("{}: {}", r.code, r.text)).collect();
    found.join(" | ")
}

fn not_yet(world: &mut World, run: RunKey, task: &str) -> AttemptKey {
    let key = world.start(run, task);
    let mut result = AttemptResult::new(key, Outcome::NotYet);
    result.reason = Some("nothing is there".to_owned());
    world.step(Event::Finished(Box::new(result)));
    key
}

#[expect(clippy::needless_pass_by_value, reason = "it is written in place")]
fn file(more: Value) -> Task {
    let mut config = json!({"file": "/data/x", "poke_interval": 30, "timeout": 100});
    config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    sensor("wait", config)
}

fn answer(world: &mut World, run: RunKey, task: &str, option: &str) -> Result<Value, Refusal> {
    let row = &world.rows.runs[&run];
    world.order(Order::Answer(Answer {
        dag_id: row.dag_id.clone(),
        run_id: row.run_id.clone(),
        task_id: task_id(task),
        map_index: -1,
        chosen_options: vec![option.to_owned()],
        params_input: serde_json::Map::new(),
        actor: Some("ann".to_owned()),
    }))
}

#[test]
fn a_sensor_holds_nothing_between_two_pokes() {
    let tasks = vec![(file(json!({})), &[][..]), (task("next"), &["wait"])];
    let mut one = dag("s", tasks);
    one.max_active_tasks = 1;
    let (mut world, run) = world_of(vec![one]);
    let first = not_yet(&mut world, run, "wait");
    check(&world, run, "running: wait up_for_reschedule, next no_status");
    let (_, occupied) = world.engine.pools().next().expect("the default pool");
    assert_eq!(occupied, 0, "no pool slot is held");
    let why = "poke: poke 1 found: nothing is there; the next is at 2025-01-01T00:00:30Z, in 30 s \
               | timeout: it gives up at 2025-01-01T00:01:40Z, in 100 s";
    assert_eq!(reasons(&world, run, "wait"), why);
    world.advance(29);
    world.restart();
    assert_eq!(world.state(run, "wait"), TaskState::UpForReschedule, "a restart pokes nothing");
    world.advance(1);
    let second = not_yet(&mut world, run, "wait");
    assert_eq!((second.try_number, second.epoch), (1, first.epoch + 1), "the same try");
    assert_eq!(world.rows.attempts.len(), 1, "one attempt row for all pokes of a try");
    world.finish(first, Outcome::Success);
    assert_eq!(world.state(run, "wait"), TaskState::UpForReschedule, "an old poke is fenced");
    world.advance(30);
    world.run(run, "wait", Outcome::Success);
    check(&world, run, "running: wait success, next queued");
    let attempt = world.rows.attempts.values().next().expect("the attempt");
    assert_eq!(attempt.outcome, Some(TaskState::Success));
    assert_eq!(attempt.start_date, at(DATE), "it began with the first poke");
}

#[test]
fn a_timeout_counts_from_the_first_poke_and_is_no_retry() {
    let check = |more: Value, expected: &str| {
        let tasks = vec![(Task { retries: 2, ..file(more) }, &[][..])];
        let (mut world, run) = world_of(vec![dag("s", tasks)]);
        not_yet(&mut world, run, "wait");
        for secs in [30, 30, 30] {
            world.restart();
            world.advance(secs);
            not_yet(&mut world, run, "wait");
        }
        // The last poke is at the very end of the time.
        world.advance(9);
        assert_eq!(world.state(run, "wait"), TaskState::UpForReschedule);
        world.advance(1);
        not_yet(&mut world, run, "wait");
        assert_eq!(world.line(run), expected);
        let reason = world.rows.tis.values().next().and_then(|ti| ti.reason.clone());
        let text = "its timeout is over after 100 s; the last poke: nothing is there";
        assert_eq!(reason.as_deref(), Some(text));
    };
    check(json!({}), "failed: wait failed");
    check(json!({"soft_fail": true}), "success: wait skipped");
}

#[test]
fn pokes_that_fail_count_as_their_sensor_says() {
    let check = |more: Value, outcome: Outcome, expected: &str| {
        let tasks = vec![(Task { retries: 1, ..file(more) }, &[][..])];
        let (mut world, run) = world_of(vec![dag("s", tasks)]);
        world.run(run, "wait", outcome);
        assert_eq!(world.line(run), expected);
    };
    check(json!({}), Outcome::Failed, "running: wait up_for_retry");
    check(json!({"never_fail": true}), Outcome::Failed, "success: wait skipped");
    check(json!({"silent_fail": true}), Outcome::Failed, "running: wait up_for_reschedule");
    check(json!({"soft_fail": true}), Outcome::Failed, "running: wait up_for_retry");
    check(json!({"soft_fail": true}), Outcome::FailedForGood, "success: wait skipped");
    check(json!({}), Outcome::Lost, "running: wait queued");
}

#[test]
fn a_retry_goes_on_with_the_same_timeout() {
    let tasks = vec![(Task { retries: 1, retry_delay_secs: 30.0, ..file(json!({})) }, &[][..])];
    let (mut world, run) = world_of(vec![dag("s", tasks)]);
    not_yet(&mut world, run, "wait");
    world.advance(30);
    world.run(run, "wait", Outcome::Failed);
    check(&world, run, "running: wait up_for_retry");
    world.advance(30);
    not_yet(&mut world, run, "wait");
    assert_eq!(world.rows.attempts.len(), 2, "one attempt row a try");
    let why = reasons(&world, run, "wait");
    assert!(why.ends_with("timeout: it gives up at 2025-01-01T00:01:40Z, in 40 s"), "{why}");
    world.clear(run, Selection::default()).expect("a clear");
    let wait = &world.rows.tis[&world.ti(run, "wait")].wait;
    assert_eq!(*wait, None, "a clear begins anew");
}

#[test]
fn what_waits_can_be_cleared_marked_paused_and_timed_out() {
    let waiting = || {
        let mut one = dag("s", vec![(file(json!({})), &[][..]), (task("next"), &["wait"])]);
        one.dagrun_timeout_secs = Some(60.0);
        let (mut world, run) = world_of(vec![one]);
        not_yet(&mut world, run, "wait");
        (world, run)
    };
    let (mut world, run) = waiting();
    world.mark(run, "wait", TaskState::Success);
    check(&world, run, "running: wait success, next queued");
    assert_eq!(world.rows.attempts.values().next().unwrap().outcome, Some(TaskState::Success));
    assert!(world.kills.is_empty(), "nothing runs that could be killed");
    let (mut world, run) = waiting();
    world.clear(run, Selection::default()).expect("a clear");
    check(&world, run, "running: wait queued#2, next no_status");
    let (mut world, run) = waiting();
    let pause = |is_paused| Order::Pause { dag_id: dag_id("s"), is_paused, actor: None };
    world.order(pause(true)).expect("paused");
    world.advance(31);
    check(&world, run, "running: wait scheduled, next no_status");
    world.order(pause(false)).expect("unpaused");
    check(&world, run, "running: wait queued, next no_status");
    let (mut world, run) = waiting();
    world.advance(60);
    check(&world, run, "failed: wait skipped, next skipped");
    assert!(world.engine.wake_at().is_none(), "no timer is left");
}

#[test]
fn an_instant_comes_without_any_process() {
    let tasks = vec![(sensor("till", json!({"until": "x"})), &[][..]), (task("next"), &["till"])];
    let (mut world, run) = world_of(vec![dag("t", tasks)]);
    let key = world.start(run, "till");
    world.step(waits(key, Condition::Time { at: at("2025-01-01T02:00:00Z") }, 604_800.0));
    check(&world, run, "running: till deferred, next no_status");
    let why = "time: it waits for an instant at 2025-01-01T02:00:00Z, in 7200 s | timeout: it \
               gives up at 2025-01-08T00:00:00Z, in 604800 s";
    assert_eq!(reasons(&world, run, "till"), why);
    world.restart();
    world.advance(7199);
    assert_eq!(world.state(run, "till"), TaskState::Deferred);
    world.advance(1);
    check(&world, run, "running: till success, next queued");
    // One that has come already is met at once.
    let run = world.trigger("t", "2025-01-02T00:00:00Z");
    let key = world.start(run, "till");
    world.step(waits(key, Condition::Time { at: world.now }, 60.0));
    check(&world, run, "running: till success, next queued");
}

#[test]
fn another_dags_run_is_waited_for() {
    let up = || dag("up", vec![(task("a"), &[][..]), (task("b"), &["a"])]);
    let down = |retries| {
        let wait = Task { retries, ..sensor("wait", json!({"dag": "up", "timeout": 500})) };
        dag("down", vec![(wait, &[][..])])
    };
    let of_date = || WhichRun::Date(at(DATE));
    // Before there is such a run; then it comes and ends.
    let (mut world, run) = world_of(vec![down(0), up()]);
    let key = world.start(run, "wait");
    world.step(waits(key, elsewhere("up", of_date(), &[]), 500.0));
    let why = reasons(&world, run, "wait");
    assert!(why.contains("elsewhere: the run of 2025-01-01T00:00:00+00:00 of dag \"up\""), "{why}");
    world.restart();
    let other = world.trigger("up", DATE);
    world.run(other, "a", Outcome::Success);
    check(&world, run, "running: wait deferred");
    world.run(other, "b", Outcome::Success);
    check(&world, run, "success: wait success");
    // A task of it; the run ended before anybody asked.
    let (mut world, run) = world_of(vec![down(0), up()]);
    let other = world.trigger("up", DATE);
    world.run(other, "a", Outcome::Success);
    world.run(other, "b", Outcome::Failed);
    assert_eq!(world.run_state(other), RunState::Failed);
    let key = world.start(run, "wait");
    world.step(waits(key, elsewhere("up", of_date(), &["a"]), 500.0));
    check(&world, run, "success: wait success");
    // A state that was said to be a failure is one, and may be retried.
    let (mut world, run) = world_of(vec![down(1), up()]);
    let key = world.start(run, "wait");
    world.step(waits(key, elsewhere("up", of_date(), &["a"]), 500.0));
    let other = world.trigger("up", DATE);
    world.run(other, "a", Outcome::Failed);
    check(&world, run, "running: wait up_for_retry");
    let reason = world.rows.tis[&key.ti].reason.clone().unwrap();
    assert!(reason.contains("\"a\" in the run of") && reason.ends_with("is failed"), "{reason}");
    // Nothing comes in time.
    let (mut world, run) = world_of(vec![down(3), up()]);
    let key = world.start(run, "wait");
    world.step(waits(key, elsewhere("up", of_date(), &[]), 500.0));
    world.advance(500);
    check(&world, run, "failed: wait failed");
}

#[test]
fn a_dag_that_does_not_exist_is_found_by_a_check() {
    let wait = sensor("wait", json!({"dag": "upp"}));
    let (mut world, run) =
        world_of(vec![dag("down", vec![(wait, &[][..])]), dag("up", vec![(task("a"), &[])])]);
    let key = world.start(run, "wait");
    let Condition::Elsewhere(mut wanted) = elsewhere("upp", WhichRun::Date(at(DATE)), &[]) else {
        unreachable!("it is one");
    };
    wanted.check_existence = true;
    world.step(waits(key, Condition::Elsewhere(wanted), 60.0));
    let reason = world.rows.tis[&key.ti].reason.clone().unwrap();
    assert_eq!(reason, "the external dag \"upp\" does not exist; did you mean \"up\"?");
}

fn triggering() -> (World, RunKey) {
    let start = decision("start", "trigger_dag");
    world_of(vec![
        dag("down", vec![(start, &[][..]), (task("next"), &["start"])]),
        dag("up", vec![(task("a"), &[])]),
    ])
}

fn run_of(world: &World, run_id: &str) -> RunKey {
    let run_id = RunId::new(run_id).expect("a run id");
    world.rows.runs.values().find(|run| run.run_id == run_id).expect("the run").id
}

#[test]
fn a_triggered_run_is_created_once_and_waited_for() {
    let (mut world, run) = triggering();
    let key = world.start(run, "start");
    world.step(triggers(key, "up", "mine", true));
    let other = run_of(&world, "mine");
    assert_eq!(world.rows.runs[&other].run_type, RunType::OperatorTriggered);
    assert_eq!(world.rows.xcoms[&(key.ti, "trigger_run_id".to_owned())], json!("mine"));
    check(&world, run, "running: start deferred, next no_status");
    assert_eq!(world.rows.runs[&other].logical_date, Some(at(DATE)), "the present is its date");
    world.step(triggers(key, "up", "mine", true));
    assert_eq!(world.rows.runs.len(), 2, "an answer that comes twice triggers nothing");
    world.restart();
    world.run(other, "a", Outcome::Success);
    check(&world, run, "running: start success, next queued");
    // A run that fails fails the task; one that is deleted too.
    let (mut world, run) = triggering();
    let key = world.start(run, "start");
    world.step(triggers(key, "up", "mine", true));
    world.run(run_of(&world, "mine"), "a", Outcome::Failed);
    check(&world, run, "failed: start failed, next upstream_failed");
    let (mut world, run) = triggering();
    let key = world.start(run, "start");
    world.step(triggers(key, "up", "mine", true));
    let (dag_id, run_id) = (dag_id("up"), RunId::new("mine").expect("an id"));
    world.order(Order::DeleteRun { dag_id, run_id, actor: None }).expect("deleted");
    check(&world, run, "running: start deferred, next no_status");
    world.restart();
    check(&world, run, "failed: start failed, next upstream_failed");
}

#[test]
fn a_run_that_exists_is_skipped_cleared_or_a_failure() {
    let check = |reset: bool, skip: bool, expected: &str| {
        let (mut world, run) = triggering();
        let other = world.trigger("up", DATE);
        let run_id = world.rows.runs[&other].run_id.clone();
        world.run(other, "a", Outcome::Success);
        let key = world.start(run, "start");
        let mut demand = trigger_demand("up", run_id.as_str(), true);
        (demand.reset, demand.skip_known, demand.known) = (reset, skip, Some(run_id));
        if reset {
            let row = world.rows.runs[&other].clone();
            let (tis, dag) = (world.rows.tis_of(other), world.dags[&row.version].clone());
            world.step(Event::RunLoaded { run: Box::new(row), tis, dag });
        }
        world.step(demands(key, Demand::Trigger(Box::new(demand))));
        let found = format!("{}; {}", world.line(run), world.line(other));
        assert_eq!(found, expected);
    };
    let done = "success: a success";
    check(false, false, &format!("failed: start failed, next upstream_failed; {done}"));
    check(false, true, &format!("success: start skipped, next skipped; {done}"));
    check(true, false, "running: start deferred, next no_status; running: a queued#2");
}

#[test]
fn a_missing_dag_and_wrong_params_are_clear_failures() {
    let (mut world, run) = triggering();
    let key = world.start(run, "start");
    world.step(triggers(key, "upp", "mine", false));
    let reason = world.rows.tis[&key.ti].reason.clone().unwrap();
    let text = "dag \"upp\" was not triggered: dag \"upp\" does not exist; did you mean \"up\"?";
    assert_eq!(reason, text);
    let (mut world, run) = triggering();
    let key = world.start(run, "start");
    let mut strict = dag("up", vec![(task("a"), &[])]);
    strict.params.properties.insert("grid".to_owned(), json!({"type": "object"}));
    world.load(strict);
    world.step(triggers(key, "up", "mine", false));
    let reason = world.rows.tis[&key.ti].reason.clone().unwrap();
    assert!(reason.contains("conf.grid: the param \"grid\" has no default"), "{reason}");
    assert_eq!(world.rows.runs.len(), 1, "nothing was created");
}

fn asking(task: Task, question: Question, timeout: f64) -> (World, RunKey) {
    let below = |id: &str| super::world::task(id);
    let (mut world, run) = world_of(vec![dag(
        "d",
        vec![(task, &[][..]), (below("canary"), &["ask"]), (below("full"), &["ask"])],
    )]);
    let key = world.start(run, "ask");
    world.step(asks(key, question, timeout));
    (world, run)
}

#[expect(clippy::needless_pass_by_value, reason = "it is written in place")]
fn approval(config: Value) -> Task {
    Task { config: config.as_object().expect("a map").clone(), ..decision("ask", "approval") }
}

#[test]
fn a_person_approves_or_rejects() {
    let check = |config: Value, option: &str, expected: &str| {
        let (mut world, run) = asking(approval(config), question("go?"), 60.0);
        assert_eq!(world.state(run, "ask"), TaskState::AwaitingInput);
        world.restart();
        answer(&mut world, run, "ask", option).expect("an answer");
        assert_eq!(world.line(run), expected);
        let key = (world.ti(run, "ask"), "return_value".to_owned());
        assert_eq!(world.rows.xcoms[&key]["responded_by_user"], "ann");
        let told = world.rows.events.iter().find(|event| event.kind == "answered");
        assert_eq!(told.expect("an event").actor.as_deref(), Some("ann"));
    };
    check(json!({}), "Approve", "running: ask success, canary queued, full queued");
    check(json!({}), "Reject", "success: ask success, canary skipped, full skipped");
    let strict = json!({"fail_on_reject": true});
    check(strict, "Reject", "failed: ask failed, canary upstream_failed, full upstream_failed");
    let mut branch = question("which?");
    branch.options = vec!["canary".to_owned(), "full".to_owned()];
    let config = json!({"options": ["canary", "full"]});
    let (mut world, run) = asking(approval(config), branch, 60.0);
    answer(&mut world, run, "ask", "canary").expect("an answer");
    assert_eq!(world.line(run), "running: ask success, canary queued, full skipped");
}

#[test]
fn answers_are_checked() {
    let check = |options: &[&str], question: Question, expected: &str| {
        let (mut world, run) = asking(approval(json!({})), question, 60.0);
        let found: Vec<String> = options
            .iter()
            .map(|option| match answer(&mut world, run, "ask", option) {
                Ok(_) => "ok".to_owned(),
                Err(refusal) => refusal.to_string(),
            })
            .collect();
        assert_eq!(found.join(" | "), expected);
    };
    let near =
        "chosen_options: \"Aprove\" is not one of Approve, Reject; did you mean \"Approve\"?";
    check(&["Aprove"], question("go?"), near);
    let before = "ok | \"ask\" was answered at 2025-01-01T00:00:00Z by ann: Approve";
    check(&["Approve", "Reject"], question("go?"), before);
    let named = Question { assigned_users: vec!["bob".to_owned()], ..question("go?") };
    check(&["Approve"], named, "ann may not answer this; bob may");
    let form = json!({"share": {"type": "integer", "minimum": 1}});
    let form = form.as_object().expect("a map").clone();
    let form = Question { params: form, ..question("go?") };
    check(
        &["Approve"],
        form,
        "params_input.share: the param \"share\" has no default; give it a value",
    );
}

#[test]
fn nobody_answers_in_time() {
    let check = |config: Value, defaults: &[&str], expected: &str| {
        let defaults = defaults.iter().map(|text| (*text).to_owned()).collect();
        let question = Question { defaults, ..question("go?") };
        let (mut world, run) = asking(approval(config), question, 60.0);
        world.advance(59);
        world.restart();
        assert_eq!(world.state(run, "ask"), TaskState::AwaitingInput);
        let why = reasons(&world, run, "ask");
        assert!(why.starts_with("approval: it asks \"go?\": Approve or Reject; anybody"), "{why}");
        world.advance(1);
        assert_eq!(world.line(run), expected);
    };
    let failed = "failed: ask failed, canary upstream_failed, full upstream_failed";
    check(json!({}), &[], failed);
    check(json!({}), &["Approve"], "running: ask success, canary queued, full queued");
    check(json!({}), &["Reject"], "success: ask success, canary skipped, full skipped");
    check(json!({"on_timeout": "fail"}), &["Approve"], failed);
    check(json!({"on_timeout": "skip"}), &[], "success: ask skipped, canary skipped, full skipped");
}

/// What the event log has of a sensor does not grow with its pokes; its end follows from the wait.
#[test]
fn pokes_write_no_events() {
    let (mut world, run) = world_of(vec![dag("s", vec![(file(json!({"timeout": 10_000})), &[])])]);
    not_yet(&mut world, run, "wait");
    let told = |world: &World| {
        let words = |event: &crate::record::EventRow| {
            let of = |word: &Option<String>| word.clone().unwrap_or_default();
            format!("{}>{}", of(&event.from), of(&event.to))
        };
        let of_ti = world.rows.events.iter().filter(|event| event.kind == "ti_state");
        of_ti.map(words).collect::<Vec<_>>().join(" ")
    };
    let begun = "no_status>scheduled scheduled>queued queued>running running>up_for_reschedule";
    assert_eq!(told(&world), begun);
    for _ in 0..20 {
        world.advance(30);
        let key = not_yet(&mut world, run, "wait");
        assert_eq!(told(&world), begun, "epoch {}", key.epoch);
    }
    let why = reasons(&world, run, "wait");
    assert!(why.starts_with("poke: poke 21 found: nothing is there; the next is at"), "{why}");
    world.advance(30);
    let key = world.start(run, "wait");
    world.restart();
    world.step(Event::Lost { key, reason: "gone".to_owned() });
    assert_eq!(told(&world), begun, "a lost poke is made again");
    world.run(run, "wait", Outcome::Success);
    assert_eq!(told(&world), format!("{begun} up_for_reschedule>success"));
    world.clear(run, Selection::default()).expect("a clear");
    let again = "success>no_status no_status>scheduled scheduled>queued";
    assert_eq!(told(&world), format!("{begun} up_for_reschedule>success {again}"));
}

/// 5,000 sensors wait; a tick costs what is due, a run that ends only those who wait for it.
#[test]
fn thousands_wait_for_next_to_nothing() {
    const MANY: usize = 5_000;
    let mut tasks: Vec<(Task, &[&str])> = Vec::new();
    for index in 0..MANY {
        let id = format!("w{index}");
        let config = json!({"file": "x", "poke_interval": 100 + index, "timeout": 100_000});
        tasks.push((sensor(&id, config), &[]));
    }
    let mut many = dag("many", tasks);
    many.max_active_tasks = 100_000;
    let (mut world, run) = world_of(vec![many]);
    let pool = crate::record::PoolRow {
        name: "default_pool".to_owned(),
        slots: -1,
        description: None,
        include_deferred: false,
    };
    world.engine.step(Event::Order(Box::new(Order::SetPool { row: pool, actor: None })), world.now);
    for index in 0..MANY {
        let ti = world.ti_at(run, index);
        let event = Event::Assign { ti, worker: "w1".to_owned() };
        let key = world.engine.step(event, world.now).assigned.expect("queued");
        let result = AttemptResult::new(key, Outcome::NotYet);
        world.engine.step(Event::Finished(Box::new(result)), world.now);
    }
    let waiting = world.engine.tis_of(run).filter(|ti| ti.state == TaskState::UpForReschedule);
    assert_eq!(waiting.count(), MANY);
    for secs in 1..200 {
        let now = world.now.checked_add(jiff::SignedDuration::from_secs(secs)).unwrap();
        let effects = world.engine.step(Event::Tick, now);
        // The row of the one that is due.
        let expected = usize::from(secs >= 100);
        assert_eq!(effects.changes.len(), expected, "at {secs} s");
    }
    let row = world.engine.ti(world.ti_at(run, MANY - 1)).expect("in memory");
    let bytes = size_of_val(row.wait.as_deref().expect("it waits"));
    assert!(bytes < 600, "one that waits takes {bytes} bytes more than one that does not");
}

/// Two instants to wait for and one task for a worker, in a pool of one slot.
#[test]
fn a_pool_may_count_what_waits() {
    let pool = |include_deferred| {
        let row = crate::record::PoolRow {
            name: "small".to_owned(),
            slots: 1,
            description: None,
            include_deferred,
        };
        Order::SetPool { row, actor: None }
    };
    let in_pool =
        |task: Task| Task { pools: [("small".to_owned(), 1)].into_iter().collect(), ..task };
    let until = |id| in_pool(sensor(id, json!({"until": "x"})));
    let tasks = || vec![(until("a"), &[][..]), (until("b"), &[]), (in_pool(task("c")), &[])];
    let defer_ready = |world: &mut World, run: RunKey, names: &[&str]| {
        for name in names {
            if world.state(run, name) == TaskState::Queued {
                let key = world.start(run, name);
                world.step(waits(key, Condition::Time { at: at("2025-01-01T01:00:00Z") }, 7200.0));
            }
        }
    };
    let mut world = World::new();
    world.order(pool(false)).expect("a pool");
    world.load(dag("d", tasks()));
    let run = world.trigger("d", DATE);
    defer_ready(&mut world, run, &["a", "b"]);
    check(&world, run, "running: a deferred, b deferred, c queued");
    // The order of the line is by priority and name: `a` has the slot from now on.
    let mut world = World::new();
    world.order(pool(true)).expect("a pool");
    world.load(dag("d", tasks()));
    let run = world.trigger("d", DATE);
    defer_ready(&mut world, run, &["a", "b"]);
    check(&world, run, "running: a deferred, b scheduled, c scheduled");
    let why =
        format!("pool_full: pool \"small\" 1/1 held by d.a of {}", world.rows.runs[&run].run_id);
    assert_eq!(reasons(&world, run, "c"), why);
    world.restart();
    check(&world, run, "running: a deferred, b scheduled, c scheduled");
    world.advance(3600);
    defer_ready(&mut world, run, &["b"]);
    check(&world, run, "running: a success, b success, c queued");
    // What is widened or told not to count lets them go.
    let run = world.trigger("d", "2025-01-02T00:00:00Z");
    check(&world, run, "running: a scheduled, b scheduled, c scheduled");
    world.order(pool(false)).expect("a pool");
    check(&world, run, "running: a queued, b queued, c scheduled");
}
