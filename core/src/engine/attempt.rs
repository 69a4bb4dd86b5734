//! Attempts: handed out, ended, lost.
//!
//! A task with `when` goes through two attempts of the same try: the first is with the scheduler,
//! which decides `when`; if it holds, the task waits for its limits and a worker. Every result is
//! fenced by its try and epoch.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Engine;
use super::decide::{self, Decided};
use super::notice::Occasion;
use super::run::SCHEDULER;
use super::step::Step;
use super::transition::TaskEvent;
use crate::dag::RetryAction;
use crate::operator::Place;
use crate::record::{AttemptKey, AttemptRow, Change, METRICS_KEY, RunKey, TiKey, TiRow, XComRow};
use crate::retry;
use crate::state::TaskState;
use crate::wire::{AttemptResult, Kill, Outcome};

/// The key of what a task returns (Airflow: `return_value`).
const RETURN_VALUE: &str = "return_value";

/// The most XComs of `multiple_outputs`.
const OUTPUTS_MAX: usize = 200;

/// The longest pause before an attempt that was lost is handed out again, in seconds.
const INFRA_DELAY_SECS_MAX: i64 = 60;

/// What an attempt left behind.
struct End {
    outcome: TaskState,
    exit_code: Option<i32>,
    reason: Option<String>,
    rendered: Option<Value>,
}

impl Engine {
    /// Hands a queued task instance out.
    pub(super) fn assign(&mut self, step: &mut Step, ti: TiKey, worker: String) {
        let Some(&(key, slot)) = self.tis.get(&ti) else { return };
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        if row.state != TaskState::Queued {
            return;
        }
        let is_first_of_try = row.worker.is_none();
        let is_decision = run.place(slot) == Some(Place::Scheduler);
        let goes_to_worker = run.task(slot).is_some_and(|task| task.place == Place::Worker);
        // A `when` comes before: while it is decided, nothing executes yet.
        let begins_to_execute = match row.worker.as_deref() {
            None => !(is_decision && goes_to_worker),
            Some(before) => before == SCHEDULER && goes_to_worker,
        };
        if is_first_of_try && row.epoch > 0 {
            step.rest.push(Change::XComsCleared(ti));
        }
        let (now, version) = (step.now, run.layout.version);
        let worker = if is_decision { SCHEDULER.to_owned() } else { worker };
        self.apply(step, key, slot, TaskEvent::Assigned, |row| {
            row.epoch += 1;
            row.version = version;
            // A sensor's try begins with its first poke (Airflow).
            let goes_on = row.wait.as_ref().is_some_and(|wait| wait.epoch > 0);
            row.start_date = row.start_date.filter(|_| goes_on).or(Some(now));
            row.end_date = None;
            row.exit_code = None;
            row.reason = None;
            row.skip_memory = None;
            row.worker = Some(worker);
        });
        let Some(run) = self.runs.get(&key) else { return };
        let attempt = attempt_row(run.ti(slot).row(), None, now);
        step.assigned = Some(key_of(run.ti(slot).row()));
        step.rest.push(Change::Attempt(Box::new(attempt)));
        if begins_to_execute {
            self.notify(step, key, slot, Occasion::Execute);
        }
    }

    /// An `empty` task that passed its gates: it is over at once (Airflow: never sent to a worker).
    pub(super) fn succeed_at_once(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(ti) = self.runs.get(&key).map(|run| run.key_of(slot)) else { return };
        let asked = step.assigned;
        self.assign(step, ti, SCHEDULER.to_owned());
        step.assigned = asked;
        let end =
            End { outcome: TaskState::Success, exit_code: None, reason: None, rendered: None };
        self.end(step, key, slot, TaskEvent::Succeeded, end);
        self.emit_outlets(step, key, slot, &serde_json::Map::new());
        self.notify(step, key, slot, Occasion::Success);
    }

