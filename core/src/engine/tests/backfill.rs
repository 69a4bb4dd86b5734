//! Backfills, told as transcripts: the cap, the share, the direction, pauses, ends, restarts.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::outcomes::Lcg;
use super::world::{World, at, dag, dag_id, existing, task};
use crate::dag::{Dag, Task};
use crate::engine::{
    BackfillOrder, Engine, EngineConfig, Event, NewBackfill, Order, Refusal, Workers,
};
use crate::record::{BackfillRow, PoolRow, RunKey};
use crate::state::{BackfillDateState, ReprocessBehavior, RunState, RunType};
use crate::timetable::{Cron, Timetable};
use crate::wire::Outcome;

/// A daily DAG of one task that has made no runs; its schedule begins in 2026.
fn daily(tasks: Vec<(Task, &[&str])>) -> Dag {
    let mut dag = dag("d", tasks);
    dag.timetable = Timetable::Cron {
        crons: vec![Cron::parse("0 0 * * *").expect("a cron")],
        zone: TimeZone::UTC,
        data_intervals: false,
    };
    dag.start_date = Some(at("2026-01-01T00:00:00Z"));
    dag
}

fn world() -> World {
    world_of(daily(vec![(task("a"), &[])]))
}

fn world_of(dag: Dag) -> World {
    let mut world = World::new();
    world.now = at("2025-06-01T12:00:00Z");
    world.load(dag);
    world
}

/// So many days from 2025-01-01 on, two at once.
fn days(count: i8) -> NewBackfill {
    let last = at("2024-12-31T00:00:00Z") + jiff::SignedDuration::from_hours(24 * i64::from(count));
    NewBackfill {
        dag_id: dag_id("d"),
        from_date: at("2025-01-01T00:00:00Z"),
        to_date: last,
        run_backwards: false,
        reprocess_behavior: ReprocessBehavior::None,
        max_active_runs: 2,
        stop_after_failures: 0,
        run_on_latest_version: true,
        conf: None,
        actor: Some("ann".to_owned()),
    }
}

fn create(world: &mut World, new: NewBackfill) -> Result<i64, Refusal> {
    let answer = world.order(Order::Backfill(BackfillOrder::Create(new)))?;
    Ok(answer["id"].as_i64().expect("a number"))
}

fn pause(world: &mut World, id: i64, is_paused: bool) {
    let order = BackfillOrder::Pause { id, is_paused, actor: None };
    world.order(Order::Backfill(order)).expect("it is open");
}

fn cancel(world: &mut World, id: i64, stop_running: bool) -> Result<serde_json::Value, Refusal> {
    world.order(Order::Backfill(BackfillOrder::Cancel { id, stop_running, actor: None }))
}

fn row(world: &World, id: i64) -> &BackfillRow {
    &world.rows.backfills[&id]
}

/// `01 success, 02 active, 03 waiting`: the days of a backfill, in its order.
fn told(world: &World, id: i64) -> String {
    let mut text = String::new();
    for date in world.rows.backfill_dates.values().filter(|date| date.backfill == id) {
        let day = date.logical_date.strftime("%d");
        let _ = write!(text, "{}{day} {}", if text.is_empty() { "" } else { ", " }, date.state);
        if let Some(reason) = &date.exception_reason {
            let _ = write!(text, " ({reason})");
        }
    }
    text
}

#[track_caller]
fn check(world: &World, id: i64, state: &str, expected: &str) {
    assert_eq!((row(world, id).state(), told(world, id).as_str()), (state, expected));
}

/// The run of a day of January.
fn run_of(world: &World, day: &str) -> RunKey {
    let date = at(&format!("2025-01-{day}T00:00:00Z"));
    let found = world.rows.runs.values().find(|run| run.logical_date == Some(date));
    found.unwrap_or_else(|| panic!("no run of day {day}")).id
}

fn end(world: &mut World, day: &str, outcome: Outcome) {
    let run = run_of(world, day);
    world.run(run, "a", outcome);
}

