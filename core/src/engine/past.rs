//! `depends_on_past` and `wait_for_downstream`: what the previous run says about a task.
//!
//! The previous run is the one before by logical date. The engine knows it when it is in memory;
//! otherwise it asks the shell ([`super::Effects::past_wanted`]) and what looks back waits.

use std::collections::BTreeMap;

use super::Engine;
use super::evaluate::Outlook;
use super::event::PastWanted;
pub(super) use super::run::Past;
use super::run::Run;
use super::step::Step;
use crate::ids::{DagId, TaskId};
use crate::record::RunKey;
use crate::state::{RunState, TaskState};

/// Why the past holds a task back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PastGate {
    /// The previous run is being looked up.
    Unknown,
    /// This task of the previous run is in this state.
    State(TaskId, TaskState),
}

impl Engine {
    /// What in the previous run holds back what is to become of a task instance: its start and,
    /// with `wait_for_past_depends_before_skipping`, its skip.
    pub(super) fn held_by_past(&self, run: &Run, slot: u32, outlook: &Outlook) -> Option<PastGate> {
        let waits = match outlook {
            Outlook::Runs => true,
            Outlook::Skipped(_) => {
                run.task(slot).is_some_and(|task| task.wait_for_past_depends_before_skipping)
            }
            _ => false,
        };
        if waits { self.past_gate(run, slot) } else { None }
    }

    /// What in the previous run holds the task of a slot back, if anything.
    fn past_gate(&self, run: &Run, slot: u32) -> Option<PastGate> {
        let task = run.task(slot)?;
        // Airflow: the first run of a backfill looks at nothing.
        let is_first = run.in_lane.is_some_and(|in_lane| in_lane.ordinal == 1);
        if is_first || !(task.depends_on_past || task.wait_for_downstream) {
            return None;
        }
        if run.past == Past::Unknown {
            return Some(PastGate::Unknown);
        }
        let index = run.ti(slot).row().map_index;
        if let Some(gate) = not_well(&task.task_id, self.states_there(run, &task.task_id), |of| {
            of == index || of < 0
        }) {
            return Some(gate);
        }
        let below = run.node(slot).map(|node| node.downstream.as_slice()).unwrap_or_default();
        let mut below = below.iter().filter(|_| task.wait_for_downstream);
        below.find_map(|&down| {
            let task_id = &run.layout.task(down).task_id;
            let same_item =
                run.instances.task_of(slot).is_some_and(|own| run.layout.shares_item(own, down));
            not_well(task_id, self.states_there(run, task_id), |of| {
                !same_item || of == index || of < 0
            })
        })
    }

    /// The states of a task's instances in the previous run, by item.
    fn states_there(&self, run: &Run, task_id: &TaskId) -> Vec<(i32, TaskState)> {
        match &run.past {
            Past::Ended { states, .. } => {
                let (first, last) = ((task_id.clone(), i32::MIN), (task_id.clone(), i32::MAX));
                states.range(first..=last).map(|((_, index), state)| (*index, *state)).collect()
            }
            Past::Live(key) => {
                let Some(previous) = self.runs.get(key) else { return Vec::new() };
                let Some(task) = previous.layout.find(task_id.as_str()) else { return Vec::new() };
                let rows = previous.instances.of(task).iter().map(|&slot| previous.ti(slot).row());
                rows.map(|row| (row.map_index, row.state)).collect()
            }
            Past::Unknown | Past::None => Vec::new(),
        }
    }

    /// Has the previous run looked up.
    pub(super) fn ask_past(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        if !run.layout.looks_back {
            run.past = Past::None;
            return;
        }
        run.past = Past::Unknown;
        step.past_wanted.push(PastWanted {
            run: key,
            dag_id: run.cell.row().dag_id.clone(),
            before: run.date(),
            // In a backfill each run comes after the one before it, whatever made that.
            scheduled_only: run.layout.dag.catchup && run.in_lane.is_none(),
        });
    }

    /// Has later runs of a DAG look up their past again, since a run came or went before them.
    pub(super) fn ask_past_after(&mut self, step: &mut Step, key: RunKey) {
        let Some(run) = self.runs.get(&key) else { return };
        let date = run.date();
        let later: Vec<RunKey> = self
            .siblings(&run.cell.row().dag_id)
            .filter(|&other| other != key)
            .filter(|other| {
                self.runs.get(other).is_some_and(|run| run.past != Past::None && run.date() > date)
            })
            .collect();
        for other in later {
            self.ask_past(step, other);
        }
    }

    /// The unfinished runs of a DAG.
    pub(super) fn siblings(&self, dag_id: &DagId) -> impl Iterator<Item = RunKey> + '_ {
        self.dags.get(dag_id).into_iter().flat_map(|entry| {
            let queued = entry.queued.iter().map(|(_, run)| *run);
            entry.all_running().chain(queued).chain(entry.lane_queued.iter().copied())
        })
    }

    /// Takes the answer about a previous run.
    pub(super) fn load_past(
        &mut self,
        step: &mut Step,
        key: RunKey,
        previous: Option<RunKey>,
        states: BTreeMap<(TaskId, i32), TaskState>,
    ) {
        let is_live = previous.is_some_and(|previous| self.runs.contains_key(&previous));
        let Some(run) = self.runs.get_mut(&key) else { return };
        run.past = match previous {
            Some(previous) if is_live => Past::Live(previous),
            _ => Past::Ended { previous, states },
        };
        let waiting = std::mem::take(&mut run.waiting_for_past);
        step.evaluate.extend(waiting.into_iter().map(|slot| (key, slot)));
        step.check.insert(key);
    }

    /// A task instance ended or was cleared: the next run's may look back at it.
    pub(super) fn wake_successors(&self, step: &mut Step, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get(&key) else { return };
        if !run.layout.looks_back {
            return;
        }
        let Some(entry) = self.dags.get(&run.cell.row().dag_id) else { return };
        let task_id = &run.ti(slot).row().task_id;
        for other in entry.all_running() {
            let Some(successor) = self.runs.get(&other) else { continue };
            if successor.past != Past::Live(key) || successor.cell.state() != RunState::Running {
                continue;
            }
            let Some(here) = successor.layout.find(task_id.as_str()) else { continue };
            let above = &successor.layout.node(here).upstream;
            let tasks = std::iter::once(here).chain(above.iter().copied());
            let slots = tasks.flat_map(|task| successor.instances.of(task));
            step.evaluate.extend(slots.map(|&slot| (other, slot)));
        }
    }

    /// A run that had ended is in memory again: who looked back at its rows looks at it.
    pub(super) fn relink_past(&mut self, key: RunKey) {
        for run in self.runs.values_mut() {
            let was = matches!(&run.past, Past::Ended { previous, .. } if *previous == Some(key));
            if was {
                run.past = Past::Live(key);
            }
        }
    }
}

/// The first of some instances of a task that was neither successful nor skipped. What vanished
/// holds nobody back.
fn not_well(
    task_id: &TaskId,
    states: Vec<(i32, TaskState)>,
    counts: impl Fn(i32) -> bool,
) -> Option<PastGate> {
    let bad = states.into_iter().find(|(index, state)| {
        let is_well = matches!(state, TaskState::Success | TaskState::Skipped | TaskState::Removed);
        counts(*index) && !is_well
    });
    bad.map(|(_, state)| PastGate::State(task_id.clone(), state))
}