    /// Takes the result of an attempt.
    pub(super) fn finished(&mut self, step: &mut Step, mut result: AttemptResult) {
        let Some((key, slot)) = self.current(result.key) else {
            step.fenced = true;
            return;
        };
        if result.outcome == Outcome::Lost || result.outcome == Outcome::Killed {
            let reason = result.reason.unwrap_or_else(|| "the attempt was killed".to_owned());
            self.lose(step, key, slot, reason);
            return;
        }
        let Some(run) = self.runs.get(&key) else { return };
        if run.ti(slot).state() == TaskState::Restarting {
            let outcome = match result.outcome {
                Outcome::Success => TaskState::Success,
                Outcome::Skipped => TaskState::Skipped,
                Outcome::NotYet | Outcome::Deferred => TaskState::NoStatus,
                _ => TaskState::Failed,
            };
            let reason = result.reason.or_else(|| Some("it was cleared meanwhile".to_owned()));
            let end =
                End { outcome, exit_code: result.exit_code, reason, rendered: result.rendered };
            self.end_restarting(step, key, slot, end);
            return;
        }
        let decides_when = run.place(slot) == Some(Place::Scheduler)
            && run.task(slot).is_some_and(|task| task.place == Place::Worker);
        self.unroll(key, slot, &mut result);
        self.keep_values(step, key, slot, &mut result);
        self.set_label(key, slot, result.rendered_map_index.take());
        match result.outcome {
            Outcome::Success if decides_when && result.go_on != Some(false) => {
                self.go_on_to_worker(step, key, slot, result.rendered);
            }
            Outcome::Success if decides_when => self.skip_itself(step, key, slot, result),
            Outcome::Success => self.succeed(step, key, slot, result),
            Outcome::Skipped => self.skip_itself(step, key, slot, result),
            Outcome::NotYet => self.look_again(step, key, slot, result),
            Outcome::Deferred => self.defer(step, key, slot, result),
            _ => self.poke_failed(step, key, slot, result),
        }
    }

    /// An attempt is gone without its task's fault.
    pub(super) fn lost(&mut self, step: &mut Step, key: AttemptKey, reason: String) {
        match self.current(key) {
            Some((run, slot)) => self.lose(step, run, slot, reason),
            None => step.fenced = true,
        }
    }

    /// The task instance of an attempt, if that is its current one.
    fn current(&self, key: AttemptKey) -> Option<(RunKey, u32)> {
        let &(run, slot) = self.tis.get(&key.ti)?;
        let row = self.runs.get(&run)?.ti(slot).row();
        let is_current = matches!(row.state, TaskState::Running | TaskState::Restarting)
            && row.try_number == key.try_number
            && row.epoch == key.epoch;
        is_current.then_some((run, slot))
    }

    pub(super) fn succeed(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        mut result: AttemptResult,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let Some(task) = run.instances.task_of(slot) else {
            return self.fail(step, key, slot, result);
        };
        let decided = match decide::read(&run.layout, task, &result) {
            Ok(decided) => decided,
            Err(reason) => {
                result.reason = Some(reason);
                return self.fail(step, key, slot, result);
            }
        };
        let end = End {
            outcome: TaskState::Success,
            exit_code: result.exit_code,
            reason: result.reason,
            rendered: result.rendered,
        };
        if let Some(Decided { memory, against }) = decided {
            self.set_memory(key, slot, memory);
            self.end(step, key, slot, TaskEvent::Succeeded, end);
            self.skip_undecided(step, key, slot, &against);
        } else {
            self.end(step, key, slot, TaskEvent::Succeeded, end);
        }
        self.emit_outlets(step, key, slot, &result.assets);
        self.notify(step, key, slot, Occasion::Success);
    }

    fn set_memory(&mut self, key: RunKey, slot: u32, memory: crate::record::SkipMemory) {
        if let Some(run) = self.runs.get_mut(&key) {
            // The row is written by the end of the attempt that follows.
            let ti = run.ti_mut(slot);
            ti.cell.edit(|row| row.skip_memory = Some(memory));
        }
    }

    fn set_label(&mut self, key: RunKey, slot: u32, label: Option<String>) {
        if let (Some(run), Some(_)) = (self.runs.get_mut(&key), &label) {
            // As above, the end of the attempt writes it.
            run.ti_mut(slot).cell.edit(|row| row.rendered_map_index = label);
        }
    }

    pub(super) fn skip_itself(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        result: AttemptResult,
    ) {
        let end = End {
            outcome: TaskState::Skipped,
            exit_code: result.exit_code,
            reason: result.reason,
            rendered: result.rendered,
        };
        self.end(step, key, slot, TaskEvent::SkippedItself, end);
        self.notify(step, key, slot, Occasion::Skipped);
    }

    fn go_on_to_worker(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        rendered: Option<Value>,
    ) {
        let reason = Some("`when` holds; it goes on to a worker".to_owned());
        let end = End { outcome: TaskState::NoStatus, exit_code: None, reason, rendered };
        self.end(step, key, slot, TaskEvent::Requeued, end);
    }

