//! Decisions made in the scheduler: answers what they ask for, and asks the core again.
//!
//! The rules themselves are `core::decision`'s.

use std::sync::Arc;

use millrace_core::decision::{Decision, Undecided};
use millrace_core::template::Lookups;
use millrace_core::wire::{Assignment, AttemptResult, Outcome};
use millrace_store::Store;

use crate::current::Place;
use crate::lookups;
use crate::term::Shared;
use crate::waits;

/// More rounds of questions than this and the template is not asking but looping.
const ROUNDS_MAX: usize = 16;

/// The previous successful run put into an assignment.
pub(crate) async fn with_previous(store: &Store, mut assignment: Assignment) -> Assignment {
    let run = &assignment.run;
    match store
        .previous_success(run.dag_id.as_str(), run.logical_date.unwrap_or(run.run_after))
        .await
    {
        Ok(previous) => {
            assignment.previous_success = previous;
        }
        Err(error) => tracing::warn!(%error, "the previous successful run is not known"),
    }
    assignment
}

/// The result of a decision.
pub(crate) async fn decide(shared: &Arc<Shared>, assignment: Assignment) -> AttemptResult {
    let assignment = with_previous(&shared.store, assignment).await;
    let ended = |outcome, reason| {
        let mut result = AttemptResult::new(assignment.key, outcome);
        result.reason = Some(reason);
        result
    };
    match decided(shared, &assignment).await {
        Ok(result) => result,
        Err(Failed::Wrong(reason)) => ended(Outcome::Failed, reason),
        Err(Failed::Unavailable(reason)) => ended(Outcome::Lost, reason),
    }
}

enum Failed {
    /// The template or its outcome is wrong.
    Wrong(String),
    /// The database could not answer.
    Unavailable(String),
}

async fn decided(shared: &Shared, assignment: &Assignment) -> Result<AttemptResult, Failed> {
    let mut lookups = Lookups::default();
    let mut secrets = Vec::new();
    let mut is_latest = None;
    for _ in 0..ROUNDS_MAX {
        let decision = Decision {
            renderer: &shared.renderer,
            assignment,
            lookups: &lookups,
            is_latest,
            now: shared.clock.now(),
        };
        match decision.decide() {
            Ok(mut result) => {
                waits::mask(&mut result, &secrets);
                return Ok(result);
            }
            Err(Undecided::Wrong(reason)) => return Err(Failed::Wrong(reason)),
            Err(Undecided::NeedsLatest) => is_latest = Some(latest(shared, assignment).await?),
            Err(Undecided::Needs(wanted)) => {
                let place = Place { run: assignment.run.id, log_epoch: assignment.key.epoch };
                let found = lookups::answers(&shared.current, &place, &wanted, &mut secrets)
                    .await
                    .map_err(|error| Failed::Unavailable(error.to_string()))?;
                for lookup in wanted {
                    if let Some(answer) = found.get(&lookup) {
                        lookups.insert(lookup, answer.clone());
                    }
                }
            }
        }
    }
    let task = &assignment.task.task_id;
    Err(Failed::Wrong(format!("`{task}` asks for ever more values; simplify it")))
}

/// Whether no later run of the schedule is due (Airflow: `LatestOnlyOperator`); a run that is not
/// of the schedule always counts as the latest.
async fn latest(shared: &Shared, assignment: &Assignment) -> Result<bool, Failed> {
    use millrace_core::state::RunType;
    let run = &assignment.run;
    if !matches!(run.run_type, RunType::Scheduled | RunType::Backfill) {
        return Ok(true);
    }
    let row = millrace_store::dag::get(&shared.store, run.dag_id.as_str())
        .await
        .map_err(|error| Failed::Unavailable(error.to_string()))?;
    let last = row.and_then(|row| row.last_interval_end);
    Ok(last.is_none_or(|last| run.run_after >= last))
}
