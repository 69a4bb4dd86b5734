//! The table of the trigger rules as the slow model reads it.

use crate::state::{TaskState, TriggerRule};
use crate::trigger_rule::Verdict;

/// What setups further up say before the rule is looked at.
pub(super) fn by_setups(states: &[Option<TaskState>]) -> Option<Verdict> {
    let any = |wanted: TaskState| states.contains(&Some(wanted));
    if any(TaskState::Failed) || any(TaskState::UpstreamFailed) {
        Some(Verdict::UpstreamFailed)
    } else if any(TaskState::Skipped) {
        Some(Verdict::Skipped)
    } else {
        None
    }
}

/// What a rule says of upstream instances, each with whether it is a setup; nothing while it waits.
pub(super) fn by_rule(
    rule: TriggerRule,
    upstream: &[(bool, Option<TaskState>)],
    map_index: i32,
) -> Option<Verdict> {
    use Verdict::{Removed, Run, Skipped, UpstreamFailed};
    let count = |wanted: TaskState| upstream.iter().filter(|(_, one)| *one == Some(wanted)).count();
    let success = count(TaskState::Success);
    let skipped = count(TaskState::Skipped);
    let removed = count(TaskState::Removed);
    let bad = count(TaskState::Failed) + count(TaskState::UpstreamFailed);
    let all = upstream.len();
    let done = success + skipped + bad + removed == all;
    let setups: Vec<Option<TaskState>> =
        upstream.iter().filter(|(is_setup, _)| *is_setup).map(|(_, state)| *state).collect();
    let setup_is = |wanted: TaskState| setups.iter().filter(|one| **one == Some(wanted)).count();
    // Each: when it ends without running (the first that holds), and when it runs.
    let (ends, runs): (Vec<(bool, Verdict)>, bool) = match rule {
        TriggerRule::AllSuccess => {
            let index = usize::try_from(map_index).ok();
            // An item is gone only when all is known that it could have come from.
            let is_gone =
                done && removed > 0 && success > 0 && index.is_some_and(|at| at >= success);
            (
                vec![(bad > 0, UpstreamFailed), (skipped > 0, Skipped), (is_gone, Removed)],
                success + removed == all,
            )
        }
        TriggerRule::AllFailed => (vec![(success + skipped > 0, Skipped)], bad + removed == all),
        TriggerRule::AllDone => (vec![], done),
        TriggerRule::AllDoneMinOneSuccess => (
            vec![(skipped > 0, Skipped), (done && success == 0, UpstreamFailed)],
            done && success > 0,
        ),
        TriggerRule::AllDoneSetupSuccess => (
            vec![
                (
                    done && !setups.is_empty() && setup_is(TaskState::Skipped) == setups.len(),
                    Skipped,
                ),
                (done && !setups.is_empty() && setup_is(TaskState::Success) == 0, UpstreamFailed),
            ],
            done,
        ),
        TriggerRule::OneSuccess => (
            vec![(done && skipped == all, Skipped), (done && success == 0, UpstreamFailed)],
            success > 0,
        ),
        TriggerRule::OneFailed => (vec![(done && bad == 0, Skipped)], bad > 0),
        TriggerRule::OneDone => {
            let ended = success + count(TaskState::Failed);
            (vec![(done && ended == 0, Skipped)], ended > 0)
        }
        TriggerRule::NoneFailed => (vec![(bad > 0, UpstreamFailed)], done),
        TriggerRule::NoneFailedMinOneSuccess => (
            vec![
                (bad > 0, UpstreamFailed),
                (skipped == all, Skipped),
                (done && success == 0, UpstreamFailed),
            ],
            done && success > 0,
        ),
        TriggerRule::NoneSkipped => (vec![(skipped > 0, Skipped)], done),
        TriggerRule::AllSkipped => (vec![(success + bad > 0, Skipped)], skipped == all),
        TriggerRule::Always => (vec![], true),
    };
    let end = ends.into_iter().find(|(holds, _)| *holds).map(|(_, verdict)| verdict);
    end.or_else(|| runs.then_some(Run))
}
