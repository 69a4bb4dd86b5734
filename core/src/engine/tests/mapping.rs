//! Mapped tasks and groups: expansion, items that fail, vanish and come back, and how long it takes.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::world::{World, at, chose, dag, decision, gave, task, task_id};
use crate::dag::{Dag, Task};
use crate::engine::{Event, Selection, Workers};
use crate::mapping::{Expand, MappedGroup, Mapping, Source};
use crate::record::RunKey;
use crate::state::{RunState, TaskState, TriggerRule};
use crate::wire::Outcome;

const DATE: &str = "2025-01-01T00:00:00Z";

/// The task mapped over literals.
pub(super) fn mapped(task: Task, keys: &[(&str, Value)]) -> Task {
    let keys = keys.iter().map(|(key, items)| {
        ((*key).to_owned(), Source::Literal(items.as_array().expect("a list").clone()))
    });
    let mapping = Mapping { expand: Expand::Product(keys.collect()), group: None };
    Task { mapping: Some(Arc::new(mapping)), ..task }
}

fn from(source: &str) -> Expand {
    let key = "return_value".to_owned();
    let source = Source::XCom { task_id: task_id(source), key };
    Expand::Product([("k".to_owned(), source)].into_iter().collect())
}

/// The task mapped over what another gives.
pub(super) fn over(task: Task, source: &str) -> Task {
    Task { mapping: Some(Arc::new(Mapping { expand: from(source), group: None })), ..task }
}

/// The task in a group that is mapped over what another gives.
pub(super) fn grouped(task: Task, group: &str, source: &str) -> Task {
    let group = Some(MappedGroup { id: group.to_owned(), partial: Map::new() });
    Task { mapping: Some(Arc::new(Mapping { expand: from(source), group })), ..task }
}

fn world_of(dag: Dag) -> (World, RunKey) {
    let name = dag.dag_id.to_string();
    let mut world = World::new();
    world.load(dag);
    let run = world.trigger(&name, DATE);
    (world, run)
}

fn check(world: &World, run: RunKey, expected: &str) {
    assert_eq!(world.line(run), expected);
}

fn reason(world: &World, run: RunKey, task: &str) -> String {
    world.rows.tis[&world.ti(run, task)].reason.clone().unwrap_or_default()
}

/// Extract, one task for each element, and a task that takes all of it together.
fn three(retries: u32) -> Dag {
    let each = Task { retries, ..over(task("each"), "list") };
    dag("d", vec![(task("list"), &[]), (each, &["list"]), (task("reduce"), &["each"])])
}

#[test]
fn literals_are_expanded_from_the_start_and_one_item_is_tried_again() {
    let sweep = Task { retries: 1, ..task("sweep") };
    let sweep = mapped(sweep, &[("lr", json!([1, 2])), ("depth", json!(["a", "b"]))]);
    let (mut world, run) = world_of(dag(
        "d",
        vec![(task("start"), &[]), (sweep, &["start"]), (task("best"), &["sweep"])],
    ));
    check(
        &world,
        run,
        "running: start queued, sweep[0] no_status, sweep[1] no_status, sweep[2] no_status, \
         sweep[3] no_status, best no_status",
    );
    world.run(run, "start", Outcome::Success);
    for index in [2, 0, 1] {
        world.run_item(run, "sweep", index, Outcome::Success);
    }
    world.run_item(run, "sweep", 3, Outcome::Failed);
    check(
        &world,
        run,
        "running: start success, sweep[0] success, sweep[1] success, sweep[2] success, \
         sweep[3] up_for_retry, best no_status",
    );
    world.advance(300);
    world.run_item(run, "sweep", 3, Outcome::Success);
    world.run(run, "best", Outcome::Success);
    check(
        &world,
        run,
        "success: start success, sweep[0] success, sweep[1] success, sweep[2] success, \
         sweep[3] success#2, best success",
    );
}

#[test]
fn what_a_task_gives_is_expanded_when_it_is_there() {
    let (mut world, run) = world_of(three(0));
    check(&world, run, "running: list queued, each no_status, reduce no_status");
    world.give(run, "list", json!(["x", "y"]));
    check(&world, run, "running: list success, each[0] queued, reduce no_status, each[1] queued");
    world.restart();
    world.run_item(run, "each", 1, Outcome::Success);
    world.run_item(run, "each", 0, Outcome::Success);
    world.run(run, "reduce", Outcome::Success);
    check(&world, run, "success: list success, each[0] success, reduce success, each[1] success");
}