#[test]
fn dates_run_in_order_below_the_cap_and_the_end_is_told() {
    let mut world = world();
    let id = create(&mut world, days(4)).expect("a backfill");
    check(&world, id, "running", "01 active, 02 active, 03 waiting, 04 waiting");
    let run = world.rows.runs[&run_of(&world, "01")].clone();
    assert_eq!(run.run_id.as_str(), "backfill__2025-01-01T00:00:00+00:00");
    assert_eq!((run.run_type, run.triggering_user.as_deref()), (RunType::Backfill, Some("ann")));
    end(&mut world, "02", Outcome::Success);
    check(&world, id, "running", "01 active, 02 success, 03 active, 04 waiting");
    end(&mut world, "01", Outcome::Failed);
    end(&mut world, "03", Outcome::Success);
    end(&mut world, "04", Outcome::Success);
    check(&world, id, "completed", "01 failed, 02 success, 03 success, 04 success");
    assert_eq!(row(&world, id).completed_at, Some(world.now));
    let events: Vec<&str> = world.rows.events.iter().map(|event| event.kind.as_str()).collect();
    let told = |kind: &str| events.iter().filter(|known| **known == kind).count();
    assert_eq!((told("backfill_created"), told("backfill_completed")), (1, 1));
    assert!(world.engine.backfill_of(&dag_id("d")).is_none(), "its lane is free again");
    create(&mut world, days(9)).expect("another one");
}

#[test]
fn the_newest_comes_first_when_it_is_asked_for() {
    let mut world = world();
    let new = NewBackfill { run_backwards: true, max_active_runs: 1, ..days(3) };
    let id = create(&mut world, new).expect("a backfill");
    check(&world, id, "running", "03 active, 02 waiting, 01 waiting");
    end(&mut world, "03", Outcome::Success);
    check(&world, id, "running", "03 success, 02 active, 01 waiting");
}

#[test]
fn one_backfill_at_a_time_and_wrong_ones_are_refused() {
    let mut world = world();
    let id = create(&mut world, days(2)).expect("a backfill");
    let again = create(&mut world, days(2)).expect_err("one is open");
    assert_eq!(
        again.to_string(),
        "dag \"d\" has a backfill already: number 1 is running, with 2 unfinished runs"
    );
    let none = create(&mut world, NewBackfill { dag_id: dag_id("dd"), ..days(2) });
    assert!(matches!(none, Err(Refusal::NotFound { .. })), "{none:?}");
    cancel(&mut world, id, true).expect("it is open");
    let order = BackfillOrder::Pause { id, is_paused: true, actor: None };
    let late = world.order(Order::Backfill(order)).expect_err("it is over");
    assert_eq!(late.to_string(), "backfill 1 has ended already");
    let none = cancel(&mut world, 7, false).expect_err("there is none");
    assert_eq!(none.to_string(), "backfill 7 does not exist");
    let future = NewBackfill { from_date: at("2025-07-01T00:00:00Z"), ..days(2) };
    assert!(matches!(create(&mut world, future), Err(Refusal::Invalid { .. })));
}