    pub(super) fn fail(&mut self, step: &mut Step, key: RunKey, slot: u32, result: AttemptResult) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let rule = run.task(slot).and_then(|task| {
            retry::rule(&task.retry_policy, result.exit_code, result.reason.as_deref())
        });
        let retry_at = run.task(slot).and_then(|task| {
            let is_final =
                result.exit_code.is_some_and(|code| task.no_retry_exit_codes.contains(&code));
            let useless = result.outcome == Outcome::FailedForGood
                || match rule.map(|rule| rule.then) {
                    Some(RetryAction::Fail) => true,
                    Some(RetryAction::Retry) => false,
                    Some(RetryAction::Default) | None => is_final,
                };
            if useless || !retry::may_retry(row.try_number, row.max_tries) {
                return None;
            }
            let run_row = run.cell.row();
            let salt = retry::Salt {
                dag_id: run_row.dag_id.as_str(),
                task_id: task.task_id.as_str(),
                logical_date: run_row.logical_date,
            };
            let delay = rule
                .and_then(|rule| rule.delay_secs)
                .unwrap_or_else(|| retry::delay_secs(&task.into(), &salt, row.try_number));
            Some(after(step.now, delay))
        });
        let outcome = if retry_at.is_some() { TaskState::UpForRetry } else { TaskState::Failed };
        let end = End {
            outcome,
            exit_code: result.exit_code,
            reason: result.reason,
            rendered: result.rendered,
        };
        if let Some(at) = retry_at {
            self.end_with(step, key, slot, TaskEvent::WillRetry, end, |row| {
                row.retry_at = Some(at);
            });
            self.notify(step, key, slot, Occasion::Retry);
        } else {
            self.fail_for_good(step, key, slot, end);
        }
    }

    fn fail_for_good(&mut self, step: &mut Step, key: RunKey, slot: u32, end: End) {
        self.end(step, key, slot, TaskEvent::Failed, end);
        self.notify(step, key, slot, Occasion::Failure);
        let fails_fast = self.runs.get(&key).is_some_and(|run| run.layout.dag.fail_fast);
        if fails_fast {
            self.stop_the_rest(step, key, slot);
        }
    }

    /// The infrastructure's budget: the same try is handed out again, up to a limit.
    fn lose(&mut self, step: &mut Step, key: RunKey, slot: u32, reason: String) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let lost = row.infra_tries + 1;
        let rendered = None;
        if row.state == TaskState::Restarting {
            let end = End {
                outcome: TaskState::NoStatus,
                exit_code: None,
                reason: Some(reason),
                rendered,
            };
            return self.end_restarting(step, key, slot, end);
        }
        if lost > self.config.infra_tries_max {
            let text = format!(
                "its attempt was lost {lost} times without its fault, the last time: {reason}; \
                 clear it when the cause is mended"
            );
            let end =
                End { outcome: TaskState::Failed, exit_code: None, reason: Some(text), rendered };
            return self.fail_for_good(step, key, slot, end);
        }
        let was_decision = run.place(slot) == Some(Place::Scheduler);
        let at = infra_delay_secs(lost).map(|secs| after(step.now, secs));
        let end =
            End { outcome: TaskState::NoStatus, exit_code: None, reason: Some(reason), rendered };
        self.end_with(step, key, slot, TaskEvent::Requeued, end, |row| {
            row.infra_tries = lost;
            row.retry_at = at;
            row.end_date = None;
            if was_decision {
                row.worker = None;
            }
        });
    }

    /// The attempt of a cleared task instance has ended: it starts anew.
    fn end_restarting(&mut self, step: &mut Step, key: RunKey, slot: u32, end: End) {
        self.end_with(step, key, slot, TaskEvent::AttemptEnded, end, super::clear::reset);
        step.evaluate.push_back((key, slot));
    }

    fn end(&mut self, step: &mut Step, key: RunKey, slot: u32, event: TaskEvent, end: End) {
        self.end_with(step, key, slot, event, end, |_| {});
    }

    /// Ends the current attempt: its row, and the task instance by `event`.
    fn end_with(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        event: TaskEvent,
        end: End,
        edit: impl FnOnce(&mut TiRow),
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let now = step.now;
        let attempt = attempt_row(run.ti(slot).row(), Some(&end), now);
        step.rest.push(Change::Attempt(Box::new(attempt)));
        let goes_on = event == TaskEvent::Requeued;
        self.apply(step, key, slot, event, |row| {
            row.end_date = (!goes_on).then_some(now);
            row.exit_code = end.exit_code;
            row.reason = end.reason;
            edit(row);
        });
    }

    /// Has a running attempt killed; its task instance takes its state by the caller's event.
    pub(super) fn kill(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        outcome: Option<TaskState>,
        reason: &str,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        if super::wait::has_open_record(row) {
            let reason = Some(reason.to_owned());
            let outcome = outcome.unwrap_or(TaskState::NoStatus);
            let end = End { outcome, exit_code: None, reason, rendered: None };
            step.rest.push(Change::Attempt(Box::new(attempt_row(row, Some(&end), step.now))));
        }
        if !matches!(row.state, TaskState::Running | TaskState::Restarting) {
            return;
        }
        step.kills.push(Kill { key: key_of(row), reason: reason.to_owned() });
        if let Some(outcome) = outcome {
            let reason = Some(reason.to_owned());
            let end = End { outcome, exit_code: None, reason, rendered: None };
            step.rest.push(Change::Attempt(Box::new(attempt_row(row, Some(&end), step.now))));
        }
    }

    /// `multiple_outputs`: each key of the returned map is an XCom of its own too (Airflow). An
    /// output of another shape fails the task.
    fn unroll(&self, key: RunKey, slot: u32, result: &mut AttemptResult) {
        let task = self.runs.get(&key).and_then(|run| run.task(slot));
        let unrolls = task.is_some_and(|task| task.multiple_outputs && task.do_xcom_push);
        if !unrolls || result.outcome != Outcome::Success || result.go_on.is_some() {
            return;
        }
        let problem = match result.xcoms.get(RETURN_VALUE) {
            Some(Value::Object(map)) if map.len() > OUTPUTS_MAX => {
                format!(
                    "its output has {} keys, and `multiple_outputs` at most {OUTPUTS_MAX}",
                    map.len()
                )
            }
            Some(Value::Object(map)) => {
                let Some(name) = map.keys().find(|name| !is_xcom_key(name)) else {
                    for (name, value) in map.clone() {
                        result.xcoms.entry(name).or_insert(value);
                    }
                    return;
                };
                format!(
                    "the key \"{}\" of its output cannot name an XCom: 1 to 250 characters",
                    name.chars().take(50).collect::<String>()
                )
            }
            _ => "`multiple_outputs` needs a map as its output, `{\"accuracy\": 0.9}`".to_owned(),
        };
        result.outcome = Outcome::Failed;
        result.reason = Some(problem);
    }

    /// Keeps XComs and metrics.
    pub(super) fn keep_values(
        &self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        result: &mut AttemptResult,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let pushes = run.task(slot).is_some_and(|task| task.do_xcom_push);
        let mut values = std::mem::take(&mut result.xcoms);
        if !pushes {
            values.remove(RETURN_VALUE);
        }
        if !result.metrics.is_empty() {
            let metrics = std::mem::take(&mut result.metrics);
            values.insert(METRICS_KEY.to_owned(), Value::Object(metrics));
        }
        step.rest.extend(values.into_iter().map(|(name, value)| {
            Change::XCom(XComRow {
                ti: row.id,
                run: row.run,
                task_id: row.task_id.clone(),
                map_index: row.map_index,
                key: name,
                value,
                created_at: step.now,
            })
        }));
    }
}

