//! Clears and marks of groups, items, setups and several runs, each told as a transcript.

use super::world::{World, dag, task, task_id};
use crate::dag::{Dag, Task, TaskGroup};
use crate::engine::{Clear, Mark, Order, RUNS_PER_ORDER_MAX, Refusal, Selection};
use crate::ids::RunId;
use crate::record::RunKey;
use crate::state::{TaskState, TriggerRule};
use crate::wire::Outcome;

const DAYS: [&str; 3] = ["2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"];

fn named(names: &[&str]) -> Selection {
    let task_ids = names.iter().map(|name| task_id(name)).collect();
    Selection { task_ids, ..Selection::default() }
}

fn clear_of(world: &World, runs: &[RunKey], selection: Selection) -> Clear {
    let row = world.rows.runs[&runs[0]].clone();
    Clear {
        dag_id: row.dag_id,
        run_id: row.run_id,
        more_runs: runs[1..].iter().map(|run| world.rows.runs[run].run_id.clone()).collect(),
        selection,
        prevent_running_task: false,
        note: None,
        reset_dag_run: true,
        run_on_latest_version: false,
        actor: Some("ann".to_owned()),
    }
}

/// `make → work → drop`, with `make` a setup and `drop` its teardown.
fn cluster() -> Dag {
    let make = Task { is_setup: true, ..task("make") };
    let drop =
        Task { is_teardown: true, trigger_rule: TriggerRule::AllDoneSetupSuccess, ..task("drop") };
    dag("gpu", vec![(make, &[]), (task("work"), &["make"]), (drop, &["make", "work"])])
}

fn play(world: &mut World, run: RunKey, results: &[(&str, Outcome)]) {
    for (task, outcome) in results {
        world.run(run, task, *outcome);
    }
}

#[test]
fn setups_and_teardowns_run_again_with_what_needs_them() {
    let check = |selection: Selection, expected: &str| {
        let mut world = World::new();
        world.load(cluster());
        let run = world.trigger("gpu", DAYS[0]);
        let ends =
            [("make", Outcome::Success), ("work", Outcome::Failed), ("drop", Outcome::Success)];
        play(&mut world, run, &ends);
        assert_eq!(world.line(run), "failed: make success, work failed, drop success");
        world.clear(run, selection).expect("a clear");
        assert_eq!(world.line(run), expected);
    };
    let anew = "running: make queued#2, work no_status, drop no_status";
    check(named(&["work"]), anew);
    check(Selection { only_failed: true, ..Selection::default() }, anew);
    check(named(&["make"]), "running: make queued#2, work failed, drop no_status");
    check(named(&["drop"]), "running: make success, work failed, drop queued#2");
    let running = Selection { only_running: true, ..Selection::default() };
    check(running, "failed: make success, work failed, drop success");
}

#[test]
fn what_runs_keeps_its_setup() {
    let mut world = World::new();
    world.load(cluster());
    let run = world.trigger("gpu", DAYS[0]);
    world.run(run, "make", Outcome::Success);
    world.start(run, "work");
    let running = Selection { only_running: true, ..Selection::default() };
    world.clear(run, running).expect("a clear");
    assert_eq!(world.line(run), "running: make success, work restarting, drop no_status");
    let clear = Clear { prevent_running_task: true, ..clear_of(&world, &[run], named(&["make"])) };
    world.order(Order::Clear(clear)).expect("nothing selected runs");
    assert_eq!(world.line(run), "running: make queued#2, work restarting, drop no_status");
}

#[test]
fn a_running_task_may_be_spared() {
    let mut world = World::new();
    world.load(cluster());
    let run = world.trigger("gpu", DAYS[0]);
    world.run(run, "make", Outcome::Success);
    world.start(run, "work");
    let clear = Clear { prevent_running_task: true, ..clear_of(&world, &[run], named(&["work"])) };
    let refusal = world.order(Order::Clear(clear)).expect_err("it runs");
    assert_eq!(refusal.to_string(), "task \"work\" runs; nothing was cleared");
    assert!(world.kills.is_empty());
}

