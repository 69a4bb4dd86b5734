//! One outcome, whichever task ends first.

use std::collections::BTreeSet;

use serde_json::json;

use super::histories::{Seen, Tale, together};
use super::mapping::{grouped, mapped, over};
use super::model::{Deed, States};
use super::model_rules::by_rule;
use super::outcomes::Lcg;
use super::plan::{Plan, build, random_plan};
use super::world::{World, chose, dag, decision, goes_on, task, task_id};
use crate::dag::Task;
use crate::engine::{Event, Selection};
use crate::state::{RunState, TaskState, TriggerRule};
use crate::trigger_rule::Verdict;
use crate::wire::Outcome::{self, Failed, Skipped, Success};

/// A setup further up is asked before the rule (Airflow: `_evaluate_setup_constraint`), also where
/// it ends together with the upstream, and whichever of the two really ends first.
#[test]
fn a_setup_counts_before_an_upstream_that_ends_with_it() {
    let check = |setup: Outcome, upstream: Outcome, expected: &str| {
        for setup_is_first in [true, false] {
            let make = Task { is_setup: true, ..task("make") };
            let up = Task { trigger_rule: TriggerRule::Always, ..task("up") };
            let tasks = vec![(make, &[] as &[&str]), (up, &["make"]), (task("below"), &["up"])];
            let mut world = World::new();
            world.load(dag("d", tasks));
            let run = world.trigger("d", "2025-01-01T00:00:00Z");
            let mut ends = vec![("make", setup), ("up", upstream)];
            if !setup_is_first {
                ends.reverse();
            }
            for (task, outcome) in ends {
                world.run(run, task, outcome);
            }
            assert_eq!(world.line(run), expected, "setup first: {setup_is_first}");
        }
    };
    check(Skipped, Failed, "success: make skipped, up failed, below skipped");
    check(Skipped, Skipped, "success: make skipped, up skipped, below skipped");
    check(Skipped, Success, "success: make skipped, up success, below skipped");
    check(Failed, Skipped, "failed: make failed, up skipped, below upstream_failed");
    check(Failed, Success, "failed: make failed, up success, below upstream_failed");
    check(Success, Failed, "failed: make success, up failed, below upstream_failed");
    check(Success, Skipped, "success: make success, up skipped, below skipped");
    check(Success, Success, "running: make success, up success, below queued");
}

/// A branch that failed is cleared alone: what stands below it as `upstream_failed` may still be
/// skipped by it, so nothing further down decides before.
#[test]
fn what_a_decision_to_come_may_skip_does_not_count_yet() {
    let check = |rule: TriggerRule, chosen: &[&str], expected: &str| {
        for branch_is_first in [true, false] {
            let join = Task { trigger_rule: rule, ..task("join") };
            let tasks = vec![
                (decision("pick", "branch"), &[] as &[&str]),
                (task("other"), &[]),
                (task("left"), &["pick"]),
                (join, &["left", "other"]),
            ];
            let mut world = World::new();
            world.load(dag("d", tasks));
            let run = world.trigger("d", "2025-01-01T00:00:00Z");
            world.run(run, "pick", Failed);
            assert_eq!(world.state(run, "left").to_string(), "upstream_failed");
            let alone = ["pick", "other", "join"].map(task_id).to_vec();
            world
                .clear(run, Selection { task_ids: alone, ..Selection::default() })
                .expect("a clear");
            for is_pick in [branch_is_first, !branch_is_first] {
                if is_pick {
                    let key = world.start(run, "pick");
                    world.step(chose(key, chosen));
                } else {
                    world.run(run, "other", Success);
                }
            }
            assert_eq!(world.line(run), expected, "branch first: {branch_is_first}");
        }
    };
    let skipped = "success: pick success#2, other success#2, left skipped, join skipped";
    check(TriggerRule::AllSuccess, &[], skipped);
    check(TriggerRule::OneFailed, &[], skipped);
    let failed = "failed: pick success#2, other success#2, left upstream_failed, \
                  join upstream_failed";
    check(TriggerRule::AllSuccess, &["left"], failed);
    let ran = "running: pick success#2, other success#2, left upstream_failed, join queued#2";
    check(TriggerRule::OneFailed, &["left"], ran);
}