#[test]
fn what_exists_is_left_or_run_again_as_asked() {
    let prepared = || {
        let mut world = world();
        for (day, outcome) in [("01", Outcome::Failed), ("02", Outcome::Success)] {
            let run = world.trigger("d", &format!("2025-01-{day}T00:00:00Z"));
            world.run(run, "a", outcome);
        }
        world.trigger("d", "2025-01-03T00:00:00Z");
        world
    };
    let check = |reprocess_behavior, expected: &str| {
        let mut world = prepared();
        let new = NewBackfill { reprocess_behavior, max_active_runs: 9, ..days(4) };
        let id = create(&mut world, new).expect("a backfill");
        assert_eq!(told(&world, id), expected);
    };
    let there = "(already exists)";
    check(
        ReprocessBehavior::None,
        &format!("01 skipped {there}, 02 skipped {there}, 03 skipped (in flight), 04 active"),
    );
    check(
        ReprocessBehavior::Failed,
        &format!("01 active, 02 skipped {there}, 03 skipped (in flight), 04 active"),
    );
    check(ReprocessBehavior::Completed, "01 active, 02 active, 03 skipped (in flight), 04 active");
    // What runs again keeps its name and its tries, and moves to the backfill's version and conf.
    let mut world = prepared();
    let mut newer = daily(vec![(task("a"), &[]), (task("b"), &["a"])]);
    newer.description = Some("newer".to_owned());
    world.load(newer);
    let conf = serde_json::json!({"x": 1}).as_object().cloned();
    let reprocess_behavior = ReprocessBehavior::Completed;
    let new = NewBackfill { reprocess_behavior, conf, max_active_runs: 9, ..days(2) };
    create(&mut world, new).expect("a backfill");
    let run = run_of(&world, "01");
    assert_eq!(world.line(run), "running: a queued#2, b no_status");
    let row = world.rows.runs[&run].clone();
    assert!(row.run_id.as_str().starts_with("manual__"), "{}", row.run_id);
    assert_eq!((row.run_type, row.version, row.clear_number), (RunType::Backfill, 2, 1));
    assert_eq!(row.params["x"], 1);
    world.run(run, "a", Outcome::Success);
    assert_eq!(world.line(run), "running: a success#2, b queued");
}

#[test]
fn a_paused_backfill_starts_nothing_and_says_so() {
    let mut world = world();
    let id = create(&mut world, days(4)).expect("a backfill");
    pause(&mut world, id, true);
    end(&mut world, "01", Outcome::Success);
    check(&world, id, "paused", "01 success, 02 active, 03 waiting, 04 waiting");
    pause(&mut world, id, false);
    check(&world, id, "running", "01 success, 02 active, 03 active, 04 waiting");
    // A paused DAG holds it too.
    let dag = dag_id("d");
    let order = |is_paused| Order::Pause { dag_id: dag_id("d"), is_paused, actor: None };
    world.order(order(true)).expect("a pause");
    let run = run_of(&world, "02");
    world.run(run, "a", Outcome::Success);
    check(&world, id, "running", "01 success, 02 success, 03 active, 04 waiting");
    let backfill = world.engine.backfill_of(&dag).expect("it is open");
    let hold = backfill.hold(true, false).expect("it is held");
    assert_eq!(hold.text(backfill), "dag \"d\" is paused");
    world.order(order(false)).expect("an unpause");
    check(&world, id, "running", "01 success, 02 success, 03 active, 04 active");
}

#[test]
fn a_cancel_drops_what_waits_and_stops_what_runs_only_if_asked() {
    let mut world = world();
    let id = create(&mut world, days(4)).expect("a backfill");
    world.start(run_of(&world, "01"), "a");
    cancel(&mut world, id, false).expect("it is open");
    check(&world, id, "cancelled", "01 active, 02 active, 03 waiting, 04 waiting");
    assert!(row(&world, id).is_paused && row(&world, id).completed_at.is_some());
    let still = create(&mut world, days(1)).expect_err("its runs go on");
    assert!(still.to_string().contains("is cancelled, with 2 unfinished runs"), "{still}");
    end(&mut world, "02", Outcome::Success);
    cancel(&mut world, id, true).expect("its runs can be stopped later");
    check(&world, id, "cancelled", "01 failed, 02 success, 03 waiting, 04 waiting");
    assert_eq!(world.kills.len(), 1, "the running attempt is killed");
    let run = &world.rows.runs[&run_of(&world, "01")];
    assert_eq!(run.reason.as_deref(), Some("backfill 1 was cancelled"));
    create(&mut world, days(1)).expect("the lane is free");
}

