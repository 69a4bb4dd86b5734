//! Which callbacks are told of what, for every way in which a task or a run can end: each once.
//!
//! As in Airflow, callbacks hear what tasks do. What a person, a trigger rule, a timeout of the
//! run or `fail_fast` makes of a task instance is not told of as that task's; the run's end is.

use serde_json::Map;

use super::world::{World, at, dag, decision, task};
use crate::dag::{Callback, Callbacks, Dag, Task};
use crate::engine::{Event, Order, Selection};
use crate::record::RunKey;
use crate::state::{RunState, TaskState, TriggerRule};
use crate::wire::{AttemptResult, Outcome};

const DATE: &str = "2025-01-01T00:00:00Z";

fn all() -> Callbacks {
    let hook = || vec![Callback { kind: "log".to_owned(), config: Map::new() }];
    Callbacks {
        on_success: hook(),
        on_failure: hook(),
        on_retry: hook(),
        on_execute: hook(),
        on_skipped: hook(),
    }
}

/// A DAG in which everybody wants to hear everything.
fn loud(tasks: Vec<(Task, &[&str])>) -> Dag {
    let tasks = tasks.into_iter().map(|(task, needs)| (Task { callbacks: all(), ..task }, needs));
    Dag { callbacks: all(), ..dag("d", tasks.collect()) }
}

/// Plays a run and compares all notices: `TASK OCCASION`, `run OCCASION/CAUSE`.
fn check(dag: &Dag, play: impl Fn(&mut World, RunKey), expected: &str) {
    let told = |restarts: bool| {
        let mut world = World::new();
        world.load(dag.clone());
        let run = world.trigger("d", DATE);
        play(&mut world, run);
        if restarts {
            world.restart();
            world.advance(1);
        }
        let of = |n: &crate::record::NoticeRow| match n.ti {
            Some(ti) => format!("{} {}", world.rows.tis[&ti].task_id, n.occasion),
            None => format!("run {}/{}", n.occasion, n.cause.as_deref().unwrap_or_default()),
        };
        world.rows.notices.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(false), expected);
    assert_eq!(told(true), expected, "after a restart");
}

fn result(world: &mut World, run: RunKey, task: &str, outcome: Outcome) {
    world.run(run, task, outcome);
}

#[test]
fn what_a_task_does_is_told() {
    let one = || loud(vec![(task("a"), &[])]);
    let retried = || loud(vec![(Task { retries: 1, ..task("a") }, &[])]);
    check(
        &one(),
        |world, run| result(world, run, "a", Outcome::Success),
        "a execute, a success, run success/success",
    );
    check(
        &one(),
        |world, run| result(world, run, "a", Outcome::Failed),
        "a execute, a failure, run failure/task_failure",
    );
    check(
        &one(),
        |world, run| result(world, run, "a", Outcome::Skipped),
        "a execute, a skipped, run success/success",
    );
    check(
        &retried(),
        |world, run| {
            result(world, run, "a", Outcome::Failed);
            world.advance(300);
            result(world, run, "a", Outcome::Failed);
        },
        "a execute, a retry, a execute, a failure, run failure/task_failure",
    );
    check(
        &loud(vec![(decision("e", "empty"), &[])]),
        |_, _| {},
        "e execute, e success, run success/success",
    );
}

#[test]
fn a_lost_attempt_is_no_try() {
    check(
        &loud(vec![(task("a"), &[])]),
        |world, run| {
            let key = world.start(run, "a");
            world.step(Event::Lost { key, reason: "gone".to_owned() });
            result(world, run, "a", Outcome::Success);
        },
        "a execute, a success, run success/success",
    );
}

#[test]
fn pokes_are_one_try() {
    check(
        &loud(vec![(Task { operator: "sensor".to_owned(), ..task("a") }, &[])]),
        |world, run| {
            result(world, run, "a", Outcome::NotYet);
            world.advance(600);
            result(world, run, "a", Outcome::Success);
        },
        "a execute, a success, run success/success",
    );
}

