//! What a person is told: the state, since when, why, and what to do.

use super::world::{World, dag, dag_id, task};
use crate::dag::Task;
use crate::engine::{Explanation, Order, Surroundings, Workers};
use crate::record::RunKey;
use crate::wire::Outcome;

/// Two tasks after each other, the first with a retry.
fn world() -> (World, RunKey) {
    let mut world = World::new();
    let first = Task { retries: 1, ..task("a") };
    world.load(dag("d", vec![(first, &[]), (task("b"), &["a"])]));
    let run = world.trigger("d", "2025-01-01T00:00:00Z");
    (world, run)
}

/// What is told of a task, or of the run when none is named.
fn told(world: &World, run: RunKey, task: &str, is_led: bool) -> String {
    let around = Surroundings {
        engine: Some(&world.engine),
        workers: Workers { serving: 0, free_slots: 0 },
        is_led,
        now: world.now,
    };
    let row = &world.rows.runs[&run];
    if task.is_empty() {
        return Explanation::of_run(row, &around).text("dag run r", world.now);
    }
    let ti = &world.rows.tis[&world.ti(run, task)];
    let id = row.run_id.to_string();
    Explanation::of_ti(row, ti, &around).text("it", world.now).replace(&id, "RUN")
}

#[test]
fn the_state_since_when_why_and_what_to_do() {
    let (mut world, run) = world();
    let check = |world: &World, task: &str, expected: &str| {
        assert_eq!(told(world, run, task, true), expected, "{task}");
    };
    world.advance(120);
    check(
        &world,
        "a",
        "it is queued, since 2025-01-01T00:00:00Z (2 min)\n  - no worker serves the queue \"default\"\n      start `millrace worker --queues default`",
    );
    check(
        &world,
        "b",
        "it is not scheduled yet, since 2025-01-01T00:00:00Z (2 min)\n  - upstream \"a\" is queued\n      `millrace explain d RUN a` says why",
    );
    let key = world.start(run, "a");
    world.advance(5);
    check(
        &world,
        "a",
        "it is running, since 2025-01-01T00:02:00Z (5 s)\n  - it runs on w1, try 1\n      `millrace logs d RUN a` shows what it does",
    );
    world.finish(key, Outcome::Failed);
    check(
        &world,
        "a",
        "it is up for retry, since 2025-01-01T00:02:05Z (0 s)\n  - retry at 2025-01-01T00:07:05Z, in 300 s",
    );
    world.advance(300);
    world.run(run, "a", Outcome::Failed);
    let failed = told(&world, run, "a", true);
    assert!(failed.starts_with("it is failed, since 2025-01-01T00:07:05Z (0 s)\n  - "), "{failed}");
    let help = "\n      `millrace logs d RUN a` has the log; `millrace clear d RUN --task 'a'` runs it again";
    assert!(failed.ends_with(help), "{failed}");
    let after = told(&world, run, "b", false);
    assert!(after.starts_with("it is upstream failed, since"), "{after}");
    assert!(
        after.ends_with("mend what failed, then `millrace clear d RUN --only-failed`"),
        "{after}"
    );
    assert!(!after.contains("no scheduler"), "what has ended needs none: {after}");
}

#[test]
fn a_pause_and_a_missing_scheduler_are_told() {
    let (mut world, run) = world();
    let pause = Order::Pause { dag_id: dag_id("d"), is_paused: true, actor: None };
    world.order(pause).expect("a known dag");
    let second = world.trigger("d", "2025-01-02T00:00:00Z");
    let said = told(&world, second, "b", true);
    assert!(
        said.contains("dag \"d\" is paused\n      `millrace unpause d` lets it go on"),
        "{said}"
    );
    for task in ["a", "b", ""] {
        let said = told(&world, run, task, false);
        let first = said.lines().nth(1).unwrap_or_default();
        assert_eq!(
            first,
            "  - no scheduler is at work: nothing is planned, and nothing is handed out"
        );
        assert!(said.contains("start `millrace scheduler`"), "{said}");
    }
}