#[test]
fn too_many_failures_stop_it_and_say_nothing_about_the_schedule() {
    let mut dag = daily(vec![(task("a"), &[])]);
    dag.max_consecutive_failed_dag_runs = 1;
    let mut world = world_of(dag);
    let id = create(&mut world, NewBackfill { stop_after_failures: 2, ..days(5) }).expect("one");
    end(&mut world, "01", Outcome::Failed);
    end(&mut world, "02", Outcome::Success);
    check(&world, id, "running", "01 failed, 02 success, 03 active, 04 active, 05 waiting");
    end(&mut world, "04", Outcome::Failed);
    check(&world, id, "stopped", "01 failed, 02 success, 03 active, 04 failed, 05 waiting");
    let reason = "2 of its runs failed (stop_after_failures is 2)";
    assert_eq!(row(&world, id).reason.as_deref(), Some(reason));
    end(&mut world, "03", Outcome::Success);
    assert!(!row(&world, id).is_open);
    let dag = &world.rows.dags[&dag_id("d")];
    assert_eq!((dag.is_paused, dag.consecutive_failures), (false, 0));
}

#[test]
fn its_runs_and_the_dags_own_do_not_count_against_each_other() {
    let mut dag = daily(vec![(task("a"), &[])]);
    dag.max_active_runs = 1;
    let mut world = world_of(dag);
    create(&mut world, days(4)).expect("a backfill");
    let own = world.trigger("d", "2025-05-01T00:00:00Z");
    assert_eq!(world.run_state(own), RunState::Running);
    let second = world.trigger("d", "2025-05-02T00:00:00Z");
    assert_eq!(world.run_state(second), RunState::Queued);
    let running = world.engine.runs().filter(|run| run.state == RunState::Running).count();
    assert_eq!(running, 3);
}

/// Regular work goes first in a full pool, but the backfill's oldest run is regular work.
#[test]
fn the_oldest_run_keeps_the_share_and_the_others_stand_behind() {
    let mut world = world_of(daily(vec![(task("a"), &[])]));
    let pool = |slots| {
        let name = "default_pool".to_owned();
        Order::SetPool {
            row: PoolRow { name, slots, description: None, include_deferred: false },
            actor: None,
        }
    };
    world.order(pool(1)).expect("a pool");
    create(&mut world, NewBackfill { max_active_runs: 3, ..days(4) }).expect("a backfill");
    for day in ["06", "05"] {
        world.trigger("d", &format!("2025-01-{day}T00:00:00Z"));
    }
    let order = |world: &mut World| {
        let mut days = Vec::new();
        for slots in 1.. {
            world.order(pool(slots)).expect("a pool");
            let queued: Vec<_> = world.engine.queued().map(|queued| queued.ti).collect();
            let Some(&ti) = queued.first() else { break };
            let run = &world.rows.runs[&world.rows.tis[&ti].run];
            days.push(run.logical_date.expect("a date").strftime("%d").to_string());
            world.assign(ti);
        }
        days
    };
    let workers = Workers { serving: 1, free_slots: 1 };
    let behind = world.ti(run_of(&world, "02"), "a");
    let told = world.engine.explain(behind, workers, world.now).expect("in memory");
    let codes: Vec<&str> = told.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["pool_full", "backfill_behind"]);
    assert_eq!(told[1].text, "backfill 1 lets regular work go first");
    assert_eq!(order(&mut world), ["01", "05", "06", "02", "03"]);
}

#[test]
fn the_next_oldest_takes_over_the_share() {
    let mut world = world_of(daily(vec![(task("a"), &[])]));
    let pool = |slots| {
        let name = "default_pool".to_owned();
        Order::SetPool {
            row: PoolRow { name, slots, description: None, include_deferred: false },
            actor: None,
        }
    };
    world.order(pool(1)).expect("a pool");
    create(&mut world, NewBackfill { max_active_runs: 3, ..days(3) }).expect("a backfill");
    for day in ["05", "06", "07"] {
        world.trigger("d", &format!("2025-01-{day}T00:00:00Z"));
    }
    let mut days = Vec::new();
    loop {
        let next = world.engine.queued_in("default").next();
        let Some(ti) = next else { break };
        let run = world.rows.tis[&ti].run;
        let date = world.rows.runs[&run].logical_date.expect("a date");
        days.push(date.strftime("%d").to_string());
        world.run(run, "a", Outcome::Success);
    }
    // The slot of a run that ends goes to who stood in the regular line; the next oldest is there
    // for the one after it.
    assert_eq!(days, ["01", "05", "02", "06", "03", "07"]);
}

