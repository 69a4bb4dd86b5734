//! The one place where a task instance's or run's state changes, with everything that hangs on it.
//!
//! Lines, slots, timers and counters follow from the state before and after; callers only say
//! which event happened. Whether it should happen is decided elsewhere.

use serde_json::json;

use super::line::{Gate, Label};
use super::run::{Run, is_live, place};
use super::settle::Timer;
use super::step::Step;
use super::transition::{IllegalEvent, RunEvent, TaskEvent};
use super::{DagEntry, Engine};
use crate::operator::Place;
use crate::record::{Change, EventRow, RunKey, RunRow, TiRow};
use crate::state::{RunState, TaskState};

impl Engine {
    /// Applies an event to a task instance; `edit` changes the rest of its row (its state is
    /// already the new one).
    pub(super) fn apply(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        event: TaskEvent,
        edit: impl FnOnce(&mut TiRow),
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let held = holds(run, slot);
        self.leave_line(key, slot);
        let Some(run) = self.runs.get_mut(&key) else { return };
        let is_new_run = run.is_new;
        let ti = run.ti_mut(slot);
        let first = ti.remember();
        let told_before = told_state(ti.row());
        let before = match ti.cell.apply(event) {
            Ok(before) => before,
            Err(illegal) => {
                note_fault(step, run, slot, &illegal);
                self.enter_line(step, key, slot);
                return;
            }
        };
        ti.cell.edit(edit);
        if first && !is_new_run {
            step.tis.push(ti.row().id);
        }
        let after = ti.state();
        let told = told_state(run.ti(slot).row());
        if told_before != told || event == TaskEvent::Cleared {
            step.rest.push(Change::Event(ti_event(step, run, slot, told_before)));
        }
        if is_live(before) && !is_live(after) {
            run.live = run.live.saturating_sub(1);
        } else if !is_live(before) && is_live(after) {
            run.live += 1;
        }
        let holds_now = holds(run, slot);
        if held != holds_now {
            self.free_slots(key, slot, held);
            self.take_slots(key, slot, holds_now);
        }
        self.enter_line(step, key, slot);
        match (before.is_terminal(), after.is_terminal()) {
            (false, true) => self.spread(step, key, slot, after),
            (true, _) if before != after => {
                step.recount.insert(key);
                self.wake_successors(step, key, slot);
            }
            _ => {}
        }
        self.tell_watchers(step, key, Some(slot));
        step.check.insert(key);
    }

