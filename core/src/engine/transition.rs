//! The transition tables of task instances and dag runs, and the only types that hold a state.
//!
//! [`next_task_state`] and [`next_run_state`] are total: every pair of state and event either has
//! a next state or is an [`IllegalEvent`]. [`TaskInstance`] and [`DagRun`] keep their rows private,
//! so that no other code can set a state. Why an event happens is not decided here.

use crate::record::{RunRow, TiRow};
use crate::state::{RunState, TaskState};

/// What can happen to a task instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskEvent {
    /// Its trigger rule holds: a new try may start.
    RuleMet,
    /// Its retry delay is over: the next try may start.
    RetryDue,
    /// All limits hold.
    Admitted,
    /// It was handed out.
    Assigned,
    /// It ended well.
    Succeeded,
    /// It ended badly, for good.
    Failed,
    /// It ended badly and is tried again.
    WillRetry,
    /// It said that it is to be skipped.
    SkippedItself,
    /// The attempt was lost, or decided that a worker goes on: it waits for its limits again.
    Requeued,
    /// It looks again later (a sensor between two pokes).
    Rescheduled,
    /// It waits for an event without a slot.
    Deferred,
    /// It waits for a person.
    AwaitsInput,
    /// What it waited for has come.
    Resumed,
    /// A branch, a short circuit or its trigger rule skips it.
    Skipped,
    /// Its trigger rule can no longer hold.
    UpstreamFailed,
    /// It is to run again.
    Cleared,
    /// The attempt of a cleared one has ended.
    AttemptEnded,
    /// A person, a timeout or `fail_fast` ends it well.
    ForcedSuccess,
    /// A person, a timeout or `fail_fast` ends it badly.
    ForcedFailed,
    /// A person, a timeout or `fail_fast` skips it.
    ForcedSkipped,
    /// Its task is no longer in the DAG.
    Removed,
    /// Its task is in the DAG again.
    Restored,
}

impl TaskEvent {
    /// Every event, in declaration order.
    pub const ALL: &'static [Self] = &[
        Self::RuleMet,
        Self::RetryDue,
        Self::Admitted,
        Self::Assigned,
        Self::Succeeded,
        Self::Failed,
        Self::WillRetry,
        Self::SkippedItself,
        Self::Requeued,
        Self::Rescheduled,
        Self::Deferred,
        Self::AwaitsInput,
        Self::Resumed,
        Self::Skipped,
        Self::UpstreamFailed,
        Self::Cleared,
        Self::AttemptEnded,
        Self::ForcedSuccess,
        Self::ForcedFailed,
        Self::ForcedSkipped,
        Self::Removed,
        Self::Restored,
    ];
}

/// What can happen to a dag run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunEvent {
    /// `max_active_runs` allows it.
    Started,
    /// Its leaves succeeded or were skipped.
    Succeeded,
    /// A leaf failed, it timed out, or nothing in it can go on.
    Failed,
    /// It is to run again: it was cleared, or a person queued it.
    Requeued,
    /// A person ends it well.
    ForcedSuccess,
    /// A person ends it badly.
    ForcedFailed,
}

impl RunEvent {
    /// Every event, in declaration order.
    pub const ALL: &'static [Self] = &[
        Self::Started,
        Self::Succeeded,
        Self::Failed,
        Self::Requeued,
        Self::ForcedSuccess,
        Self::ForcedFailed,
    ];
}

/// An event that cannot happen in a state: a fault of the engine, never of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {what} in state {state} cannot take the event {event}")]
pub struct IllegalEvent {
    what: &'static str,
    state: &'static str,
    event: String,
}