#[test]
fn the_past_is_that_of_the_order() {
    let mut world = world_of(daily(vec![(Task { depends_on_past: true, ..task("a") }, &[])]));
    let refused = create(&mut world, days(3)).expect_err("it needs a behaviour");
    assert!(refused.to_string().contains("depends_on_past"), "{refused}");
    // Before the backfill lies a run that failed: the first of the backfill does not look.
    let before = world.trigger("d", "2024-12-31T00:00:00Z");
    world.run(before, "a", Outcome::Failed);
    let reprocess_behavior = ReprocessBehavior::Failed;
    let new = NewBackfill { reprocess_behavior, max_active_runs: 3, ..days(3) };
    create(&mut world, new).expect("a backfill");
    assert_eq!(world.line(run_of(&world, "01")), "running: a queued");
    assert_eq!(world.line(run_of(&world, "02")), "running: a no_status");
    end(&mut world, "01", Outcome::Success);
    assert_eq!(world.line(run_of(&world, "02")), "running: a queued");
    assert_eq!(world.line(run_of(&world, "03")), "running: a no_status");
}

#[test]
fn a_run_that_is_deleted_or_marked_frees_its_place() {
    let mut world = world();
    let id = create(&mut world, days(4)).expect("a backfill");
    let of = |world: &World, day: &str| world.rows.runs[&run_of(world, day)].clone();
    let first = of(&world, "01");
    let (dag_id, run_id, actor) = (first.dag_id, first.run_id, None);
    world.order(Order::DeleteRun { dag_id, run_id, actor }).expect("a delete");
    check(&world, id, "running", "01 skipped (deleted), 02 active, 03 active, 04 waiting");
    let second = of(&world, "02");
    let (dag_id, run_id, state) = (second.dag_id, second.run_id, RunState::Success);
    world.order(Order::MarkRun { dag_id, run_id, state, actor: None }).expect("a mark");
    check(&world, id, "running", "01 skipped (deleted), 02 success, 03 active, 04 active");
    // A clear of a date that is done makes it a run of the DAG's own lane.
    let run = run_of(&world, "02");
    world.clear(run, crate::engine::Selection::default()).expect("a clear");
    check(&world, id, "running", "01 skipped (deleted), 02 success, 03 active, 04 active");
    assert_eq!(world.run_state(run), RunState::Running);
}

#[test]
fn new_runs_keep_the_version_of_the_beginning() {
    let mut world = world();
    let id = create(&mut world, NewBackfill { max_active_runs: 1, ..days(2) }).expect("one");
    let mut newer = daily(vec![(task("a"), &[])]);
    newer.description = Some("newer".to_owned());
    world.load(newer);
    world.restart();
    end(&mut world, "01", Outcome::Success);
    check(&world, id, "running", "01 success, 02 active");
    assert_eq!(world.rows.runs[&run_of(&world, "02")].version, 1);
}