#[test]
fn what_others_make_of_a_task_is_not_told() {
    let chain = || loud(vec![(task("a"), &[]), (task("b"), &["a"])]);
    check(
        &chain(),
        |world, run| result(world, run, "a", Outcome::Failed),
        "a execute, a failure, run failure/task_failure",
    );
    check(
        &chain(),
        |world, run| result(world, run, "a", Outcome::Skipped),
        "a execute, a skipped, run success/success",
    );
    let fast = Dag { fail_fast: true, ..loud(vec![(task("a"), &[]), (task("b"), &[])]) };
    check(
        &fast,
        |world, run| {
            let late = world.start(run, "b");
            result(world, run, "a", Outcome::Failed);
            world.finish(late, Outcome::Failed);
        },
        "b execute, a execute, a failure, run failure/task_failure",
    );
}

#[test]
fn a_mark_of_a_task_is_not_told_and_the_end_of_the_run_is() {
    let one = || loud(vec![(task("a"), &[])]);
    let mark = |state| {
        move |world: &mut World, run| {
            let late = world.start(run, "a");
            world.mark(run, "a", state);
            assert!(world.finish(late, Outcome::Failed).fenced);
        }
    };
    check(&one(), mark(TaskState::Success), "a execute, run success/success");
    check(&one(), mark(TaskState::Failed), "a execute, run failure/task_failure");
    check(&one(), mark(TaskState::Skipped), "a execute, run success/success");
    // What failed is marked, so what is below goes on, and the run ends a second time.
    check(
        &loud(vec![(task("a"), &[]), (task("b"), &["a"])]),
        |world, run| {
            result(world, run, "a", Outcome::Failed);
            world.mark(run, "a", TaskState::Success);
            result(world, run, "b", Outcome::Success);
        },
        "a execute, a failure, run failure/task_failure, b execute, b success, \
         run success/success",
    );
}

#[test]
fn a_mark_of_a_run_is_not_told() {
    for state in [RunState::Success, RunState::Failed] {
        check(
            &loud(vec![(task("a"), &[])]),
            move |world, run| {
                let late = world.start(run, "a");
                let row = world.rows.runs[&run].clone();
                let (dag_id, run_id) = (row.dag_id, row.run_id);
                let order = Order::MarkRun { dag_id, run_id, state, actor: None };
                world.order(order).expect("a mark");
                world.finish(late, Outcome::Failed);
            },
            "a execute",
        );
    }
}

#[test]
fn a_clear_is_another_life() {
    check(
        &loud(vec![(task("a"), &[])]),
        |world, run| {
            result(world, run, "a", Outcome::Success);
            world.clear(run, Selection::default()).expect("a clear");
            result(world, run, "a", Outcome::Success);
        },
        "a execute, a success, run success/success, a execute, a success, run success/success",
    );
}

#[test]
fn a_timeout_of_the_run_is_told_once() {
    let dag = Dag {
        dagrun_timeout_secs: Some(60.0),
        ..loud(vec![(task("a"), &[]), (task("b"), &["a"])])
    };
    check(
        &dag,
        |world, run| {
            let late = world.start(run, "a");
            world.advance(60);
            assert!(world.finish(late, Outcome::Failed).fenced);
            world.advance(60);
        },
        "a execute, run failure/timed_out",
    );
}

#[test]
fn a_run_in_which_nothing_can_go_on_says_so() {
    // What is removed is never skipped, so the rule of `b` can never hold.
    let mut a = task("a");
    a.end_date = Some(at("2024-01-01T00:00:00Z"));
    let b = Task { trigger_rule: TriggerRule::AllSkipped, ..task("b") };
    check(&loud(vec![(a, &[]), (b, &["a"])]), |_, _| {}, "run failure/all_tasks_deadlocked");
}

#[test]
fn a_failure_that_is_told_names_its_reason() {
    let mut world = World::new();
    world.load(loud(vec![(task("a"), &[])]));
    let run = world.trigger("d", DATE);
    let key = world.start(run, "a");
    let mut failed = AttemptResult::new(key, Outcome::Failed);
    failed.reason = Some("exit code 3".to_owned());
    world.step(Event::Finished(Box::new(failed)));
    let reasons: Vec<&str> =
        world.rows.notices.iter().filter_map(|notice| notice.reason.as_deref()).collect();
    assert_eq!(reasons, ["exit code 3", "\"a\" is failed"]);
}
