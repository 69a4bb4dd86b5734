//! Deadlines of runs: when they are, who is told, and that it is told once.

use super::world::{World, at, dag, task};
use crate::dag::{Callback, Dag, Deadline, DeadlineReference};
use crate::engine::explain_deadlines;
use crate::record::RunKey;
use crate::state::TaskState;
use crate::wire::Outcome;

const DATE: &str = "2025-01-01T00:00:00Z";

fn deadline(name: &str, reference: DeadlineReference, interval_secs: f64) -> Deadline {
    let callback = Callback { kind: "log".to_owned(), config: serde_json::Map::new() };
    Deadline { name: name.to_owned(), reference, interval_secs, callbacks: vec![callback] }
}

fn timed(deadlines: Vec<Deadline>) -> Dag {
    Dag { deadlines, ..dag("d", vec![(task("a"), &[]), (task("b"), &["a"])]) }
}

/// The notices so far: `deadline NAME`.
fn told(world: &World) -> Vec<String> {
    let notices = world.rows.notices.iter();
    notices.map(|n| format!("{} {}", n.occasion, n.cause.as_deref().unwrap_or("-"))).collect()
}

fn states(world: &World, run: RunKey) -> String {
    let row = &world.rows.runs[&run];
    let states: Vec<String> =
        row.deadlines.iter().map(|d| format!("{:?}", d.state).to_lowercase()).collect();
    states.join(" ")
}

#[test]
fn an_instant_follows_from_the_reference() {
    let check = |reference, interval_secs, expected: &str| {
        let mut world = World::new();
        world.now = at("2025-01-03T10:00:00Z");
        world.load(timed(vec![deadline("x", reference, interval_secs)]));
        let run = world.trigger("d", DATE);
        assert_eq!(world.rows.runs[&run].deadlines[0].at, at(expected), "{reference:?}");
    };
    check(DeadlineReference::QueuedAt, 5400.0, "2025-01-03T11:30:00Z");
    check(DeadlineReference::QueuedAt, 0.5, "2025-01-03T10:00:00.5Z");
    check(DeadlineReference::LogicalDate, 3600.0, "2025-01-01T01:00:00Z");
    let fixed = DeadlineReference::Fixed(at("2025-02-01T09:00:00Z"));
    check(fixed, 0.0, "2025-02-01T09:00:00Z");
    check(fixed, -7200.0, "2025-02-01T07:00:00Z");
}

#[test]
fn a_missed_deadline_is_told_once_and_stops_nothing() {
    let mut world = World::new();
    let queued = DeadlineReference::QueuedAt;
    world.load(timed(vec![deadline("late", queued, 7200.0), deadline("soon", queued, 3600.0)]));
    let run = world.trigger("d", DATE);
    assert_eq!(world.engine.wake_at(), Some(at("2025-01-01T01:00:00Z")));
    world.advance(3599);
    assert!(told(&world).is_empty());
    world.advance(1);
    assert_eq!(told(&world), ["deadline soon"]);
    assert_eq!(states(&world, run), "open missed");
    assert_eq!(world.line(run), "running: a queued, b no_status");
    let reason = world.rows.notices[0].reason.clone().expect("a reason");
    assert_eq!(reason, "the dag run is running; it was to end by 2025-01-01T01:00:00Z");
    let kinds = world.rows.events.iter().filter(|event| event.kind == "deadline_missed").count();
    assert_eq!(kinds, 1);
    world.restart();
    world.advance(60);
    assert_eq!(told(&world), ["deadline soon"], "a restart tells nothing twice");
    world.run(run, "a", Outcome::Success);
    world.run(run, "b", Outcome::Success);
    assert_eq!(states(&world, run), "met missed");
    // A clear takes nothing back: what was met is not missed later, what was missed is not told.
    world.clear(run, crate::engine::Selection::default()).expect("a clear");
    world.advance(100_000);
    assert_eq!(told(&world), ["deadline soon"]);
    assert_eq!(states(&world, run), "met missed");
}

#[test]
fn what_is_missed_while_nobody_runs_is_told_at_the_start() {
    let mut world = World::new();
    world.load(timed(vec![deadline("x", DeadlineReference::QueuedAt, 60.0)]));
    world.trigger("d", DATE);
    world.now = at("2025-01-02T00:00:00Z");
    world.restart();
    assert_eq!(told(&world), ["deadline x"]);
    world.restart();
    assert_eq!(told(&world), ["deadline x"]);
}

#[test]
fn a_run_that_waits_for_its_turn_can_be_late_too() {
    let mut world = World::new();
    let mut dag = timed(vec![deadline("x", DeadlineReference::QueuedAt, 60.0)]);
    dag.max_active_runs = 1;
    world.load(dag);
    let first = world.trigger("d", DATE);
    let second = world.trigger("d", "2025-01-02T00:00:00Z");
    world.run(first, "a", Outcome::Success);
    world.run(first, "b", Outcome::Failed);
    assert_eq!(states(&world, first), "met", "a failure in time is in time");
    world.clear(first, crate::engine::Selection::default()).expect("a clear");
    world.advance(60);
    assert_eq!(told(&world), ["deadline x"]);
    assert_eq!(states(&world, second), "missed");
}

#[test]
fn an_end_by_hand_meets_it() {
    let mut world = World::new();
    world.load(timed(vec![deadline("x", DeadlineReference::QueuedAt, 60.0)]));
    let run = world.trigger("d", DATE);
    world.mark(run, "a", TaskState::Success);
    world.mark(run, "b", TaskState::Success);
    assert_eq!(states(&world, run), "met");
    world.advance(60);
    assert!(told(&world).is_empty());
}

#[test]
fn deadlines_are_explained() {
    let mut world = World::new();
    let queued = DeadlineReference::QueuedAt;
    world.load(timed(vec![deadline("soon", queued, 60.0), deadline("late", queued, 120.0)]));
    let run = world.trigger("d", DATE);
    world.advance(60);
    let why = world.engine.explain_run(run, world.now).expect("in memory");
    let why: Vec<&str> = why.iter().map(|reason| reason.text.as_str()).collect();
    let missed = "it missed the deadline \"soon\" of 2025-01-01T00:01:00Z";
    let open = "the deadline \"late\" is at 2025-01-01T00:02:00Z, in 60 s";
    assert_eq!(why, ["the run is running", missed, open]);
    world.run(run, "a", Outcome::Failed);
    let row = &world.rows.runs[&run];
    let why = explain_deadlines(row, world.now);
    assert_eq!(why.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>(), [missed]);
}
