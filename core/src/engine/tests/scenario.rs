//! Scripted scenarios, each told as a transcript.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::world::{World, at, chose, dag, dag_id, decision, goes_on, task, task_id};
use crate::dag::{Callback, Dag, Params, Task};
use crate::engine::{Clear, Event, Order, Refusal, Selection, Trigger, Workers};
use crate::ids::RunId;
use crate::record::{PoolRow, RunKey};
use crate::state::{RunState, RunType, TaskState, TriggerRule, TriggeredBy};
use crate::timetable::Timetable;
use crate::wire::{AttemptResult, Outcome};

const DATE: &str = "2025-01-01T00:00:00Z";

fn check(world: &World, run: RunKey, expected: &str) {
    assert_eq!(world.line(run), expected);
}

fn world_of(dag: Dag) -> (World, RunKey) {
    let name = dag.dag_id.to_string();
    let mut world = World::new();
    world.load(dag);
    let run = world.trigger(&name, DATE);
    (world, run)
}

fn reasons(world: &World, run: RunKey, task: &str) -> String {
    let workers = Workers { serving: 0, free_slots: 0 };
    let found = world.engine.explain(world.ti(run, task), workers, world.now).expect("in memory");
    let found: Vec<String> = found.into_iter().map(|r| format!("{}: {}", r.code, r.text)).collect();
    found.join(" | ")
}

fn pool(name: &str, slots: i64) -> Order {
    let name = name.to_owned();
    Order::SetPool {
        row: PoolRow { name, slots, description: None, include_deferred: false },
        actor: None,
    }
}

#[test]
fn a_chain_retries_and_goes_on() {
    let flaky = Task { retries: 1, ..task("train") };
    let (mut world, run) = world_of(dag("ct", vec![(task("extract"), &[]), (flaky, &["extract"])]));
    check(&world, run, "running: extract queued, train no_status");
    assert_eq!(reasons(&world, run, "train"), "upstream: upstream \"extract\" is queued");
    let no_worker = "no_worker: no worker serves the queue \"default\"";
    assert_eq!(reasons(&world, run, "extract"), no_worker);
    world.run(run, "extract", Outcome::Success);
    world.run(run, "train", Outcome::Failed);
    check(&world, run, "running: extract success, train up_for_retry");
    let retry = "retry_delay: retry at 2025-01-01T00:05:00Z, in 300 s";
    assert_eq!(reasons(&world, run, "train"), retry);
    world.advance(299);
    assert_eq!(world.state(run, "train"), TaskState::UpForRetry);
    world.advance(1);
    check(&world, run, "running: extract success, train queued#2");
    world.run(run, "train", Outcome::Success);
    check(&world, run, "success: extract success, train success#2");
    assert!(world.engine.runs().next().is_none(), "an ended run leaves memory");
}

#[test]
fn a_failure_that_no_retry_mends_ends_the_task() {
    let check = |exit_code, outcome, expected: &str| {
        let strict = Task { retries: 3, no_retry_exit_codes: vec![2], ..task("a") };
        let (mut world, run) = world_of(dag("d", vec![(strict, &[])]));
        let key = world.start(run, "a");
        let mut result = AttemptResult::new(key, outcome);
        result.exit_code = exit_code;
        world.step(Event::Finished(Box::new(result)));
        assert_eq!(world.line(run), expected);
    };
    check(Some(2), Outcome::Failed, "failed: a failed");
    check(Some(1), Outcome::Failed, "running: a up_for_retry");
    check(None, Outcome::FailedForGood, "failed: a failed");
}