#[test]
fn what_cannot_be_expanded_says_so() {
    let check = |value: Option<Value>, expected: &str, why: &str| {
        let (mut world, run) = world_of(three(3));
        match value {
            Some(value) => world.give(run, "list", value),
            None => world.run(run, "list", Outcome::Success),
        }
        assert_eq!(world.line(run), expected);
        assert_eq!(reason(&world, run, "each"), why);
    };
    check(
        Some(json!([])),
        "success: list success, each skipped, reduce skipped",
        "there is nothing to expand over",
    );
    check(
        Some(json!({})),
        "success: list success, each skipped, reduce skipped",
        "there is nothing to expand over",
    );
    check(
        None,
        "failed: list success, each upstream_failed, reduce upstream_failed",
        "\"list\" gave nothing to expand over",
    );
    check(
        Some(json!("abc")),
        "failed: list success, each failed, reduce upstream_failed",
        "\"list\" gave a text as `return_value`; only a list or a map can be expanded over",
    );
    check(
        Some(json!(vec![0; 1025])),
        "failed: list success, each failed, reduce upstream_failed",
        "it would have 1025 instances, more than max_map_length allows (1024); map over less, or \
         raise max_map_length",
    );
}

#[test]
fn a_failed_source_is_not_expanded() {
    let (mut world, run) = world_of(three(0));
    world.run(run, "list", Outcome::Failed);
    check(&world, run, "failed: list failed, each upstream_failed, reduce upstream_failed");
    let all = Selection::default();
    world.clear(run, all).expect("a clear");
    world.give(run, "list", json!([1]));
    check(&world, run, "running: list success#2, each[0] queued, reduce no_status");
}

#[test]
fn an_item_fails_alone_in_a_mapped_group() {
    let list = "list";
    let (mut world, run) = world_of(dag(
        "d",
        vec![
            (task("list"), &[]),
            (grouped(task("g.fetch"), "g", list), &["list"]),
            (grouped(task("g.train"), "g", list), &["g.fetch"]),
            (Task { trigger_rule: TriggerRule::AllDone, ..task("report") }, &["g.train"]),
        ],
    ));
    world.give(run, "list", json!([1, 2]));
    world.run_item(run, "g.fetch", 1, Outcome::Success);
    // Depth first: it does not wait for the other item.
    world.run_item(run, "g.train", 1, Outcome::Success);
    world.run_item(run, "g.fetch", 0, Outcome::Failed);
    assert_eq!(world.state(run, "report"), TaskState::Queued);
    world.run(run, "report", Outcome::Success);
    check(
        &world,
        run,
        "success: list success, g.fetch[0] failed, g.train[0] upstream_failed, report success, \
         g.fetch[1] success, g.train[1] success",
    );
    let why = &world.rows.tis[&world.item(run, "g.train", 0)].reason;
    assert_eq!(why.as_deref(), Some("upstream \"g.fetch[0]\" is failed"));
}

#[test]
fn a_branch_in_a_mapped_group_decides_for_its_item() {
    let (mut world, run) = world_of(dag(
        "d",
        vec![
            (task("list"), &[]),
            (grouped(decision("g.pick", "branch"), "g", "list"), &["list"]),
            (grouped(task("g.left"), "g", "list"), &["g.pick"]),
            (grouped(task("g.right"), "g", "list"), &["g.pick"]),
        ],
    ));
    world.give(run, "list", json!([1, 2]));
    for (index, way) in [(0, "g.left"), (1, "g.right")] {
        let key = world.assign(world.item(run, "g.pick", index));
        world.step(chose(key, &[way]));
    }
    world.run_item(run, "g.left", 0, Outcome::Success);
    world.run_item(run, "g.right", 1, Outcome::Success);
    check(
        &world,
        run,
        "success: list success, g.pick[0] success, g.left[0] success, g.right[0] skipped, \
         g.pick[1] success, g.left[1] skipped, g.right[1] success",
    );
}

#[test]
fn items_vanish_and_come_with_another_list() {
    let (mut world, run) = world_of(three(0));
    let again = |world: &mut World, items: Value| {
        let all = Selection {
            task_ids: vec![task_id("list")],
            include_downstream: true,
            ..Selection::default()
        };
        world.clear(run, all).expect("a clear");
        world.give(run, "list", items);
    };
    let finish = |world: &mut World, items: i32| {
        for index in 0..items {
            let key = world.assign(world.item(run, "each", index));
            world.step(gave(key, json!(index)));
        }
        world.run(run, "reduce", Outcome::Success);
    };
    world.give(run, "list", json!([1, 2, 3]));
    finish(&mut world, 3);
    again(&mut world, json!([1]));
    finish(&mut world, 1);
    check(
        &world,
        run,
        "success: list success#2, each[0] success#2, reduce success#2, each[1] removed, \
         each[2] removed",
    );
    assert_eq!(world.rows.xcoms.len(), 2, "what vanished gives nothing any more");
    again(&mut world, json!([1, 2, 3, 4]));
    world.restart();
    finish(&mut world, 4);
    check(
        &world,
        run,
        "success: list success#3, each[0] success#3, reduce success#3, each[1] success#2, \
         each[2] success#2, each[3] success",
    );
}