    /// Tells everybody who waits for a task instance that it has ended, by counting.
    fn spread(&mut self, step: &mut Step, key: RunKey, slot: u32, state: TaskState) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.unfinished = run.unfinished.saturating_sub(1);
        run.waiting_for_past.remove(&slot);
        let unsettled = std::mem::take(&mut run.unsettled);
        step.evaluate.extend(unsettled.into_iter().map(|slot| (key, slot)));
        if let Some(task) = run.instances.task_of(slot) {
            let layout = std::sync::Arc::clone(&run.layout);
            let (node, is_setup) = (layout.node(task), layout.task(task).is_setup);
            let closed = |open: &mut u32| *open = open.saturating_sub(1);
            tell(step, run, slot, &node.downstream, |counts| counts.up.finish(state, is_setup));
            tell(step, run, slot, &node.decides, |counts| closed(&mut counts.deciders_open));
            tell(step, run, slot, &node.setup_for, |counts| counts.setups.finish(state));
            tell(step, run, slot, &node.scope_of, |counts| closed(&mut counts.scope_open));
            if node.is_source {
                self.review_sources(step, key);
            }
        }
        self.wake_successors(step, key, slot);
    }

    /// Applies an event to a run; `edit` changes the rest of its row.
    pub(super) fn apply_run(
        &mut self,
        step: &mut Step,
        key: RunKey,
        event: RunEvent,
        actor: Option<&str>,
        edit: impl FnOnce(&mut RunRow),
    ) {
        self.leave_dag(key);
        let Some(run) = self.runs.get_mut(&key) else { return };
        let before = match run.cell.apply(event) {
            Ok(before) => before,
            Err(illegal) => {
                debug_assert!(false, "{illegal}");
                self.enter_dag(step, key);
                return;
            }
        };
        run.cell.edit(edit);
        if run.cell.state().is_terminal() {
            self.meet_deadlines(key);
        }
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.cell.row();
        let has_ended = !before.is_terminal() && row.state.is_terminal();
        step.rest.push(Change::Event(run_event(step, row, "run_state", Some(before), actor)));
        self.touch_run(step, key, before);
        self.enter_dag(step, key);
        if has_ended {
            self.leave_lane(step, key);
        }
        self.tell_watchers(step, key, None);
        self.review_held();
        step.check.insert(key);
    }

    /// Notes that a run's row is to be written; `before` is the state that the database has.
    pub(super) fn touch_run(&mut self, step: &mut Step, key: RunKey, before: RunState) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        if run.before.is_none() {
            run.before = Some(before);
            if !run.is_new {
                step.runs.push(key);
            }
        }
    }

    /// Takes a run out of its DAG's sets.
    pub(super) fn leave_dag(&mut self, key: RunKey) {
        self.forget_deadline(key);
        let Some(run) = self.runs.get_mut(&key) else { return };
        let row = run.cell.row();
        if let Some(entry) = self.dags.get_mut(&row.dag_id) {
            entry.running.remove(&key);
            entry.queued.remove(&(row.run_after, key));
            entry.lane_running.remove(&key);
            entry.lane_queued.remove(&key);
        }
        self.timers.remove(&(row.run_after, Timer::Start(key)));
        if let Some(at) = run.times_out_at.take() {
            self.timers.remove(&(at, Timer::TimeOut(key)));
        }
    }

    /// Puts a run into its DAG's sets.
    pub(super) fn enter_dag(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let row = run.cell.row();
        let Some(entry) = self.dags.get_mut(&row.dag_id) else { return };
        match row.state {
            RunState::Queued => {
                if run.in_lane.is_some() {
                    entry.lane_queued.insert(key);
                } else {
                    entry.queued.insert((row.run_after, key));
                }
                if row.run_after > step.now {
                    self.timers.insert((row.run_after, Timer::Start(key)));
                }
            }
            RunState::Running => {
                if run.in_lane.is_some() {
                    entry.lane_running.insert(key);
                } else {
                    entry.running.insert(key);
                }
                let timeout = run.layout.dag.dagrun_timeout_secs.and_then(|secs| {
                    let span = jiff::SignedDuration::try_from_secs_f64(secs).ok()?;
                    row.start_date?.checked_add(span).ok()
                });
                if let Some(at) = timeout {
                    run.times_out_at = Some(at);
                    self.timers.insert((at, Timer::TimeOut(key)));
                }
            }
            RunState::Success | RunState::Failed => {}
        }
        step.plan.insert(row.dag_id.clone());
        if !row.state.is_terminal() {
            self.await_deadline(key);
        }
    }

    /// Notes that a DAG's row is to be written.
    pub(super) fn touch_dag(entry: &mut DagEntry, step: &mut Step) {
        if !std::mem::replace(&mut entry.is_dirty, true) {
            step.dags.push(entry.row.dag_id.clone());
        }
    }

    /// Takes a task instance out of the line, queue or timer of its state.
    pub(super) fn leave_line(&mut self, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let timer = row.retry_at.map(|at| (at, Timer::Retry(row.id)));
        match row.state {
            TaskState::Scheduled => {
                if let Some(timer) = timer {
                    self.timers.remove(&timer);
                }
                self.leave_group(key, slot);
            }
            TaskState::UpForRetry => {
                if let Some(timer) = timer {
                    self.timers.remove(&timer);
                }
            }
            TaskState::Queued => {
                let rank = run.rank(slot);
                let label = Label::of(run.place(slot).unwrap_or(Place::Scheduler), &row.queue);
                if let Some(ranks) = self.lines.queued.get_mut(&label) {
                    ranks.remove(&rank);
                }
            }
            TaskState::UpForReschedule | TaskState::Deferred | TaskState::AwaitingInput => {
                self.leave_wait(key, slot);
            }
            _ => {}
        }
    }

    /// Puts a task instance into the line, queue or timer of its state.
    pub(super) fn enter_line(&mut self, step: &Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        let row = run.ti(slot).row();
        let waits_until = row.retry_at.filter(|at| *at > step.now);
        match row.state {
            TaskState::Scheduled => match waits_until {
                Some(at) => {
                    self.timers.insert((at, Timer::Retry(row.id)));
                }
                None => self.join_group(key, slot),
            },
            TaskState::UpForRetry => {
                let at = row.retry_at.unwrap_or(step.now);
                self.timers.insert((at, Timer::Retry(row.id)));
            }
            TaskState::Queued => {
                let rank = run.rank(slot);
                let label = Label::of(run.place(slot).unwrap_or(Place::Scheduler), &row.queue);
                self.lines.queued.entry(label).or_default().insert(rank);
            }
            TaskState::UpForReschedule | TaskState::Deferred | TaskState::AwaitingInput => {
                self.enter_wait(key, slot);
            }
            _ => {}
        }
    }

    /// Counts the slots that a task instance holds.
    pub(super) fn take_slots(&mut self, key: RunKey, slot: u32, held: Held) {
        if held != Held::Slots {
            return self.count_deferred(key, slot, held, 1);
        }
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.active += 1;
        let index = run.instances.task_of(slot);
        if let Some(index) = index {
            run.active_of[index as usize] += 1;
        }
        let layout = std::sync::Arc::clone(&run.layout);
        self.review_held();
        let Some(task) = index.map(|index| layout.task(index)) else { return };
        for (name, slots) in &task.pools {
            self.lines.pool(name).occupied += i64::from(*slots);
        }
        let limit = (layout.dag.dag_id.clone(), task.task_id.clone());
        if task.max_active_tis_per_dag.is_some() {
            self.lines.limits.entry(limit).or_default().active += 1;
        }
    }

    /// Frees the slots that a task instance held, and has those who wait for them looked at.
    pub(super) fn free_slots(&mut self, key: RunKey, slot: u32, held: Held) {
        if held != Held::Slots {
            return self.count_deferred(key, slot, held, -1);
        }
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.active = run.active.saturating_sub(1);
        let index = run.instances.task_of(slot);
        if let Some(active) = index.and_then(|index| run.active_of.get_mut(index as usize)) {
            *active = active.saturating_sub(1);
        }
        let layout = std::sync::Arc::clone(&run.layout);
        self.open_gate(key, &Gate::Tasks);
        let Some(task) = index.map(|index| layout.task(index)) else { return };
        if task.max_active_tis_per_dagrun.is_some() {
            self.open_gate(key, &Gate::RunLimit(task.task_id.clone()));
        }
        for (name, slots) in &task.pools {
            self.lines.pool(name).occupied -= i64::from(*slots);
            self.lines.freed.insert(Gate::Pool(name.clone()));
        }
        if task.max_active_tis_per_dag.is_some() {
            let (dag, task) = (layout.dag.dag_id.clone(), task.task_id.clone());
            let limit = self.lines.limits.entry((dag.clone(), task.clone())).or_default();
            limit.active = limit.active.saturating_sub(1);
            self.lines.freed.insert(Gate::Limit(dag, task));
        }
    }
}

