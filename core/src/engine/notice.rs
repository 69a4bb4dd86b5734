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
    Deadline,
}

/// Why a run ended, in the words of Airflow's callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Success,
    TaskFailure,
    TimedOut,
    Deadlocked,
}

/// What a notice says beside whom it is about.
pub(super) struct About<'a> {
    pub(super) occasion: Occasion,
    pub(super) cause: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
}

impl Cause {
    const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::TaskFailure => "task_failure",
            Self::TimedOut => "timed_out",
            Self::Deadlocked => "all_tasks_deadlocked",
        }
    }
}

impl Occasion {
    const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Retry => "retry",
            Self::Execute => "execute",
            Self::Skipped => "skipped",
            Self::Deadline => "deadline",
        }
    }

    fn of(self, callbacks: &Callbacks) -> &[Callback] {
        match self {
            Self::Success => &callbacks.on_success,
            Self::Failure => &callbacks.on_failure,
            Self::Retry => &callbacks.on_retry,
            Self::Execute => &callbacks.on_execute,
            Self::Skipped => &callbacks.on_skipped,
            // They belong to the deadline.
            Self::Deadline => &[],
        }
    }
}

impl Engine {
    /// Notices about a task instance.
    pub(super) fn notify(&mut self, step: &mut Step, key: RunKey, slot: u32, occasion: Occasion) {
        let Some(run) = self.runs.get(&key) else { return };
        let Some(task) = run.task(slot) else { return };
        let count = occasion.of(&task.callbacks).len();
        if count == 0 {
            return;
        }
        let reason = run.ti(slot).row().reason.clone();
        let about = About { occasion, cause: None, reason: reason.as_deref() };
        self.push_notices(step, key, Some(slot), count, &about);
    }

    /// Notices about a run that has ended by itself.
    pub(super) fn notify_run(&mut self, step: &mut Step, key: RunKey, cause: Cause) {
        let occasion = if cause == Cause::Success { Occasion::Success } else { Occasion::Failure };
        let Some(run) = self.runs.get(&key) else { return };
        let count = occasion.of(&run.layout.dag.callbacks).len();
        let reason = run.cell.row().reason.clone();
        let about = About { occasion, cause: Some(cause.word()), reason: reason.as_deref() };
        self.push_notices(step, key, None, count, &about);
    }

    /// One notice for each callback of a list of `count`.
    pub(super) fn push_notices(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: Option<u32>,
        count: usize,
        about: &About<'_>,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let ti = slot.map(|slot| run.ti(slot).row());
        for position in 0..count {
            self.last.notice += 1;
            step.rest.push(Change::Notice(NoticeRow {
                id: self.last.notice,
                run: key,
                ti: ti.map(|row| row.id),
                occasion: about.occasion.word().to_owned(),
                cause: about.cause.map(str::to_owned),
                position: u32::try_from(position).unwrap_or(u32::MAX),
                try_number: ti.map_or(0, |row| row.try_number),
                reason: about.reason.map(str::to_owned),
                created_at: step.now,
            }));
        }
    }
}
