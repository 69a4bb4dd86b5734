//! What a finished decision task does to the tasks below it: branches and short circuits.
//!
//! The rules are Airflow's: a branch that chose `B` lets those direct downstream tasks go on that
//! are in `B` or below a member of it, and skips the other direct ones; a short circuit skips
//! everything below it, or only what is directly below. What runs, succeeded or failed stays.

use super::Engine;
use super::layout::{Decision, Layout};
use super::step::Step;
use super::transition::TaskEvent;
use crate::record::{RunKey, SkipMemory};
use crate::state::TaskState;
use crate::suggest::nearest;
use crate::wire::AttemptResult;

/// What a decision came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decided {
    pub(super) memory: SkipMemory,
    /// The tasks to skip.
    pub(super) against: Vec<u32>,
}

/// Reads the result of a task that ended well: what it decided, or what is wrong with it. Tasks
/// that decide nothing give nothing.
pub(super) fn read(
    layout: &Layout,
    task: u32,
    result: &AttemptResult,
) -> Result<Option<Decided>, String> {
    let node = layout.node(task);
    let id = |task: u32| layout.task(task).task_id.clone();
    match node.decision {
        Some(Decision::Branch) => {
            let chosen = result.chosen.as_deref().unwrap_or_default();
            let mut starts = Vec::with_capacity(chosen.len());
            for word in chosen {
                starts.push(layout.find(word).ok_or_else(|| unknown(layout, task, word))?);
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
            let memory = SkipMemory::Skipped(against.iter().map(|&task| id(task)).collect());
            Ok(Some(Decided { memory, against }))
        }
        _ => Ok(None),
    }
}

fn unknown(layout: &Layout, task: u32, word: &str) -> String {
    let names = layout.dag.tasks.iter().map(|task| task.task_id.as_str());
    let hint = nearest(word, names).map(|name| format!("; did you mean \"{name}\"?"));
    format!(
        "branch \"{}\" chose \"{word}\", which is not a task of this DAG{}",
        layout.task(task).task_id,
        hint.unwrap_or_default()
    )
}

impl Engine {
    /// Skips what a decision was against and what nobody else will look at: task instances that
    /// had become upstream_failed. The rest is looked at like after every end.
    pub(super) fn skip_undecided(
        &mut self,
        step: &mut Step,
        key: RunKey,
        by: u32,
        against: &[u32],
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let slots: Vec<u32> = run.related_to(by, against).collect();
        for slot in slots {
            let Some(run) = self.runs.get(&key) else { return };
            if run.ti(slot).state() == TaskState::UpstreamFailed {
                let reason = format!("\"{}\" decided against it", run.name(by));
                self.apply(step, key, slot, TaskEvent::Skipped, |row| row.reason = Some(reason));
            }
        }
    }
}