/// What a backfill or a person made already counts as planned, also when nobody remembers it.
#[test]
fn the_schedule_steps_over_dates_that_have_a_run() {
    for catchup in [true, false] {
        let mut dag = daily(vec![(task("a"), &[])]);
        (dag.start_date, dag.catchup) = (Some(at("2025-05-29T00:00:00Z")), catchup);
        dag.is_paused_upon_creation = Some(true);
        let mut world = world_of(dag);
        let made = ["2025-05-30T00:00:00Z", "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"];
        let order = |is_paused| Order::Pause { dag_id: dag_id("d"), is_paused, actor: None };
        let runs: Vec<RunKey> = made.iter().map(|date| world.trigger("d", date)).collect();
        for run in runs {
            let row = world.rows.runs[&run].clone();
            let (dag_id, run_id, state) = (row.dag_id, row.run_id, RunState::Success);
            world.order(Order::MarkRun { dag_id, run_id, state, actor: None }).expect("a mark");
        }
        world.restart();
        world.order(order(false)).expect("an unpause");
        world.advance(3 * 86_400);
        let mut dates: Vec<String> = world
            .rows
            .runs
            .values()
            .filter(|run| run.run_type == RunType::Scheduled)
            .map(|run| run.logical_date.expect("a date").strftime("%m-%d").to_string())
            .collect();
        dates.sort();
        let expected: &[&str] =
            if catchup { &["05-29", "05-31", "06-03", "06-04"] } else { &["06-04"] };
        assert_eq!(dates, expected, "catchup {catchup}");
        let cursor = world.rows.dags[&dag_id("d")].last_interval_end;
        assert_eq!(cursor, Some(at("2025-06-04T00:00:00Z")));
    }
}

#[test]
fn only_allowed_kinds_of_runs_are_made() {
    let mut dag = daily(vec![(task("a"), &[])]);
    dag.start_date = Some(at("2025-05-31T00:00:00Z"));
    dag.allowed_run_types = Some(vec![RunType::Backfill]);
    let mut world = world_of(dag);
    world.advance(5 * 86_400);
    assert!(world.rows.runs.is_empty(), "the schedule makes none");
    assert_eq!(world.rows.dags[&dag_id("d")].next_run_after, None);
    create(&mut world, days(1)).expect("backfills are allowed");
    let mut dag = daily(vec![(task("a"), &[])]);
    dag.allowed_run_types = Some(vec![RunType::Scheduled]);
    let mut world = world_of(dag);
    let refused = create(&mut world, days(1)).expect_err("not allowed");
    assert_eq!(refused.to_string(), "Dag with dag_id: 'd' does not allow backfill runs");
}

/// A thousand dates: no step makes more than a small batch, and nothing is lost or doubled.
#[test]
fn thousands_of_dates_come_in_small_batches() {
    let mut world =
        world_of(daily(vec![(Task { operator: "empty".to_owned(), ..task("a") }, &[])]));
    let mut new = NewBackfill { max_active_runs: 1000, ..days(1) };
    new.from_date = at("2020-01-01T00:00:00Z");
    let order = Order::Backfill(BackfillOrder::Create(new));
    let mut effects = world.engine.step(Event::Order(Box::new(order)), world.now);
    let mut most = 0;
    while let Some(wanted) = effects.dates_wanted.pop() {
        world.take(effects);
        let mut events = existing(&world.rows, &world.dags, wanted);
        effects = world.engine.step(events.remove(0), world.now);
        let made = |change: &&crate::record::Change| {
            matches!(change, crate::record::Change::RunCreated(..))
        };
        most = most.max(effects.changes.iter().filter(made).count());
    }
    world.take(effects);
    assert_eq!((world.rows.runs.len(), most), (1828, 16));
    assert_eq!(row(&world, 1).state(), "completed");
}

/// Random histories: after every step an engine made of the rows does the same, no date is lost or
/// doubled, and the cap holds.
#[test]
fn a_restart_in_the_middle_changes_nothing() {
    for seed in 0..20 {
        let mut random = Lcg(seed);
        let mut dag = daily(vec![(task("a"), &[]), (task("b"), &["a"])]);
        dag.max_active_runs = 2;
        let mut world = world_of(dag);
        for day in 1..=9 {
            if random.below(3) == 0 {
                let run = world.trigger("d", &format!("2025-01-{day:02}T00:00:00Z"));
                let state = [RunState::Success, RunState::Failed][random.below(2)];
                let row = world.rows.runs[&run].clone();
                let (dag_id, run_id, actor) = (row.dag_id, row.run_id, None);
                world.order(Order::MarkRun { dag_id, run_id, state, actor }).expect("a mark");
            }
        }
        let new = NewBackfill {
            run_backwards: random.below(2) == 0,
            reprocess_behavior: ReprocessBehavior::ALL[random.below(3)],
            max_active_runs: u32::try_from(1 + random.below(3)).expect("small"),
            ..days(9)
        };
        let id = create(&mut world, new).expect("a backfill");
        let mut turns = 0;
        while row(&world, id).is_open {
            turns += 1;
            assert!(turns < 5000, "seed {seed} does not end");
            world.now += jiff::SignedDuration::from_secs(1);
            let mut other = restored(&world);
            for event in next_events(&world, id, &mut random) {
                let expected = other.step(event.clone(), world.now);
                let effects = world.engine.step(event, world.now);
                assert_eq!(format!("{effects:?}"), format!("{expected:?}"), "seed {seed}");
                world.take(effects);
            }
        }
        let done = |date: &crate::record::BackfillDateRow| date.state != BackfillDateState::Waiting;
        let is_cancelled = row(&world, id).state() == "cancelled";
        assert!(is_cancelled || world.rows.backfill_dates.values().all(done));
    }
}

