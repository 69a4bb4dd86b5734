//! The states of everything, rebuilt from the event table alone.

use std::collections::BTreeMap;

use crate::record::{EventRow, RunKey, TiKey};
use crate::state::{RunState, TaskState};

/// What a history of events says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoldedStates {
    /// The state of every run, also of those that were deleted.
    pub runs: BTreeMap<RunKey, RunState>,
    /// The state and try number of every task instance that ever changed; the others have no
    /// status.
    pub tis: BTreeMap<TiKey, (TaskState, u32)>,
}

/// Folds events, oldest first.
///
/// # Errors
/// The first event that does not follow from those before it, in words.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a EventRow>) -> Result<FoldedStates, String> {
    let mut states = FoldedStates::default();
    for event in events {
        match event.kind.as_str() {
            "run_created" | "run_state" => fold_run(&mut states, event)?,
            "ti_state" => fold_ti(&mut states, event)?,
            _ => {}
        }
    }
    Ok(states)
}

fn fold_run(states: &mut FoldedStates, event: &EventRow) -> Result<(), String> {
    let Some(run) = event.run else { return Err(format!("{} names no run", event.kind)) };
    let to = event.to.as_deref().and_then(RunState::from_word);
    let to = to.ok_or_else(|| format!("run {run} goes to {:?}", event.to))?;
    let known = states.runs.insert(run, to);
    let from = event.from.as_deref().and_then(RunState::from_word);
    if known == from {
        Ok(())
    } else {
        Err(format!("run {run} leaves {from:?}, but it is {known:?}"))
    }
}

fn fold_ti(states: &mut FoldedStates, event: &EventRow) -> Result<(), String> {
    let Some(ti) = event.ti else { return Err(format!("{} names no task instance", event.kind)) };
    let word = |word: &Option<String>| word.as_deref().and_then(TaskState::from_word);
    let to = word(&event.to).ok_or_else(|| format!("ti {ti} goes to {:?}", event.to))?;
    let known = states.tis.insert(ti, (to, event.try_number.unwrap_or_default()));
    let known = known.map_or(TaskState::NoStatus, |(state, _)| state);
    if word(&event.from) == Some(known) {
        Ok(())
    } else {
        Err(format!("ti {ti} leaves {:?}, but it is {known}", event.from))
    }
}