/// The state of a task instance after an event.
///
/// # Errors
/// [`IllegalEvent`] when the event cannot happen in that state.
#[expect(clippy::match_same_arms, reason = "one line an event reads as a table")]
pub fn next_task_state(state: TaskState, event: TaskEvent) -> Result<TaskState, IllegalEvent> {
    use TaskEvent as E;
    use TaskState as S;
    let next = match (state, event) {
        (S::NoStatus, E::RuleMet)
        | (S::UpForRetry, E::RetryDue)
        | (S::UpForReschedule | S::Deferred | S::AwaitingInput, E::Resumed)
        | (S::Running, E::Requeued) => S::Scheduled,
        (S::Scheduled, E::Admitted) => S::Queued,
        (S::Queued, E::Assigned) => S::Running,
        (S::Running, E::Succeeded) => S::Success,
        // Without an attempt: a mapped task that cannot be expanded.
        (S::Running | S::NoStatus, E::Failed) => S::Failed,
        (S::Running | S::UpForReschedule | S::Deferred | S::AwaitingInput, E::WillRetry) => {
            S::UpForRetry
        }
        (S::Running | S::UpForReschedule | S::Deferred | S::AwaitingInput, E::SkippedItself) => {
            S::Skipped
        }
        (S::Running, E::Rescheduled) => S::UpForReschedule,
        (S::Running, E::Deferred) => S::Deferred,
        (S::Running, E::AwaitsInput) => S::AwaitingInput,
        // A waiting task may also fail or succeed by what it waited for (a timeout, an answer).
        (S::UpForReschedule | S::Deferred | S::AwaitingInput, E::Succeeded) => S::Success,
        (S::UpForReschedule | S::Deferred | S::AwaitingInput, E::Failed) => S::Failed,
        (S::NoStatus, E::UpstreamFailed) => S::UpstreamFailed,
        (
            S::NoStatus
            | S::Scheduled
            | S::Queued
            | S::UpForRetry
            | S::UpForReschedule
            | S::Deferred
            | S::AwaitingInput
            | S::UpstreamFailed
            | S::Skipped,
            E::Skipped,
        ) => S::Skipped,
        (S::Running | S::Restarting, E::Cleared) => S::Restarting,
        (S::Restarting, E::AttemptEnded) => S::NoStatus,
        (S::Removed, E::Cleared) => S::Removed,
        (_, E::Cleared) => S::NoStatus,
        (S::Removed, E::Restored) => S::NoStatus,
        (_, E::Removed) => S::Removed,
        (S::Removed, E::ForcedSuccess | E::ForcedFailed | E::ForcedSkipped) => {
            return Err(IllegalEvent::task(state, event));
        }
        (_, E::ForcedSuccess) => S::Success,
        (_, E::ForcedFailed) => S::Failed,
        (_, E::ForcedSkipped) => S::Skipped,
        _ => return Err(IllegalEvent::task(state, event)),
    };
    Ok(next)
}

/// The state of a dag run after an event.
///
/// # Errors
/// [`IllegalEvent`] when the event cannot happen in that state.
#[expect(clippy::match_same_arms, reason = "one line an event reads as a table")]
pub fn next_run_state(state: RunState, event: RunEvent) -> Result<RunState, IllegalEvent> {
    use RunEvent as E;
    use RunState as S;
    match (state, event) {
        (S::Queued, E::Started) => Ok(S::Running),
        (S::Running, E::Succeeded) => Ok(S::Success),
        (S::Running, E::Failed) => Ok(S::Failed),
        (_, E::Requeued) => Ok(S::Queued),
        (_, E::ForcedSuccess) => Ok(S::Success),
        (_, E::ForcedFailed) => Ok(S::Failed),
        _ => Err(IllegalEvent {
            what: "dag run",
            state: state.as_str(),
            event: format!("{event:?}"),
        }),
    }
}

impl IllegalEvent {
    fn task(state: TaskState, event: TaskEvent) -> Self {
        Self { what: "task instance", state: state.as_str(), event: format!("{event:?}") }
    }
}

/// A task instance whose state changes only by [`TaskInstance::apply`].
#[derive(Debug, Clone)]
pub struct TaskInstance {
    row: TiRow,
}

impl TaskInstance {
    /// Takes a row as it was stored or has just been made.
    pub fn new(row: TiRow) -> Self {
        Self { row }
    }

    /// The row.
    pub fn row(&self) -> &TiRow {
        &self.row
    }

    /// Its state.
    pub fn state(&self) -> TaskState {
        self.row.state
    }

    /// Takes an event by the transition table; answers the state before.
    ///
    /// # Errors
    /// [`IllegalEvent`], and nothing has changed.
    pub fn apply(&mut self, event: TaskEvent) -> Result<TaskState, IllegalEvent> {
        let before = self.row.state;
        self.row.state = next_task_state(before, event)?;
        Ok(before)
    }

    /// Changes everything but the state: a state set by `change` is put back.
    pub fn edit(&mut self, change: impl FnOnce(&mut TiRow)) {
        let state = self.row.state;
        change(&mut self.row);
        self.row.state = state;
    }
}

/// A dag run whose state changes only by [`DagRun::apply`].
#[derive(Debug, Clone)]
pub struct DagRun {
    row: RunRow,
}

impl DagRun {
    /// Takes a row as it was stored or has just been made.
    pub fn new(row: RunRow) -> Self {
        Self { row }
    }

    /// The row.
    pub fn row(&self) -> &RunRow {
        &self.row
    }

    /// Its state.
    pub fn state(&self) -> RunState {
        self.row.state
    }

    /// Takes an event by the transition table; answers the state before.
    ///
    /// # Errors
    /// [`IllegalEvent`], and nothing has changed.
    pub fn apply(&mut self, event: RunEvent) -> Result<RunState, IllegalEvent> {
        let before = self.row.state;
        self.row.state = next_run_state(before, event)?;
        Ok(before)
    }

