//! One outcome, whichever task ends first.

use super::world::{World, chose, dag, decision, task, task_id};
use crate::dag::Task;
use crate::engine::Selection;
use crate::state::{TaskState, TriggerRule};
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