/// The course's deployment DAG under three trigger rules, as observed in Airflow 3.3.2.
#[test]
fn the_deployment_dag_ends_as_in_airflow() {
    let check = |rule, api_up: bool, newer: bool, expected: &str| {
        let deploy = Task { trigger_rule: rule, ..task("deploy") };
        let (mut world, run) = world_of(dag(
            "cd",
            vec![
                (decision("branch", "branch"), &[]),
                (task("get_deployed"), &["branch"]),
                (task("get_latest"), &["branch"]),
                (decision("decide", "branch"), &["get_deployed", "get_latest"]),
                (deploy, &["branch", "decide"]),
                (task("skip"), &["decide"]),
            ],
        ));
        let key = world.start(run, "branch");
        world.step(chose(key, if api_up { &["get_deployed", "get_latest"] } else { &["deploy"] }));
        let ready = |world: &World, task: &str| world.queued().iter().any(|id| id == task);
        for name in ["deploy", "get_deployed", "get_latest"] {
            if ready(&world, name) {
                world.run(run, name, Outcome::Success);
            }
        }
        if ready(&world, "decide") {
            let key = world.start(run, "decide");
            world.step(chose(key, &[if newer { "deploy" } else { "skip" }]));
        }
        for name in ["deploy", "skip"] {
            if ready(&world, name) {
                world.run(run, name, Outcome::Success);
            }
        }
        assert_eq!(world.run_state(run), RunState::Success);
        let row = format!("{} {}", world.state(run, "deploy"), world.state(run, "skip"));
        assert_eq!(row, expected, "{rule} {api_up} {newer}");
    };
    let (all, one) = (TriggerRule::AllSuccess, TriggerRule::OneSuccess);
    let none_failed = TriggerRule::NoneFailedMinOneSuccess;
    check(all, false, true, "skipped skipped");
    check(all, true, true, "success skipped");
    check(all, true, false, "skipped success");
    check(one, false, true, "success skipped");
    check(one, true, true, "success skipped");
    check(one, true, false, "success success");
    check(none_failed, false, true, "success skipped");
    check(none_failed, true, true, "success skipped");
    check(none_failed, true, false, "skipped success");
}

#[test]
fn a_branch_that_names_no_task_fails_and_says_so() {
    let (mut world, run) =
        world_of(dag("cd", vec![(decision("b", "branch"), &[]), (task("deploy_model"), &["b"])]));
    let key = world.start(run, "b");
    world.step(chose(key, &["deploy_modle"]));
    check(&world, run, "failed: b failed, deploy_model upstream_failed");
    let reason = world.rows.tis[&key.ti].reason.clone().unwrap();
    let text = "branch \"b\" chose \"deploy_modle\", which is not a task of this DAG; \
                did you mean \"deploy_model\"?";
    assert_eq!(reason, text);
}

#[test]
fn a_cleared_task_below_a_branch_is_skipped_again() {
    let (mut world, run) = world_of(dag(
        "d",
        vec![(decision("b", "branch"), &[]), (task("x"), &["b"]), (task("y"), &["b"])],
    ));
    let key = world.start(run, "b");
    world.step(chose(key, &["x"]));
    world.run(run, "x", Outcome::Success);
    check(&world, run, "success: b success, x success, y skipped");
    let both = Selection { task_ids: vec![task_id("x"), task_id("y")], ..Selection::default() };
    world.clear(run, both).expect("a clear");
    check(&world, run, "running: b success, x queued#2, y skipped");
    let branch =
        Selection { task_ids: vec![task_id("b")], include_downstream: true, ..Default::default() };
    world.clear(run, branch).expect("a clear");
    let key = world.start(run, "b");
    world.step(chose(key, &["y"]));
    check(&world, run, "running: b success#2, x skipped#2, y queued");
}

#[test]
fn empties_succeed_within_the_step() {
    let empties = vec![
        (decision("a", "empty"), &[][..]),
        (decision("b", "empty"), &["a"]),
        (decision("c", "empty"), &["b"]),
    ];
    let (world, run) = world_of(dag("e", empties));
    check(&world, run, "success: a success, b success, c success");
    assert_eq!(world.rows.attempts.len(), 3);
}

#[test]
fn when_is_decided_before_a_worker_is_asked() {
    let only = Task { when: Some("{{ go }}".to_owned()), ..task("a") };
    let (mut world, run) = world_of(dag("w", vec![(only, &[]), (task("z"), &["a"])]));
    world.order(pool("default_pool", 0)).expect("a pool");
    let first = world.start(run, "a");
    assert_eq!(world.rows.tis[&first.ti].worker.as_deref(), Some("scheduler"));
    world.finish(first, Outcome::Success);
    check(&world, run, "running: a scheduled, z no_status");
    let text = "pool_too_small: pool \"default_pool\" has 0 slots, it needs 1";
    assert_eq!(reasons(&world, run, "a"), text);
    world.restart();
    world.order(pool("default_pool", 1)).expect("a pool");
    let second = world.start(run, "a");
    assert_eq!((second.try_number, second.epoch), (1, 2));
    assert_eq!(world.rows.tis[&second.ti].worker.as_deref(), Some("w1"));
    world.finish(second, Outcome::Success);
    world.run(run, "z", Outcome::Success);
    check(&world, run, "success: a success, z success");

    world.advance(1);
    let run = world.trigger("w", "2025-01-02T00:00:00Z");
    let key = world.start(run, "a");
    world.step(goes_on(key, false));
    check(&world, run, "success: a skipped, z skipped");
}