    /// Changes everything but the state: a state set by `change` is put back.
    pub fn edit(&mut self, change: impl FnOnce(&mut RunRow)) {
        let state = self.row.state;
        change(&mut self.row);
        self.row.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table of task instances, one line an event: `from>to` for each legal pair.
    #[test]
    fn task_table_is_as_documented() {
        let line = |event: TaskEvent| {
            let mut pairs = Vec::new();
            for &state in TaskState::ALL {
                if let Ok(next) = next_task_state(state, event) {
                    pairs.push(format!("{state}>{next}"));
                }
            }
            format!("{event:?}: {}", pairs.join(" "))
        };
        let check = |event: TaskEvent, expected: &str| assert_eq!(line(event), expected);
        check(TaskEvent::RuleMet, "RuleMet: no_status>scheduled");
        check(TaskEvent::RetryDue, "RetryDue: up_for_retry>scheduled");
        check(TaskEvent::Admitted, "Admitted: scheduled>queued");
        check(TaskEvent::Assigned, "Assigned: queued>running");
        let line = "WillRetry: running>up_for_retry up_for_reschedule>up_for_retry \
                    deferred>up_for_retry awaiting_input>up_for_retry";
        check(TaskEvent::WillRetry, line);
        check(TaskEvent::Rescheduled, "Rescheduled: running>up_for_reschedule");
        check(TaskEvent::Deferred, "Deferred: running>deferred");
        check(TaskEvent::AwaitsInput, "AwaitsInput: running>awaiting_input");
        let line = "Resumed: up_for_reschedule>scheduled deferred>scheduled \
                    awaiting_input>scheduled";
        check(TaskEvent::Resumed, line);
        let line = "SkippedItself: running>skipped up_for_reschedule>skipped deferred>skipped \
                    awaiting_input>skipped";
        check(TaskEvent::SkippedItself, line);
        check(TaskEvent::Requeued, "Requeued: running>scheduled");
        check(TaskEvent::UpstreamFailed, "UpstreamFailed: no_status>upstream_failed");
        check(TaskEvent::AttemptEnded, "AttemptEnded: restarting>no_status");
        check(TaskEvent::Restored, "Restored: removed>no_status");
        check(
            TaskEvent::Succeeded,
            "Succeeded: running>success up_for_reschedule>success deferred>success \
             awaiting_input>success",
        );
        check(
            TaskEvent::Skipped,
            "Skipped: no_status>skipped scheduled>skipped queued>skipped up_for_retry>skipped \
             up_for_reschedule>skipped upstream_failed>skipped skipped>skipped deferred>skipped \
             awaiting_input>skipped",
        );
        check(
            TaskEvent::Cleared,
            "Cleared: no_status>no_status scheduled>no_status queued>no_status \
             running>restarting success>no_status restarting>restarting failed>no_status \
             up_for_retry>no_status up_for_reschedule>no_status upstream_failed>no_status \
             skipped>no_status deferred>no_status awaiting_input>no_status removed>removed",
        );
    }

    #[test]
    fn nothing_but_a_clear_or_a_force_leaves_an_end() {
        for &state in TaskState::ALL.iter().filter(|state| state.is_terminal()) {
            for &event in TaskEvent::ALL {
                let Ok(next) = next_task_state(state, event) else { continue };
                let by_hand = matches!(
                    event,
                    TaskEvent::Cleared
                        | TaskEvent::ForcedSuccess
                        | TaskEvent::ForcedFailed
                        | TaskEvent::ForcedSkipped
                        | TaskEvent::Removed
                        | TaskEvent::Restored
                );
                // Airflow: a branch's skip also reaches what had become upstream_failed.
                let skip = event == TaskEvent::Skipped && next == TaskState::Skipped;
                assert!(by_hand || skip, "{state} {event:?} {next}");
            }
        }
    }

    #[test]
    fn run_table_is_as_documented() {
        let mut lines = Vec::new();
        for &event in RunEvent::ALL {
            for &state in RunState::ALL {
                if let Ok(next) = next_run_state(state, event) {
                    lines.push(format!("{event:?} {state}>{next}"));
                }
            }
        }
        let expected = "Started queued>running, Succeeded running>success, Failed running>failed, \
            Requeued queued>queued, Requeued running>queued, Requeued success>queued, \
            Requeued failed>queued, ForcedSuccess queued>success, ForcedSuccess running>success, \
            ForcedSuccess success>success, ForcedSuccess failed>success, \
            ForcedFailed queued>failed, ForcedFailed running>failed, \
            ForcedFailed success>failed, ForcedFailed failed>failed";
        assert_eq!(lines.join(", "), expected);
    }

    #[test]
    fn an_illegal_event_is_named() {
        let error = next_task_state(TaskState::Success, TaskEvent::Assigned).unwrap_err();
        let text = "a task instance in state success cannot take the event Assigned";
        assert_eq!(error.to_string(), text);
    }
}