/// Whether a text can name an XCom.
fn is_xcom_key(name: &str) -> bool {
    (1..=250).contains(&name.chars().count())
}

pub(super) fn key_of(row: &TiRow) -> AttemptKey {
    AttemptKey { ti: row.id, try_number: row.try_number, epoch: row.epoch }
}

fn attempt_row(row: &TiRow, end: Option<&End>, now: Timestamp) -> AttemptRow {
    AttemptRow {
        key: AttemptKey { epoch: row.record_epoch(), ..key_of(row) },
        run: row.run,
        version: row.version,
        worker: row.worker.clone().unwrap_or_else(|| SCHEDULER.to_owned()),
        outcome: end.map(|end| end.outcome),
        start_date: row.start_date.unwrap_or(now),
        end_date: end.map(|_| now),
        exit_code: end.and_then(|end| end.exit_code),
        reason: end.and_then(|end| end.reason.clone()),
        rendered: end.and_then(|end| end.rendered.clone()).or_else(|| super::wait::shown(row)),
    }
}

/// The row of an attempt that goes on after a poke or while it waits.
pub(super) fn open_record(row: &TiRow, rendered: Option<Value>, now: Timestamp) -> AttemptRow {
    let mut attempt = attempt_row(row, None, now);
    attempt.rendered = rendered.or(attempt.rendered);
    attempt
}

/// `now` and so many seconds; microseconds as stored.
pub(super) fn after(now: Timestamp, secs: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(secs).unwrap_or(SignedDuration::ZERO);
    crate::time::truncate(now.checked_add(span).unwrap_or(Timestamp::MAX))
}

/// Nothing before the first repetition, then 2, 4, 8 … seconds.
fn infra_delay_secs(lost: u32) -> Option<f64> {
    let doublings = lost.checked_sub(2)?.min(16);
    let secs = (2_i64 << doublings).min(INFRA_DELAY_SECS_MAX);
    #[expect(clippy::cast_precision_loss, reason = "at most 60")]
    let secs = secs as f64;
    Some(secs)
}