/// A task that was marked by hand although its rule never held has no ideal time; what is below
/// it is decided all the same.
#[test]
fn what_was_marked_without_a_time_holds_nobody_back() {
    let check = |state: TaskState, ends: [Outcome; 2], expected: &str| {
        let any = Task { trigger_rule: TriggerRule::OneSuccess, ..task("any") };
        let tasks = vec![
            (task("up"), &[] as &[&str]),
            (task("other"), &[]),
            (any, &["up"]),
            (task("below"), &["any", "other"]),
        ];
        let mut world = World::new();
        world.load(dag("d", tasks));
        let run = world.trigger("d", "2025-01-01T00:00:00Z");
        world.run(run, "up", ends[0]);
        world.mark(run, "any", state);
        world.run(run, "other", ends[1]);
        assert_eq!(world.line(run), expected);
    };
    let end = "up skipped, other success, any failed, below upstream_failed";
    check(TaskState::Failed, [Skipped, Success], &format!("failed: {end}"));
    let end = "up skipped, other failed, any failed, below upstream_failed";
    check(TaskState::Failed, [Skipped, Failed], &format!("failed: {end}"));
    let end = "up failed, other success, any skipped, below skipped";
    check(TaskState::Skipped, [Failed, Success], &format!("success: {end}"));
    // The skip has a time, so it comes first.
    let end = "up failed, other skipped, any failed, below skipped";
    check(TaskState::Failed, [Failed, Skipped], &format!("success: {end}"));
}

/// What has nothing to be expanded over is skipped where a decision was against it, whichever of
/// the two comes first.
#[test]
fn a_decision_skips_what_has_nothing_to_be_expanded_over() {
    let check = |rule: TriggerRule, go_on: bool, expected: &str| {
        for gate_is_first in [true, false] {
            let each = Task { trigger_rule: rule, ..over(task("each"), "list") };
            let tasks = vec![
                (task("list"), &[] as &[&str]),
                (decision("gate", "short_circuit"), &[]),
                (each, &["list", "gate"]),
            ];
            let mut world = World::new();
            world.load(dag("d", tasks));
            let run = world.trigger("d", "2025-01-01T00:00:00Z");
            for is_gate in [gate_is_first, !gate_is_first] {
                if is_gate {
                    let key = world.start(run, "gate");
                    world.step(goes_on(key, go_on));
                } else {
                    world.run(run, "list", Success);
                }
            }
            assert_eq!(world.line(run), expected, "{rule}, gate first: {gate_is_first}");
        }
    };
    for rule in [TriggerRule::AllSuccess, TriggerRule::OneSuccess, TriggerRule::Always] {
        check(rule, false, "success: list success, gate success, each skipped");
        check(rule, true, "failed: list success, gate success, each upstream_failed");
    }
}

/// That a task cannot be expanded takes a unit of time like a try, so that a skip beside its
/// source comes before, whichever really ends first.
#[test]
fn what_cannot_be_expanded_fails_a_unit_after_its_source() {
    for list_is_first in [true, false] {
        let tasks = vec![
            (task("list"), &[] as &[&str]),
            (task("other"), &[]),
            (over(task("each"), "list"), &["list"]),
            (task("below"), &["other", "each"]),
        ];
        let mut world = World::new();
        world.load(dag("d", tasks));
        let run = world.trigger("d", "2025-01-01T00:00:00Z");
        for is_list in [list_is_first, !list_is_first] {
            if is_list {
                world.give(run, "list", json!(vec![0; 1025]));
            } else {
                world.run(run, "other", Skipped);
            }
        }
        let expected = "success: list success, other skipped, each failed, below skipped";
        assert_eq!(world.line(run), expected, "list first: {list_is_first}");
    }
}

