//! Notices: which callbacks are to be told of what happened.
//!
//! A notice is a row that the shell sends and then deletes; what it says is rendered by whoever
//! sends it.

use super::Engine;
use super::step::Step;
use crate::dag::{Callback, Callbacks};
use crate::record::{Change, NoticeRow, RunKey};

/// What a callback is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Success,
    Failure,
    Retry,
    Execute,
    Skipped,
}

impl Occasion {
    const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Retry => "retry",
            Self::Execute => "execute",
            Self::Skipped => "skipped",
        }
    }

    fn of(self, callbacks: &Callbacks) -> &[Callback] {
        match self {
            Self::Success => &callbacks.on_success,
            Self::Failure => &callbacks.on_failure,
            Self::Retry => &callbacks.on_retry,
            Self::Execute => &callbacks.on_execute,
            Self::Skipped => &callbacks.on_skipped,
        }
    }
}

impl Engine {
    /// Notices about a task instance, or about its run when `slot` is none.
    pub(super) fn notify(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: Option<u32>,
        occasion: Occasion,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let dag = &run.layout.dag;
        let callbacks = match slot {
            None => &dag.callbacks,
            Some(slot) => match run.task(slot) {
                Some(task) => &task.callbacks,
                None => return,
            },
        };
        let ti = slot.map(|slot| run.ti(slot).row());
        let reason = ti.map_or(&run.cell.row().reason, |row| &row.reason);
        for position in 0..occasion.of(callbacks).len() {
            self.last.notice += 1;
            step.rest.push(Change::Notice(NoticeRow {
                id: self.last.notice,
                run: key,
                ti: ti.map(|row| row.id),
                occasion: occasion.word().to_owned(),
                position: u32::try_from(position).unwrap_or(u32::MAX),
                try_number: ti.map_or(0, |row| row.try_number),
                reason: reason.clone(),
                created_at: step.now,
            }));
        }
    }
}
