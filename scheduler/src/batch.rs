//! Everything that one commit carries, and what is done once it has.

use std::collections::BTreeMap;

use millrace_core::engine::{DatesWanted, Effects, Event, LengthWanted, PastWanted, RunWanted};
use millrace_core::record::{AttemptKey, Change, NoticeRow};
use millrace_core::state::TaskState;
use millrace_core::wire::{Finished, Kill, ProtocolError, Register, Registered, Renewed};

use crate::command::Answerer;

/// The most commands that one commit gathers.
pub(crate) const COMMANDS_MAX: usize = 512;

/// A report of ended attempts that waits for its commit.
#[derive(Debug)]
pub(crate) struct FinishReply {
    /// Who reported.
    pub worker: String,
    /// Results that changed nothing.
    pub fenced: Vec<AttemptKey>,
    /// Where the answer goes.
    pub answer: Answerer<Finished>,
}

/// A registration that waits for its commit.
#[derive(Debug)]
pub(crate) struct RegisterReply {
    /// The request.
    pub request: Register,
    /// Attempts that the worker must kill.
    pub kill: Vec<AttemptKey>,
    /// Where the answer goes.
    pub answer: Answerer<Registered>,
}

/// One commit in the making.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The rows to write.
    pub changes: Vec<Change>,
    /// Attempts handed out, by worker.
    pub assigned: BTreeMap<String, Vec<AttemptKey>>,
    /// Attempts that ended.
    pub ended: Vec<AttemptKey>,
    /// Attempts to kill.
    pub kills: Vec<Kill>,
    /// Reports to answer.
    pub finishes: Vec<FinishReply>,
    /// Registrations to answer.
    pub registers: Vec<RegisterReply>,
    /// Renewals to answer.
    pub renewals: Vec<(String, Answerer<Renewed>)>,
    /// New notices.
    pub notices: Vec<NoticeRow>,
    /// Previous runs to look up.
    pub past_wanted: Vec<PastWanted>,
    /// Dates whose runs are to be looked up.
    pub dates_wanted: Vec<DatesWanted>,
    /// Runs that somebody waits for, to look up.
    pub runs_wanted: Vec<RunWanted>,
    /// Lengths to look up.
    pub lengths_wanted: Vec<LengthWanted>,
}

impl Batch {
    /// Takes what a step gave; returns what the caller of the step looks at.
    pub(crate) fn take(&mut self, effects: Effects) -> Stepped {
        for change in &effects.changes {
            match change {
                Change::Attempt(row) if row.end_date.is_some() => self.ended.push(row.key),
                // A sensor's pokes have one attempt row: theirs end with their task instance's row.
                Change::Ti { from, from_try, from_epoch, row }
                    if is_held(*from) && !is_held(row.state) =>
                {
                    let (try_number, epoch) = (*from_try, *from_epoch);
                    self.ended.push(AttemptKey { ti: row.id, try_number, epoch });
                }
                Change::Notice(row) => self.notices.push(row.clone()),
                _ => {}
            }
        }
        self.changes.extend(effects.changes);
        self.kills.extend(effects.kills);
        self.past_wanted.extend(effects.past_wanted);
        self.dates_wanted.extend(effects.dates_wanted);
        self.runs_wanted.extend(effects.runs_wanted);
        self.lengths_wanted.extend(effects.lengths_wanted);
        Stepped { assigned: effects.assigned, answer: effects.answer, fenced: effects.fenced }
    }

    /// Tells everybody who waits that nothing was done.
    pub(crate) fn refuse(self, error: &ProtocolError) {
        for reply in self.finishes {
            let _ = reply.answer.send(Err(error.clone()));
        }
        for reply in self.registers {
            let _ = reply.answer.send(Err(error.clone()));
        }
        for (_, answer) in self.renewals {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

/// Whether somebody has an attempt at it.
fn is_held(state: TaskState) -> bool {
    matches!(state, TaskState::Running | TaskState::Restarting)
}

/// What a step said beside its changes.
#[derive(Debug)]
pub(crate) struct Stepped {
    /// See [`Effects::assigned`].
    pub assigned: Option<AttemptKey>,
    /// See [`Effects::answer`].
    pub answer: Option<Result<serde_json::Value, millrace_core::engine::Refusal>>,
    /// See [`Effects::fenced`].
    pub fenced: bool,
}

/// The event of an attempt that was lost.
pub(crate) fn lost(key: AttemptKey, reason: impl Into<String>) -> Event {
    Event::Lost { key, reason: reason.into() }
}