/// A mapped task does not start before what it is expanded over, whatever its rule.
#[test]
fn an_always_task_that_is_mapped_starts_with_its_source() {
    for source_is_early in [true, false] {
        let each = Task { trigger_rule: TriggerRule::Always, ..over(task("each"), "list") };
        let tasks = vec![
            (task("first"), &[] as &[&str]),
            (task("list"), &["first"]),
            (task("other"), &[]),
            (each, &["list"]),
            (task("below"), &["other", "each"]),
        ];
        let mut world = World::new();
        world.load(dag("d", tasks));
        let run = world.trigger("d", "2025-01-01T00:00:00Z");
        for is_list in [source_is_early, !source_is_early] {
            if is_list {
                world.run(run, "first", Success);
                world.give(run, "list", json!(vec![0; 1025]));
            } else {
                world.run(run, "other", Skipped);
            }
        }
        assert_eq!(world.state(run, "below"), TaskState::Skipped, "{source_is_early}");
    }
}

/// A mapped group whose list is empty the second time: a member that had been decided before the
/// others were expanded is skipped, whichever member is looked at first.
#[test]
fn a_group_that_becomes_empty_has_one_end() {
    for list_is_first in [true, false] {
        let tasks = vec![
            (task("list"), &[] as &[&str]),
            (task("other"), &[]),
            (grouped(task("g.a"), "g", "list"), &["list"]),
            (grouped(task("g.b"), "g", "list"), &["list", "other"]),
        ];
        let mut world = World::new();
        world.load(dag("d", tasks));
        let run = world.trigger("d", "2025-01-01T00:00:00Z");
        world.run(run, "other", Failed);
        world.give(run, "list", json!([1, 2]));
        assert_eq!(world.state(run, "g.b"), TaskState::UpstreamFailed);
        world.clear(run, Selection::default()).expect("a clear");
        for is_list in [list_is_first, !list_is_first] {
            if is_list {
                world.give(run, "list", json!([]));
            } else {
                world.run(run, "other", Success);
            }
        }
        assert_eq!(world.state(run, "g.b"), TaskState::Skipped, "list first: {list_is_first}");
        assert_eq!(world.rows.tis[&world.item(run, "g.a", 1)].state, TaskState::Removed);
        assert_eq!(world.run_state(run), RunState::Success);
    }
}

/// An item that its upstream no longer has is removed when all upstreams have ended, not when the
/// first have: what ends later may skip it.
#[test]
fn an_item_is_gone_only_when_all_upstreams_have_ended() {
    for each_is_first in [true, false] {
        let below = mapped(task("below"), &[("k", json!([1, 2]))]);
        let tasks = vec![
            (task("list"), &[] as &[&str]),
            (over(task("each"), "list"), &["list"]),
            (task("one"), &[]),
            (task("two"), &["one"]),
            (task("three"), &["two"]),
            (below, &["each", "three"]),
        ];
        let mut world = World::new();
        world.load(dag("d", tasks));
        let run = world.trigger("d", "2025-01-01T00:00:00Z");
        world.give(run, "list", json!([1, 2]));
        world.clear(run, Selection::default()).expect("a clear");
        for is_each in [each_is_first, !each_is_first] {
            if is_each {
                world.give(run, "list", json!([1]));
                world.run_item(run, "each", 0, Success);
            } else {
                world.run(run, "one", Success);
                world.run(run, "two", Success);
                world.run(run, "three", Skipped);
            }
        }
        for index in [0, 1] {
            let state = world.rows.tis[&world.item(run, "below", index)].state;
            assert_eq!(state, TaskState::Skipped, "{index}, each first: {each_is_first}");
        }
    }
}

/// One dag run to its end, in one of many orders.
struct Played {
    /// What the model said before anything had ended.
    said: (States, RunState),
    end: (States, RunState),
    /// What ended, one after the other.
    sequence: Vec<(String, i32)>,
    seen: Seen,
}

