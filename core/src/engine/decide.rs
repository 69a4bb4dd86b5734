//! What a finished decision task does to the tasks below it: branches and short circuits.
//!
//! The rules are Airflow's: a branch that chose `B` lets those direct downstream tasks go on that
//! are in `B` or below a member of it, and skips the other direct ones; a short circuit skips
//! everything below it, or only what is directly below. What runs, succeeded or failed stays.

use super::Engine;
use super::evaluate::decided_against;
use super::layout::{Decision, Layout};
use super::step::Step;
use super::transition::TaskEvent;
use crate::record::{RunKey, SkipMemory};
use crate::state::TaskState;
use crate::timetable::nearest;
use crate::wire::AttemptResult;

/// What a decision came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decided {
    pub(super) memory: SkipMemory,
    /// The slots to skip.
    pub(super) against: Vec<u32>,
}

/// Reads the result of a task that ended well: what it decided, or what is wrong with it. Tasks
/// that decide nothing give nothing.
pub(super) fn read(
    layout: &Layout,
    slot: u32,
    result: &AttemptResult,
) -> Result<Option<Decided>, String> {
    let node = layout.node(slot);
    let id = |slot: u32| layout.task(slot).task_id.clone();
    match node.decision {
        None => Ok(None),
        Some(Decision::Branch) => {
            let chosen = result.chosen.as_deref().unwrap_or_default();
            let mut starts = Vec::with_capacity(chosen.len());
            for word in chosen {
                starts.push(layout.find(word).ok_or_else(|| unknown(layout, slot, word))?);
            }
            let mut followed = layout.below(&starts);
            followed.extend(&starts);
            let (with, against): (Vec<u32>, Vec<u32>) =
                node.downstream.iter().partition(|down| followed.contains(down));
            let memory = SkipMemory::Followed(with.into_iter().map(id).collect());
            Ok(Some(Decided { memory, against }))
        }
        Some(_) if result.go_on == Some(false) => {
            let against = node.decides.clone();
            let memory = SkipMemory::Skipped(against.iter().map(|&slot| id(slot)).collect());
            Ok(Some(Decided { memory, against }))
        }
        Some(_) => Ok(None),
    }
}

fn unknown(layout: &Layout, slot: u32, word: &str) -> String {
    let names = layout.dag.tasks.iter().map(|task| task.task_id.as_str());
    let hint = nearest(word, names).map(|name| format!("; did you mean \"{name}\"?"));
    format!(
        "branch \"{}\" chose \"{word}\", which is not a task of this DAG{}",
        layout.task(slot).task_id,
        hint.unwrap_or_default()
    )
}

impl Engine {
    /// Skips what a decision was against.
    pub(super) fn skip_undecided(
        &mut self,
        step: &mut Step,
        key: RunKey,
        by: u32,
        against: &[u32],
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let Some(decision) = run.node(by).and_then(|node| node.decision) else { return };
        let reason = decided_against(decision, run.ti(by).row().task_id.as_str());
        for &slot in against {
            let Some(run) = self.runs.get(&key) else { return };
            let stays = matches!(
                run.ti(slot).state(),
                TaskState::Running
                    | TaskState::Restarting
                    | TaskState::Success
                    | TaskState::Failed
                    | TaskState::Skipped
                    | TaskState::Removed
            );
            if !stays {
                let now = step.now;
                self.apply(step, key, slot, TaskEvent::Skipped, |row| {
                    row.end_date = Some(now);
                    row.retry_at = None;
                    row.reason = Some(reason.clone());
                });
            }
        }
    }
}