impl Engine {
    /// What waits without a slot counts in its pools, for those that include it.
    fn count_deferred(&mut self, key: RunKey, slot: u32, held: Held, by: i64) {
        if held == Held::Nothing {
            return;
        }
        self.review_held();
        let Some(run) = self.runs.get(&key) else { return };
        let Some(task) = run.task(slot) else { return };
        for (name, slots) in task.pools.clone() {
            self.lines.pool(&name).deferred += i64::from(slots) * by;
            if by < 0 {
                self.lines.freed.insert(Gate::Pool(name));
            }
        }
    }
}

/// Counts the end of an instance wherever it counts, and has who waits there looked at.
fn tell(
    step: &mut Step,
    run: &mut Run,
    slot: u32,
    tasks: &[u32],
    count: impl Fn(&mut super::run::Counts),
) {
    let Some(own) = run.instances.task_of(slot) else { return };
    let key = run.key();
    for &task in tasks {
        if run.layout.shares_item(own, task) {
            let related = run.related(slot, task).to_vec();
            for slot in related {
                count(&mut run.ti_mut(slot).own);
                step.evaluate.push_back((key, slot));
            }
        } else {
            count(&mut run.shared[task as usize]);
            step.evaluate.extend(run.undecided(task).map(|slot| (key, slot)));
        }
    }
}

