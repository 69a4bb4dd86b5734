//! One outcome, whichever task ends first.

use super::world::{World, dag, task};
use crate::dag::Task;
use crate::state::TriggerRule;
use crate::wire::Outcome;

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
    use Outcome::{Failed, Skipped, Success};
    check(Skipped, Failed, "success: make skipped, up failed, below skipped");
    check(Skipped, Skipped, "success: make skipped, up skipped, below skipped");
    check(Skipped, Success, "success: make skipped, up success, below skipped");
    check(Failed, Skipped, "failed: make failed, up skipped, below upstream_failed");
    check(Failed, Success, "failed: make failed, up success, below upstream_failed");
    check(Success, Failed, "failed: make success, up failed, below upstream_failed");
    check(Success, Skipped, "success: make success, up skipped, below skipped");
    check(Success, Success, "running: make success, up success, below queued");
}