#[test]
fn a_lost_attempt_costs_no_try_until_its_budget_is_spent() {
    let (mut world, run) = world_of(dag("l", vec![(task("a"), &[])]));
    for lost in 1..=6 {
        let key = world.start(run, "a");
        assert_eq!((key.try_number, key.epoch), (1, lost));
        world.step(Event::Lost { key, reason: "worker w1 is gone".to_owned() });
        assert!(world.finish(key, Outcome::Success).fenced, "a late result changes nothing");
        if let Some(at) = world.engine.wake_at() {
            world.now = at;
            world.step(Event::Tick);
        }
    }
    check(&world, run, "failed: a failed");
    let reason = world.rows.tis[&world.ti(run, "a")].reason.clone().unwrap();
    assert!(reason.contains("lost 6 times") && reason.contains("w1 is gone"), "{reason}");
    // 0 + 2 + 4 + 8 + 16 seconds between the six hand-outs.
    assert_eq!(world.now, at("2025-01-01T00:00:30Z"));
}

#[test]
fn pools_go_by_priority_and_a_wide_task_does_not_starve() {
    let small = |id: &str, weight: i32, slots: u32| Task {
        pools: [("gpu".to_owned(), slots)].into_iter().collect(),
        effective_priority: weight,
        ..task(id)
    };
    let mut world = World::new();
    world.load(dag(
        "p",
        vec![
            (small("low", 1, 1), &[]),
            (small("wide", 5, 2), &[]),
            (small("high", 9, 1), &[]),
            (small("huge", 99, 3), &[]),
        ],
    ));
    let run = world.trigger("p", DATE);
    assert_eq!(reasons(&world, run, "low"), "pool_missing: pool \"gpu\" does not exist");
    world.order(pool("gpu", 2)).expect("a pool");
    check(&world, run, "running: low scheduled, wide scheduled, high queued, huge scheduled");
    let text = "pool_too_small: pool \"gpu\" has 2 slots, it needs 3";
    assert_eq!(reasons(&world, run, "huge"), text);
    let text = "pool_full: pool \"gpu\" 1/2 held by p.high of manual__2025-01-01T00:00:00+00:00";
    assert_eq!(reasons(&world, run, "wide"), text);
    let text = "priority: somebody with a higher priority waits for the same pool";
    assert_eq!(reasons(&world, run, "low"), text);
    world.run(run, "high", Outcome::Success);
    check(&world, run, "running: low scheduled, wide queued, high success, huge scheduled");
    world.order(pool("gpu", -1)).expect("a pool");
    check(&world, run, "running: low queued, wide queued, high success, huge queued");
    assert_eq!(world.queued(), ["huge", "wide", "low"]);
}

#[test]
fn limits_of_runs_tasks_and_dags_hold() {
    let mut limited = dag(
        "m",
        vec![
            (task("a"), &[]),
            (task("b"), &[]),
            (Task { max_active_tis_per_dag: Some(1), ..task("c") }, &[]),
        ],
    );
    limited.max_active_runs = 2;
    limited.max_active_tasks = 2;
    let mut world = World::new();
    world.load(limited);
    let runs: Vec<RunKey> =
        (1..=3).map(|day| world.trigger("m", &format!("2025-01-0{day}T00:00:00Z"))).collect();
    check(&world, runs[0], "running: a queued, b queued, c scheduled");
    check(&world, runs[2], "queued: a no_status, b no_status, c no_status");
    assert_eq!(reasons(&world, runs[0], "c"), "max_active_tasks: max_active_tasks 2/2 of this run");
    assert!(reasons(&world, runs[2], "a").starts_with("max_active_runs: max_active_runs 2/2: "));
    world.run(runs[0], "a", Outcome::Success);
    world.run(runs[1], "a", Outcome::Success);
    world.run(runs[1], "b", Outcome::Success);
    check(&world, runs[1], "running: a success, b success, c scheduled");
    let text = "max_active_tis_per_dag: max_active_tis_per_dag 1/1 of this task";
    assert_eq!(reasons(&world, runs[1], "c"), text);
    world.run(runs[0], "c", Outcome::Success);
    world.run(runs[0], "b", Outcome::Success);
    check(&world, runs[1], "running: a success, b success, c queued");
    check(&world, runs[2], "running: a queued, b queued, c scheduled");
}