fn play(plan: &Plan, order: u64) -> Played {
    let mut tale = Tale::new(plan);
    tale.set_pool(2);
    tale.trigger();
    let said = tale.predict().remove(0);
    let mut random = Lcg(order);
    let mut sequence = Vec::new();
    for _ in 0..6_000 {
        let (queued, running) = (tale.world.engine.queued().count(), tale.running());
        let starts = match order {
            // All that can, before anything ends; or one at a time.
            0 | 1 => queued > 0,
            2 => queued > 0 && running.is_empty(),
            _ => queued > 0 && (running.is_empty() || random.below(2) == 0),
        };
        if starts {
            let pick = if order < 3 { 0 } else { random.below(queued) };
            tale.assign(pick);
        } else if running.is_empty() {
            let Some(at) = tale.world.engine.wake_at() else {
                let end = tale.end().remove(0);
                return Played { said, end, sequence, seen: tale.count() };
            };
            tale.world.now = tale.world.now.max(at);
            tale.world.step(Event::Tick);
        } else {
            let pick = match order {
                0 | 2 => 0,
                1 => running.len() - 1,
                _ => random.below(running.len()),
            };
            let row = &tale.world.rows.tis[&running[pick].ti];
            sequence.push((row.task_id.to_string(), row.map_index));
            tale.finish(running[pick]);
        }
    }
    panic!("it does not come to rest");
}

/// The same tasks with the same results where every rule acts as soon as it can, as in Airflow,
/// leaving out decisions and mapping.
fn eagerly(plan: &Plan, order: u64) -> Vec<Option<TaskState>> {
    let mut random = Lcg(order);
    let mut states: Vec<Option<TaskState>> = vec![None; plan.specs.len()];
    loop {
        let mut ready = Vec::new();
        let mut is_changed = false;
        for (task, spec) in plan.specs.iter().enumerate() {
            let above = plan.specs.iter().enumerate();
            let above = above.filter(|(_, other)| spec.upstream.contains(&other.name));
            let above: Vec<_> =
                above.map(|(up, other)| (other.kind == "setup", states[up])).collect();
            let verdict =
                if above.is_empty() { Some(Verdict::Run) } else { by_rule(spec.rule, &above, -1) };
            match verdict.filter(|_| states[task].is_none()) {
                Some(Verdict::Run) => ready.push(task),
                Some(Verdict::Skipped) => states[task] = Some(TaskState::Skipped),
                Some(Verdict::UpstreamFailed) => states[task] = Some(TaskState::UpstreamFailed),
                _ => continue,
            }
            is_changed |= states[task].is_some();
        }
        if is_changed {
            continue;
        }
        let Some(&task) = ready.get(random.below(ready.len())) else { return states };
        states[task] = Some(match plan.deed(0, task, -1, 1) {
            Deed::Fails => TaskState::Failed,
            Deed::Skips => TaskState::Skipped,
            Deed::Succeeds { .. } => TaskState::Success,
        });
    }
}

/// With mapped tasks and groups, setups and teardowns, branches and short circuits, retries and
/// limits: every order of ends gives the end that the model says beforehand.
#[test]
fn the_order_in_which_anything_ends_never_matters() {
    let (mut seen, mut has_orders, mut depends_if_eager) = (Seen::default(), 0, 0);
    let plans = 500;
    for seed in 0..plans {
        let plan = random_plan(1_000_000 + seed);
        let dag = build(&plan);
        let mut sequences = BTreeSet::new();
        for order in 0..8 {
            let played = play(&plan, order);
            let (end, said) = (together(&dag, &played.end.0), together(&dag, &played.said.0));
            assert_eq!((end, played.end.1), (said, played.said.1), "{order} of {plan:?}");
            sequences.insert(played.sequence);
            if order == 0 {
                seen.add(played.seen);
            }
        }
        has_orders += usize::from(sequences.len() > 1);
        let eager: BTreeSet<Vec<_>> = (0..8).map(|order| eagerly(&plan, order)).collect();
        depends_if_eager += usize::from(eager.len() > 1);
    }
    println!("{has_orders} of {plans} with several orders, {depends_if_eager} depend if eager");
    println!("{seen:?}");
    // It would say nothing without these.
    for (number, least, what) in [
        (has_orders, 300, "plans whose tasks ended in several orders"),
        (depends_if_eager, 12, "plans that end differently when rules act at once"),
        (seen.items, 100, "mapped items"),
        (seen.grouped, 15, "items of a mapped group"),
        (seen.empty, 15, "empty mappings"),
        (seen.teardowns, 30, "teardowns that ran"),
        (seen.decided, 150, "tasks skipped by a decision"),
        (seen.retried, 100, "retries"),
    ] {
        assert!(number >= least, "only {number} {what}");
    }
}