#[test]
fn one_item_is_cleared_or_marked() {
    let (mut world, run) = world_of(three(0));
    world.give(run, "list", json!([1, 2]));
    world.run_item(run, "each", 0, Outcome::Success);
    world.run_item(run, "each", 1, Outcome::Failed);
    check(
        &world,
        run,
        "failed: list success, each[0] success, reduce upstream_failed, each[1] failed",
    );
    let one = Selection { items: vec![(task_id("each"), 1)], ..Selection::default() };
    let with_reduce = Selection { task_ids: vec![task_id("reduce")], ..one };
    world.clear(run, with_reduce).expect("a clear");
    world.run_item(run, "each", 1, Outcome::Success);
    check(&world, run, "running: list success, each[0] success, reduce queued, each[1] success#2");
}

#[test]
fn a_mapped_task_is_mapped_over_and_its_skipped_items_give_nothing() {
    let (mut world, run) = world_of(dag(
        "d",
        vec![
            (mapped(task("a"), &[("k", json!([1, 2, 3]))]), &[]),
            (Task { trigger_rule: TriggerRule::NoneFailed, ..over(task("b"), "a") }, &["a"]),
        ],
    ));
    for index in [0, 2] {
        let key = world.assign(world.item(run, "a", index));
        world.step(gave(key, json!(index)));
    }
    world.run_item(run, "a", 1, Outcome::Skipped);
    check(
        &world,
        run,
        "running: a[0] success, a[1] skipped, a[2] success, b[0] queued, b[1] queued",
    );
}

#[test]
fn the_past_is_that_of_the_same_item() {
    let each = Task { depends_on_past: true, ..mapped(task("each"), &[("k", json!([1, 2]))]) };
    let (mut world, first) = world_of(dag("d", vec![(each, &[])]));
    let second = world.trigger("d", "2025-01-02T00:00:00Z");
    world.run_item(first, "each", 1, Outcome::Success);
    check(&world, second, "running: each[0] no_status, each[1] queued");
    world.run_item(first, "each", 0, Outcome::Success);
    check(&world, second, "running: each[0] queued, each[1] queued");
}

#[test]
fn the_limit_of_a_run_holds_and_is_explained() {
    let each = Task {
        max_active_tis_per_dagrun: Some(1),
        ..mapped(task("each"), &[("k", json!([1, 2]))])
    };
    let (mut world, run) = world_of(dag("d", vec![(each, &[])]));
    check(&world, run, "running: each[0] queued, each[1] scheduled");
    let other = world.trigger("d", "2025-01-02T00:00:00Z");
    check(&world, other, "running: each[0] queued, each[1] scheduled");
    let workers = Workers { serving: 1, free_slots: 1 };
    let ti = world.item(run, "each", 1);
    let why = world.engine.explain(ti, workers, world.now).expect("in memory");
    let why: Vec<&str> = why.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(why, ["max_active_tis_per_dagrun 1/1 of this task"]);
    world.run_item(run, "each", 0, Outcome::Success);
    check(&world, run, "running: each[0] success, each[1] queued");
}