fn daily(name: &str, catchup: bool) -> Dag {
    let mut dag = dag(name, vec![(task("a"), &[])]);
    let seoul = TimeZone::get("Asia/Seoul").expect("a zone");
    dag.timetable = Timetable::parse("0 15 * * *", seoul, false).expect("a cron");
    dag.start_date = Some(at("2025-08-01T00:00:00Z"));
    dag.catchup = catchup;
    dag.max_active_runs = 2;
    dag
}

fn dates(world: &World) -> Vec<String> {
    world.rows.runs.values().map(|run| run.run_id.to_string()).collect()
}

#[test]
fn without_catchup_only_the_newest_due_run_is_made() {
    let mut world = World::new();
    world.now = at("2025-08-21T21:23:00Z");
    let mut paused = daily("n", false);
    paused.is_paused_upon_creation = Some(true);
    world.load(paused);
    assert!(dates(&world).is_empty(), "a paused DAG makes no runs");
    let pause = |is_paused| Order::Pause { dag_id: dag_id("n"), is_paused, actor: None };
    world.order(pause(false)).expect("known");
    assert_eq!(dates(&world), ["scheduled__2025-08-21T06:00:00+00:00"]);
    let row = &world.rows.dags[&dag_id("n")];
    assert_eq!(row.last_interval_end, Some(at("2025-08-21T06:00:00Z")));
    assert_eq!(row.next_run_after, Some(at("2025-08-22T06:00:00Z")));
    world.restart();
    assert_eq!(dates(&world).len(), 1, "a restart plans nothing twice");
    world.now = at("2025-08-25T00:00:00Z");
    world.step(Event::Tick);
    assert_eq!(dates(&world)[1..], ["scheduled__2025-08-24T06:00:00+00:00"]);
}

#[test]
fn catchup_makes_every_run_within_its_limit() {
    let mut world = World::new();
    world.now = at("2025-08-06T00:00:00Z");
    world.load(daily("c", true));
    let day = |day: u32| format!("scheduled__2025-08-{day:02}T06:00:00+00:00");
    assert_eq!(dates(&world), [day(1), day(2)]);
    for expected in 3..=5_u32 {
        let run = world.engine.runs().next().expect("an unfinished run").id;
        world.run(run, "a", Outcome::Success);
        assert_eq!(dates(&world).last(), Some(&day(expected)));
    }
    let running: Vec<RunKey> = world.engine.runs().map(|run| run.id).collect();
    for run in running {
        world.run(run, "a", Outcome::Success);
    }
    assert_eq!(dates(&world).len(), 5);
    assert_eq!(world.engine.wake_at(), Some(at("2025-08-06T06:00:00Z")));
}

#[test]
fn a_run_that_takes_too_long_fails() {
    let mut limited = dag("t", vec![(task("a"), &[]), (task("b"), &["a"])]);
    limited.dagrun_timeout_secs = Some(60.0);
    let (mut world, run) = world_of(limited);
    let key = world.start(run, "a");
    world.advance(60);
    check(&world, run, "failed: a skipped, b skipped");
    assert_eq!(world.kills, [key]);
    assert!(world.finish(key, Outcome::Success).fenced);
    let reason = world.rows.runs[&run].reason.clone();
    assert_eq!(reason.as_deref(), Some("the dag run timed out after 60 s (dagrun_timeout)"));
}