#[test]
fn a_group_is_its_tasks() {
    let mut grouped =
        dag("g", vec![(task("a"), &[]), (task("prep.x"), &["a"]), (task("prep.y"), &["prep.x"])]);
    grouped.groups =
        vec![TaskGroup { group_id: "prep".to_owned(), tooltip: None, tasks: vec![1, 2] }];
    let mut world = World::new();
    world.load(grouped);
    let run = world.trigger("g", DAYS[0]);
    let ends =
        [("a", Outcome::Success), ("prep.x", Outcome::Success), ("prep.y", Outcome::Success)];
    play(&mut world, run, &ends);
    world.clear(run, named(&["prep"])).expect("a clear");
    assert_eq!(world.line(run), "running: a success, prep.x queued#2, prep.y no_status");
    let up = Selection { include_upstream: true, ..named(&["prep"]) };
    world.clear(run, up).expect("a clear");
    assert_eq!(world.line(run), "running: a queued#2, prep.x no_status#2, prep.y no_status");
    world.mark(run, "prep", TaskState::Skipped);
    assert_eq!(world.line(run), "running: a queued#2, prep.x skipped#2, prep.y skipped");
    let refusal = world.clear(run, named(&["perp"])).expect_err("no such group");
    assert!(refusal.to_string().ends_with("; did you mean \"prep\"?"), "{refusal}");
}

#[test]
fn an_item_is_named_by_its_index() {
    let mut world = World::new();
    world.load(dag("m", vec![(task("a"), &[]), (task("b"), &["a"])]));
    let run = world.trigger("m", DAYS[0]);
    play(&mut world, run, &[("a", Outcome::Success), ("b", Outcome::Success)]);
    let items = |at| Selection { items: vec![(task_id("b"), at)], ..Selection::default() };
    world.clear(run, items(-1)).expect("a clear");
    assert_eq!(world.line(run), "running: a success, b queued#2");
    let refusal = world.clear(run, items(3)).expect_err("no such item");
    assert_eq!(refusal.to_string(), "task \"b\" has no item 3 in this run; it has 1");
}

#[test]
fn several_runs_are_cleared_and_marked_at_once() {
    let mut world = World::new();
    world.load(dag("s", vec![(task("a"), &[]), (task("b"), &["a"])]));
    let runs = DAYS.map(|day| world.trigger("s", day));
    for run in runs {
        play(&mut world, run, &[("a", Outcome::Success), ("b", Outcome::Failed)]);
    }
    let failed = Selection { only_failed: true, ..Selection::default() };
    let clear = Clear { note: Some("again".to_owned()), ..clear_of(&world, &runs, failed) };
    let answer = world.order(Order::Clear(clear)).expect("a clear");
    assert_eq!(answer.as_array().map(Vec::len), Some(3));
    for run in runs {
        assert_eq!(world.line(run), "running: a success, b queued#2");
        assert_eq!(world.rows.tis[&world.ti(run, "b")].note.as_deref(), Some("again"));
    }
    let row = world.rows.runs[&runs[0]].clone();
    let mark = |more_runs, task| Mark {
        dag_id: row.dag_id.clone(),
        run_id: row.run_id.clone(),
        more_runs,
        selection: named(&[task]),
        state: TaskState::Success,
        actor: None,
    };
    let more = |world: &World| -> Vec<RunId> {
        runs[1..].iter().map(|run| world.rows.runs[run].run_id.clone()).collect()
    };
    world.order(Order::Mark(mark(more(&world), "b"))).expect("a mark");
    for run in runs {
        assert_eq!(world.line(run), "success: a success, b success#2");
    }
    let unknown = world.order(Order::Mark(mark(more(&world), "c"))).expect_err("no such task");
    assert!(matches!(unknown, Refusal::NotFound { .. }), "{unknown}");
    let gone = RunId::new("gone").expect("a run id");
    world.order(Order::Mark(mark(vec![gone], "a"))).expect_err("no such run");
    assert_eq!(world.line(runs[0]), "success: a success, b success#2", "all or nothing");
    let many = vec![row.run_id.clone(); RUNS_PER_ORDER_MAX];
    let refusal = world.order(Order::Mark(mark(many, "a"))).expect_err("too many");
    assert!(refusal.to_string().contains("101 dag runs are too many"), "{refusal}");
}

#[test]
fn only_new_tasks_of_a_newer_version() {
    let mut world = World::new();
    world.load(dag("v", vec![(task("a"), &[])]));
    let run = world.trigger("v", DAYS[0]);
    world.run(run, "a", Outcome::Success);
    world.load(dag("v", vec![(task("a"), &[]), (task("b"), &["a"])]));
    let only_new = Selection { only_new: true, ..Selection::default() };
    let clear = Clear { run_on_latest_version: true, ..clear_of(&world, &[run], only_new) };
    world.order(Order::Clear(clear)).expect("a clear");
    assert_eq!(world.line(run), "running: a success, b queued");
}