fn restored(world: &World) -> Engine {
    let snapshot = world.rows.snapshot();
    let (mut engine, effects) =
        Engine::restore(EngineConfig::default(), snapshot, world.dags.clone(), world.now);
    assert!(effects.changes.is_empty(), "a restart changes {:?}", effects.changes);
    for wanted in effects.dates_wanted {
        for event in existing(&world.rows, &world.dags, wanted) {
            let effects = engine.step(event, world.now);
            assert!(effects.changes.is_empty(), "the dates change {:?}", effects.changes);
        }
    }
    engine
}

fn next_events(world: &World, id: i64, random: &mut Lcg) -> Vec<Event> {
    let queued: Vec<_> = world.engine.queued().map(|queued| queued.ti).collect();
    let running: Vec<_> = world.engine.running().map(|(key, _)| key).collect();
    match random.below(13) {
        0..=4 if !queued.is_empty() => {
            vec![Event::Assign { ti: queued[random.below(queued.len())], worker: "w".to_owned() }]
        }
        5..=8 if !running.is_empty() => {
            let key = running[random.below(running.len())];
            let outcome = [Outcome::Success, Outcome::Success, Outcome::Failed][random.below(3)];
            vec![Event::Finished(Box::new(crate::wire::AttemptResult::new(key, outcome)))]
        }
        9 => {
            let is_paused = random.below(3) == 0;
            vec![ordered(Order::Backfill(BackfillOrder::Pause { id, is_paused, actor: None }))]
        }
        10 if random.below(20) == 0 => {
            let order = BackfillOrder::Cancel { id, stop_running: true, actor: None };
            vec![ordered(Order::Backfill(order))]
        }
        11 => {
            let is_paused = random.below(4) == 0;
            vec![ordered(Order::Pause { dag_id: dag_id("d"), is_paused, actor: None })]
        }
        12 => by_hand(world, random),
        _ => vec![Event::Tick],
    }
}

fn ordered(order: Order) -> Event {
    Event::Order(Box::new(order))
}

/// A person does something to some run, which is loaded first when it has ended.
fn by_hand(world: &World, random: &mut Lcg) -> Vec<Event> {
    let runs: Vec<_> = world.rows.runs.values().collect();
    if runs.is_empty() {
        return vec![Event::Tick];
    }
    let run = runs[random.below(runs.len())];
    let (dag_id, run_id, actor) = (run.dag_id.clone(), run.run_id.clone(), None);
    let state = [RunState::Queued, RunState::Success, RunState::Failed][random.below(3)];
    let order = if random.below(4) == 0 {
        Order::DeleteRun { dag_id, run_id, actor }
    } else {
        Order::MarkRun { dag_id, run_id, state, actor }
    };
    let mut events = Vec::new();
    if run.state.is_terminal() {
        let tis = world.rows.tis_of(run.id);
        let dag = std::sync::Arc::clone(&world.dags[&run.version]);
        events.push(Event::RunLoaded { run: Box::new(run.clone()), tis, dag });
    }
    events.push(ordered(order));
    events
}