/// What a task instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    /// Slots of pools and limits: an instance of a worker.
    Slots,
    /// What counts in pools with `include_deferred`: an instance that waits without a slot, or is
    /// about to.
    Deferred,
}

/// What a task instance holds.
pub(super) fn holds(run: &Run, slot: u32) -> Held {
    let row = run.ti(slot).row();
    let (Some(task), Some(node)) = (run.task(slot), run.node(slot)) else { return Held::Nothing };
    let is_held = row.state.holds_slots();
    match place(row, task) {
        Place::Worker if is_held => Held::Slots,
        Place::Scheduler
            if run.is_deferred(node.profile) && (is_held || row.state == TaskState::Deferred) =>
        {
            Held::Deferred
        }
        _ => Held::Nothing,
    }
}

/// The state that the event log tells: while a sensor looks again and has found nothing so far, it
/// waits. So a poke without an outcome writes no event, however many there are.
pub fn told_state(row: &TiRow) -> TaskState {
    let looks = matches!(row.state, TaskState::Scheduled | TaskState::Queued | TaskState::Running)
        && row.wait.as_ref().is_some_and(|wait| wait.pokes > 0);
    if looks { TaskState::UpForReschedule } else { row.state }
}

fn ti_event(step: &Step, run: &Run, slot: u32, before: TaskState) -> EventRow {
    let row = run.ti(slot).row();
    EventRow {
        at: step.now,
        dag_id: Some(run.cell.row().dag_id.clone()),
        run: Some(run.key()),
        ti: Some(row.id),
        kind: "ti_state".to_owned(),
        from: Some(before.as_str().to_owned()),
        to: Some(told_state(row).as_str().to_owned()),
        try_number: Some(row.try_number),
        epoch: Some(row.epoch),
        actor: step.actor.clone(),
        detail: row.reason.as_ref().map(|reason| json!({ "reason": reason })),
    }
}

pub(super) fn run_event(
    step: &Step,
    row: &RunRow,
    kind: &str,
    before: Option<RunState>,
    actor: Option<&str>,
) -> EventRow {
    EventRow {
        at: step.now,
        dag_id: Some(row.dag_id.clone()),
        run: Some(row.id),
        ti: None,
        kind: kind.to_owned(),
        from: before.map(|state| state.as_str().to_owned()),
        to: Some(row.state.as_str().to_owned()),
        try_number: None,
        epoch: None,
        actor: actor.map(str::to_owned).or_else(|| step.actor.clone()),
        detail: row.reason.as_ref().map(|reason| json!({ "reason": reason })),
    }
}

/// An event that the table forbids is a fault of the engine: it changes nothing and is remembered.
fn note_fault(step: &mut Step, run: &Run, slot: u32, illegal: &IllegalEvent) {
    debug_assert!(false, "{illegal} ({} of run {})", run.ti(slot).row().task_id, run.key());
    let mut event = ti_event(step, run, slot, run.ti(slot).state());
    "fault".clone_into(&mut event.kind);
    event.detail = Some(json!({ "fault": illegal.to_string() }));
    step.rest.push(Change::Event(event));
}
