//! Limits and pauses of whole DAGs, told as transcripts (Airflow: concurrency, pause, timeouts).

use jiff::tz::TimeZone;

use super::world::{World, at, dag, dag_id, task};
use crate::dag::Dag;
use crate::engine::Order;
use crate::record::RunKey;
use crate::state::RunState;
use crate::timetable::Timetable;
use crate::wire::Outcome;

fn chain(name: &str) -> Dag {
    dag(name, vec![(task("a"), &[]), (task("b"), &["a"])])
}

fn world_of(dag: Dag) -> World {
    let mut world = World::new();
    world.load(dag);
    world
}

fn pause(world: &mut World, name: &str, is_paused: bool) {
    let order = Order::Pause { dag_id: dag_id(name), is_paused, actor: None };
    world.order(order).expect("a known dag");
}

#[track_caller]
fn check(world: &World, run: RunKey, expected: &str) {
    assert_eq!(world.line(run), expected);
}

/// Paused: what runs ends, nothing new starts, queued runs stay; unpaused: all of it goes on.
#[test]
fn a_paused_dag_ends_what_runs_and_starts_nothing() {
    let mut dag = chain("p");
    dag.max_active_runs = 1;
    let mut world = world_of(dag);
    let first = world.trigger("p", "2025-01-01T00:00:00Z");
    let second = world.trigger("p", "2025-01-02T00:00:00Z");
    let key = world.start(first, "a");
    pause(&mut world, "p", true);
    world.finish(key, Outcome::Success);
    check(&world, first, "running: a success, b scheduled");
    check(&world, second, "queued: a no_status, b no_status");
    let third = world.trigger("p", "2025-01-03T00:00:00Z");
    world.advance(100_000);
    check(&world, third, "queued: a no_status, b no_status");
    pause(&mut world, "p", false);
    check(&world, first, "running: a success, b queued");
    world.run(first, "b", Outcome::Success);
    check(&world, first, "success: a success, b success");
    check(&world, second, "running: a queued, b no_status");
    check(&world, third, "queued: a no_status, b no_status");
}

/// A run whose last task ends while its DAG is paused is ended all the same.
#[test]
fn a_paused_dags_run_ends_by_its_last_task() {
    let mut world = world_of(dag("p", vec![(task("a"), &[])]));
    let run = world.trigger("p", "2025-01-01T00:00:00Z");
    let key = world.start(run, "a");
    pause(&mut world, "p", true);
    world.finish(key, Outcome::Failed);
    check(&world, run, "failed: a failed");
}

/// `dagrun_timeout` counts from the start of a run, not while it waits in the queue, and again
/// after a clear.
#[test]
fn a_run_that_waits_does_not_time_out() {
    let mut dag = chain("t");
    (dag.max_active_runs, dag.dagrun_timeout_secs) = (1, Some(60.0));
    let mut world = world_of(dag);
    let first = world.trigger("t", "2025-01-01T00:00:00Z");
    let second = world.trigger("t", "2025-01-02T00:00:00Z");
    world.advance(59);
    assert_eq!(world.run_state(first), RunState::Running);
    world.advance(1);
    check(&world, first, "failed: a skipped, b skipped");
    check(&world, second, "running: a queued, b no_status");
    world.advance(59);
    check(&world, second, "running: a queued, b no_status");
    world.clear(first, crate::engine::Selection::default()).expect("a clear");
    assert_eq!(world.run_state(first), RunState::Queued);
    world.advance(1);
    assert_eq!(
        (world.run_state(second), world.run_state(first)),
        (RunState::Failed, RunState::Running)
    );
    world.advance(59);
    assert_eq!(world.run_state(first), RunState::Running);
    world.advance(1);
    assert_eq!(world.run_state(first), RunState::Failed);
}

/// Runs of persons count too: with as many unfinished as may be, the schedule makes none.
#[test]
fn the_schedule_makes_no_run_beyond_the_limit() {
    let mut dag = dag("s", vec![(task("a"), &[])]);
    dag.timetable = Timetable::parse("@hourly", TimeZone::UTC, false).expect("a schedule");
    (dag.start_date, dag.catchup) = (Some(at("2025-01-01T01:00:00Z")), true);
    dag.max_active_runs = 2;
    let mut world = world_of(dag);
    let by_hand = world.trigger("s", "2024-12-01T00:00:00Z");
    world.advance(5 * 3600);
    let made = |world: &World| world.rows.runs.len();
    assert_eq!(made(&world), 2, "one by hand, one by the schedule");
    world.run(by_hand, "a", Outcome::Success);
    assert_eq!(made(&world), 3);
    world.advance(60);
    assert_eq!(made(&world), 3, "both places are taken");
}

/// A success between two failures begins the count anew, and so does an unpause.
#[test]
fn only_failures_in_a_row_pause_a_dag() {
    let mut dag = dag("x", vec![(task("a"), &[])]);
    dag.max_consecutive_failed_dag_runs = 2;
    let mut world = world_of(dag);
    let run = |world: &mut World, day: u32, outcome| {
        let run = world.trigger("x", &format!("2025-01-{day:02}T00:00:00Z"));
        world.run(run, "a", outcome);
        world.rows.dags[&dag_id("x")].is_paused
    };
    assert!(!run(&mut world, 1, Outcome::Failed));
    assert!(!run(&mut world, 2, Outcome::Success));
    assert!(!run(&mut world, 3, Outcome::Failed));
    assert!(run(&mut world, 4, Outcome::Failed));
    pause(&mut world, "x", false);
    assert!(!run(&mut world, 5, Outcome::Failed));
    assert!(run(&mut world, 6, Outcome::Failed));
}

/// `fail_fast`: teardowns still run, and what waits for a retry is stopped too.
#[test]
fn fail_fast_lets_teardowns_run() {
    let mut down = task("down");
    (down.is_teardown, down.trigger_rule) = (true, crate::state::TriggerRule::AllDone);
    let flaky = crate::dag::Task { retries: 3, ..task("flaky") };
    let mut dag = dag(
        "f",
        vec![(task("a"), &[]), (flaky, &[]), (task("c"), &["flaky"]), (down, &["a", "c"])],
    );
    dag.fail_fast = true;
    let mut world = world_of(dag);
    let run = world.trigger("f", "2025-01-01T00:00:00Z");
    world.run(run, "flaky", Outcome::Failed);
    check(&world, run, "running: a queued, flaky up_for_retry, c no_status, down no_status");
    world.run(run, "a", Outcome::Failed);
    check(&world, run, "running: a failed, flaky skipped, c skipped, down queued");
    world.run(run, "down", Outcome::Success);
    check(&world, run, "failed: a failed, flaky skipped, c skipped, down success");
}