#[test]
fn fail_fast_stops_the_rest() {
    let mut hasty = dag("f", vec![(task("a"), &[]), (task("b"), &[]), (task("c"), &["b"])]);
    hasty.fail_fast = true;
    let (mut world, run) = world_of(hasty);
    let (a, b) = (world.start(run, "a"), world.start(run, "b"));
    world.finish(a, Outcome::Failed);
    check(&world, run, "failed: a failed, b failed, c skipped");
    assert_eq!(world.kills, [b]);
}

#[test]
fn too_many_failed_runs_pause_the_dag() {
    let mut fragile = dag("x", vec![(task("a"), &[])]);
    fragile.max_consecutive_failed_dag_runs = 2;
    let mut world = World::new();
    world.load(fragile);
    for day in 1..=2 {
        let run = world.trigger("x", &format!("2025-01-0{day}T00:00:00Z"));
        world.run(run, "a", Outcome::Failed);
    }
    assert!(world.rows.dags[&dag_id("x")].is_paused);
    let run = world.trigger("x", "2025-01-03T00:00:00Z");
    check(&world, run, "queued: a no_status");
    assert_eq!(reasons(&world, run, "a"), "dag_paused: dag \"x\" is paused");
}

#[test]
fn a_clear_of_a_running_task_kills_it_and_keeps_its_tries() {
    let (mut world, run) = world_of(dag("k", vec![(task("a"), &[]), (task("b"), &["a"])]));
    let key = world.start(run, "a");
    let one = Selection { task_ids: vec![task_id("a")], ..Selection::default() };
    world.clear(run, one).expect("a clear");
    check(&world, run, "running: a restarting, b no_status");
    assert_eq!(world.kills, [key]);
    world.finish(key, Outcome::Killed);
    check(&world, run, "running: a queued#2, b no_status");
    world.run(run, "a", Outcome::Success);
    world.run(run, "b", Outcome::Failed);
    check(&world, run, "failed: a success#2, b failed");
    let failed = Selection { only_failed: true, ..Selection::default() };
    let answer = world.clear(run, failed).expect("a clear");
    assert_eq!(answer[0]["task_id"], "b");
    check(&world, run, "running: a success#2, b queued#2");
    assert_eq!(world.rows.runs[&run].clear_number, 1);
    assert_eq!(world.rows.attempts.len(), 3, "every attempt is kept");
}

#[test]
fn a_mark_lets_what_is_below_go_on() {
    let (mut world, run) =
        world_of(dag("k", vec![(task("a"), &[]), (task("b"), &["a"]), (task("c"), &["b"])]));
    world.run(run, "a", Outcome::Failed);
    check(&world, run, "failed: a failed, b upstream_failed, c upstream_failed");
    world.mark(run, "a", TaskState::Success);
    check(&world, run, "running: a success, b queued, c no_status");
    let key = world.start(run, "b");
    world.mark(run, "b", TaskState::Skipped);
    check(&world, run, "success: a success, b skipped, c skipped");
    assert_eq!(world.kills, [key]);
}

#[test]
fn marking_a_run_ends_everything_in_it() {
    let (mut world, run) =
        world_of(dag("k", vec![(task("a"), &[]), (task("b"), &["a"]), (task("c"), &[])]));
    world.run(run, "c", Outcome::Failed);
    let key = world.start(run, "a");
    let row = world.rows.runs[&run].clone();
    let mark = |state| Order::MarkRun {
        dag_id: row.dag_id.clone(),
        run_id: row.run_id.clone(),
        state,
        actor: Some("ann".to_owned()),
    };
    world.order(mark(RunState::Success)).expect("a mark");
    check(&world, run, "success: a success, b skipped, c failed");
    assert_eq!(world.kills, [key]);
    world.order(mark(RunState::Queued)).expect("a mark");
    check(&world, run, "failed: a success, b skipped, c failed");
}