/// 1,024 items twice, all of them upstream of all of them, and a failure among them.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures how long the engine takes")]
fn a_thousand_items_take_no_time_squared() {
    let items = json!((0..1024).collect::<Vec<_>>());
    let mut dag = dag(
        "d",
        vec![
            (mapped(task("a"), &[("k", items.clone())]), &[]),
            (mapped(task("b"), &[("k", items)]), &["a"]),
            (Task { trigger_rule: TriggerRule::AllDone, ..task("end") }, &["b"]),
        ],
    );
    dag.max_active_tasks = 64;
    let play = |dag: Dag, fails: bool| {
        let (mut world, run) = world_of(dag);
        let started = Instant::now();
        let mut ended = 0;
        loop {
            let next = world.engine.queued().next().map(|queued| queued.ti);
            let Some(ti) = next else { break };
            let step = world.engine.step(Event::Assign { ti, worker: "w".to_owned() }, world.now);
            let key = step.assigned.expect("it was queued");
            let mut result = crate::wire::AttemptResult::new(key, Outcome::Success);
            if fails && ended == 500 {
                result.outcome = Outcome::Failed;
            }
            ended += 1;
            world.engine.step(Event::Finished(Box::new(result)), at(DATE));
        }
        assert!(world.engine.run(run).is_none_or(|run| run.state != RunState::Running));
        (ended, started.elapsed())
    };
    let (ended, took) = play(dag.clone(), false);
    assert_eq!(ended, 2049);
    println!("2049 task instances, mapped 1024 twice: {took:?}");
    assert!(took.as_secs() < 30, "{took:?}");
    let (ended, took) = play(dag, true);
    assert_eq!(ended, 1025, "what is below the failed item never runs");
    println!("with a failure: {took:?}");
    assert!(took.as_secs() < 30, "{took:?}");
}

/// Two items through a mapped group: the first fails in its middle, the second at its end.
fn two_items_failed() -> (World, RunKey) {
    let in_group = |name: &str| grouped(task(name), "g", "list");
    let (mut world, run) = world_of(dag(
        "d",
        vec![
            (task("list"), &[]),
            (in_group("g.a"), &["list"]),
            (in_group("g.b"), &["g.a"]),
            (in_group("g.c"), &["g.b"]),
            (task("end"), &["g.c"]),
        ],
    ));
    world.give(run, "list", json!([1, 2]));
    for index in [0, 1] {
        world.run_item(run, "g.a", index, Outcome::Success);
    }
    world.run_item(run, "g.b", 0, Outcome::Failed);
    world.run_item(run, "g.b", 1, Outcome::Success);
    world.run_item(run, "g.c", 1, Outcome::Failed);
    let failed = "success failed upstream_failed | success success failed | upstream_failed";
    assert_eq!(by_item(&world, run), failed);
    (world, run)
}

/// The states of `g.a`, `g.b`, `g.c` of both items, and of `end`.
fn by_item(world: &World, run: RunKey) -> String {
    let item = |index| {
        let state = |task| world.rows.tis[&world.item(run, task, index)].state;
        format!("{} {} {}", state("g.a"), state("g.b"), state("g.c"))
    };
    format!("{} | {} | {}", item(0), item(1), world.state(run, "end"))
}

fn items(of: &[(&str, i32)]) -> Selection {
    let items = of.iter().map(|(task, index)| (task_id(task), *index)).collect();
    Selection { items, ..Selection::default() }
}

#[test]
fn a_mark_of_an_item_clears_only_what_depends_on_it() {
    let check = |selection: Selection, state: TaskState, expected: &str| {
        let (mut world, run) = two_items_failed();
        world.mark_of(run, selection, state);
        assert_eq!(by_item(&world, run), expected);
        world.restart();
        assert_eq!(by_item(&world, run), expected, "after a restart");
    };
    let success = TaskState::Success;
    let goes_on = "success success queued | success success failed | upstream_failed";
    check(items(&[("g.b", 0)]), success, goes_on);
    let skipped = "success skipped skipped | success success failed | upstream_failed";
    check(items(&[("g.b", 0)]), TaskState::Skipped, skipped);
    let second = "success failed upstream_failed | failed success queued | upstream_failed";
    check(items(&[("g.a", 1)]), TaskState::Failed, second);
    let both = "success success queued | success success success | no_status";
    check(items(&[("g.b", 0), ("g.c", 1)]), success, both);
    // A task as a whole, and one beside the group, is what every item depends on.
    let whole = |task| Selection { task_ids: vec![task_id(task)], ..Selection::default() };
    check(
        whole("g.a"),
        TaskState::Failed,
        "failed upstream_failed upstream_failed | failed success queued | upstream_failed",
    );
    check(
        whole("list"),
        TaskState::Failed,
        "success queued no_status | success success queued | no_status",
    );
}

#[test]
fn a_clear_of_an_item_reaches_its_own_item() {
    let check = |selection: Selection, expected: &str| {
        let (mut world, run) = two_items_failed();
        world.clear(run, selection).expect("a clear");
        assert_eq!(by_item(&world, run), expected);
    };
    let below = Selection { include_downstream: true, ..items(&[("g.b", 0)]) };
    check(below, "success queued no_status | success success failed | upstream_failed");
    let above = Selection { include_upstream: true, ..items(&[("g.c", 1)]) };
    check(
        above,
        "success failed upstream_failed | no_status no_status no_status | upstream_failed",
    );
}