#[test]
fn a_run_keeps_its_version_unless_asked() {
    let (mut world, run) = world_of(dag("v", vec![(task("a"), &[]), (task("old"), &["a"])]));
    world.run(run, "a", Outcome::Success);
    world.load(dag("v", vec![(task("a"), &[]), (task("new"), &["a"])]));
    check(&world, run, "running: a success, old queued");
    world.run(run, "old", Outcome::Success);
    let row = world.rows.runs[&run].clone();
    let clear = |run_on_latest_version| {
        Order::Clear(Clear {
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            selection: Selection { task_ids: vec![task_id("a")], ..Selection::default() },
            more_runs: Vec::new(),
            prevent_running_task: false,
            note: None,
            reset_dag_run: true,
            run_on_latest_version,
            actor: None,
        })
    };
    world.order(clear(false)).expect("a clear");
    world.run(run, "a", Outcome::Success);
    check(&world, run, "success: a success#2, old success");
    world.order(clear(true)).expect("a clear");
    check(&world, run, "running: a queued#3, old removed, new no_status");
    assert_ne!(world.rows.runs[&run].version, row.version);
    world.run(run, "a", Outcome::Success);
    world.run(run, "new", Outcome::Success);
    check(&world, run, "success: a success#3, old removed, new success");
    let attempts = world.rows.attempts.values();
    let versions: BTreeMap<_, _> = attempts
        .filter(|a| a.key.ti == world.ti(run, "a"))
        .map(|a| (a.key.try_number, a.version))
        .collect();
    assert_eq!(versions.into_values().collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn the_past_holds_back_until_it_is_well() {
    let careful = Task { depends_on_past: true, ..task("a") };
    let mut world = World::new();
    world.load(dag("past", vec![(careful, &[]), (task("b"), &[])]));
    let first = world.trigger("past", "2025-01-01T00:00:00Z");
    let second = world.trigger("past", "2025-01-02T00:00:00Z");
    check(&world, second, "running: a no_status, b queued");
    let text = "depends_on_past: \"a\" of the previous run is queued";
    assert_eq!(reasons(&world, second, "a"), text);
    world.run(first, "a", Outcome::Failed);
    world.run(first, "b", Outcome::Success);
    check(&world, first, "failed: a failed, b success");
    world.run(second, "b", Outcome::Success);
    check(&world, second, "running: a no_status, b success");
    world.restart();
    let failed = Selection { only_failed: true, ..Selection::default() };
    world.clear(first, failed).expect("a clear");
    world.run(first, "a", Outcome::Success);
    check(&world, second, "running: a queued, b success");
}

#[test]
fn callbacks_hear_what_they_asked_for() {
    let hook = |kind: &str| vec![Callback { kind: kind.to_owned(), config: Map::new() }];
    let mut loud = Task { retries: 1, ..task("a") };
    loud.callbacks.on_failure = [hook("log"), hook("webhook")].concat();
    loud.callbacks.on_retry = hook("log");
    loud.callbacks.on_success = hook("log");
    let mut dag = dag("n", vec![(loud, &[])]);
    dag.callbacks.on_failure = hook("log");
    let (mut world, run) = world_of(dag);
    world.run(run, "a", Outcome::Failed);
    world.advance(300);
    world.run(run, "a", Outcome::Failed);
    let heard: Vec<String> = world
        .rows
        .notices
        .iter()
        .map(|n| format!("{} {} {} try {}", n.id, n.occasion, n.position, n.try_number))
        .collect();
    assert_eq!(
        heard,
        ["1 retry 0 try 1", "2 failure 0 try 2", "3 failure 1 try 2", "4 failure 0 try 0"]
    );
}

fn trigger(dag: &str) -> Trigger {
    Trigger {
        dag_id: dag_id(dag),
        run_id: None,
        run_type: RunType::Manual,
        logical_date: None,
        data_interval: None,
        run_after: None,
        conf: None,
        note: None,
        triggered_by: TriggeredBy::RestApi,
        actor: Some("ann".to_owned()),
    }
}

#[test]
fn a_wrong_trigger_is_refused_before_anything_starts() {
    let mut strict = dag("ct", vec![(task("a"), &[])]);
    strict.params = Params {
        properties: [("depth".to_owned(), json!({ "type": "integer" }))].into_iter().collect(),
        defaults: json!({ "depth": 4 }).as_object().unwrap().clone(),
    };
    let mut world = World::new();
    world.load(strict);
    let conf = |value: Value| value.as_object().cloned();
    let mut refuse = |trigger: Trigger, expected: &str| {
        let refusal = world.order(Order::Trigger(trigger)).expect_err("refused");
        assert!(refusal.to_string().contains(expected), "{refusal}");
        assert!(world.rows.runs.is_empty(), "no run row");
    };
    refuse(trigger("tc"), "dag \"tc\" does not exist; did you mean \"ct\"?");
    refuse(Trigger { conf: conf(json!({ "depth": "4" })), ..trigger("ct") }, "conf.depth");
    let named = RunId::new("scheduled__x").unwrap();
    refuse(Trigger { run_id: Some(named), ..trigger("ct") }, "begins the names of scheduled runs");
}

#[test]
fn two_triggers_of_one_instant_get_two_names() {
    let mut world = World::new();
    world.load(dag("d", vec![(decision("a", "empty"), &[])]));
    for expected in
        ["manual__2025-01-01T00:00:00+00:00", "manual__2025-01-01T00:00:00.000001+00:00"]
    {
        let answer = world.order(Order::Trigger(trigger("d"))).expect("a run");
        assert_eq!(answer, json!(expected));
    }
    let named = Trigger { run_id: Some(RunId::new("mine").unwrap()), ..trigger("d") };
    let slow = Trigger { run_after: Some(at("2025-01-02T00:00:00Z")), ..named.clone() };
    world.order(Order::Trigger(slow)).expect("a run that waits");
    let double = world.order(Order::Trigger(named)).expect_err("a double");
    assert!(matches!(&double, Refusal::Conflict { what } if what.contains("\"mine\" already")));
    assert_eq!(world.engine.wake_at(), Some(at("2025-01-02T00:00:00Z")));
    world.now = at("2025-01-02T00:00:00Z");
    world.step(Event::Tick);
    assert!(world.rows.runs.values().all(|run| run.state == RunState::Success));
}

#[test]
fn a_deleted_run_is_gone_and_its_attempts_are_killed() {
    let (mut world, run) = world_of(dag("d", vec![(task("a"), &[])]));
    let key = world.start(run, "a");
    let row = world.rows.runs[&run].clone();
    let order = Order::DeleteRun { dag_id: row.dag_id, run_id: row.run_id, actor: None };
    world.order(order).expect("a run");
    assert_eq!(world.kills, [key]);
    assert!(world.rows.runs.is_empty() && world.rows.tis.is_empty());
    assert!(world.finish(key, Outcome::Success).fenced);
}

#[test]
fn values_are_kept_per_try() {
    let quiet = Task { do_xcom_push: false, ..task("b") };
    let (mut world, run) = world_of(dag("d", vec![(task("a"), &[]), (quiet, &[])]));
    for name in ["a", "b"] {
        let key = world.start(run, name);
        let mut result = AttemptResult::new(key, Outcome::Success);
        result.xcoms.insert("return_value".to_owned(), json!({ "accuracy": 0.9 }));
        result.xcoms.insert("path".to_owned(), json!("/tmp"));
        result.metrics.insert("accuracy".to_owned(), json!(0.9));
        world.step(Event::Finished(Box::new(result)));
    }
    let keys = |world: &World, name: &str| {
        let ti = world.ti(run, name);
        let keys = world.rows.xcoms.keys().filter(|(of, _)| *of == ti);
        keys.map(|(_, key)| key.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&world, "a"), "metrics path return_value");
    assert_eq!(keys(&world, "b"), "metrics path");
    world.clear(run, Selection::default()).expect("a clear");
    assert_eq!(keys(&world, "a"), "metrics path return_value", "until the new try starts");
    world.start(run, "a");
    assert_eq!(keys(&world, "a"), "");
}

#[test]
fn a_file_that_moves_or_changes_is_a_new_version_and_one_that_is_gone_makes_no_runs() {
    let mut world = World::new();
    world.now = at("2025-08-06T00:00:00Z");
    world.load(daily("g", false));
    assert_eq!(dates(&world).len(), 1);
    world.step(Event::DagGone(dag_id("g")));
    assert!(world.rows.dags[&dag_id("g")].is_stale);
    world.advance(7 * 86_400);
    assert_eq!(dates(&world).len(), 1);
    let refusal = world.order(Order::Trigger(trigger("g"))).expect_err("refused");
    assert_eq!(refusal.to_string(), "the file of dag \"g\" is gone; put it back to run it");
    world.load(daily("g", false));
    assert_eq!(dates(&world).len(), 2);
    let numbers: Vec<u32> = world.rows.versions.values().map(|row| row.version_number).collect();
    assert_eq!(numbers, [1, 2]);
}
