//! Admission: which scheduled task instances may be queued, and what each of the others waits for.
//!
//! A task instance passes these gates in order: its run is running and its DAG not paused, its
//! run's `max_active_tasks`, its task's `max_active_tis_per_dagrun` and `max_active_tis_per_dag`,
//! its pools. Instances of one run
//! with the same needs stand in one group; only the first of a group is ever looked at, and the
//! group waits at the first gate that holds it back until something is freed there. An instance
//! that needs more free slots of a pool than there are holds back those behind it, so that it does
//! not starve; one that needs more than the pool has does not.

use super::Engine;
use super::layout::{DECISION_PROFILE, Profile};
use super::line::{Gate, Rank};
use super::run::Run;
use super::step::Step;
use super::transition::TaskEvent;
use crate::record::RunKey;
use crate::state::RunState;

impl Engine {
    /// Looks at the next group in line; false when there is none.
    pub(super) fn admit_next(&mut self, step: &mut Step) -> bool {
        if let Some((rank, run, profile)) = self.lines.agenda.pop_first() {
            self.try_first(step, rank, run, profile);
            return true;
        }
        let Some(gate) = self.lines.freed.pop_first() else { return false };
        if let Some((rank, run, profile)) = self.next_at(&gate) {
            self.unpark(run, profile);
            self.lines.agenda.insert((rank, run, profile));
            // What is left may be enough for the next.
            self.lines.freed.insert(gate);
        }
        true
    }

    /// The first group in a shared line that is to be tried. In the line of a pool that is the
    /// first that may go or waits elsewhere by now; one that waits for nothing but more slots here
    /// holds back everybody behind it.
    fn next_at(&mut self, gate: &Gate) -> Option<(Rank, RunKey, u16)> {
        let Gate::Pool(name) = gate else {
            return self.lines.waiting(gate)?.first().copied();
        };
        let mut is_held = false;
        let next = self.lines.pools.get(name)?.waiting.iter().find(|(_, key, profile)| {
            let Some(run) = self.runs.get(key).filter(|_| !is_held) else { return false };
            if self.gate(run, *profile, None).as_ref() != Some(gate) {
                return true;
            }
            is_held = self.gate(run, *profile, Some(name)).is_none();
            false
        });
        let next = next.copied();
        if is_held && self.lines.pools.get(name).is_some_and(|pool| pool.fits(1)) {
            self.lines.held.insert(name.clone());
        }
        next.filter(|_| !is_held)
    }

    /// Something closed: who holds a line back may now wait for something else.
    pub(super) fn review_held(&mut self) {
        let held = std::mem::take(&mut self.lines.held);
        self.lines.freed.extend(held.into_iter().map(Gate::Pool));
    }

    fn try_first(&mut self, step: &mut Step, rank: Rank, key: RunKey, profile: u16) {
        let Some(run) = self.runs.get(&key) else { return };
        let Some(group) = run.groups.get(&profile) else { return };
        if group.waiting.first() != Some(&rank) || group.parked.is_some() {
            return;
        }
        let gate = self.gate(run, profile, None).or_else(|| self.gate_by_order(key, profile, rank));
        match gate {
            None => self.admit(step, key, rank.slot),
            Some(gate) => self.park(key, profile, rank, gate),
        }
    }

    fn admit(&mut self, step: &mut Step, key: RunKey, slot: u32) {
        let now = step.now;
        self.apply(step, key, slot, TaskEvent::Admitted, |row| {
            row.queued_at = Some(now);
            row.retry_at = None;
        });
        let run = self.runs.get(&key);
        if run.and_then(|run| run.node(slot)).is_some_and(|node| node.is_instant) {
            self.succeed_at_once(step, key, slot);
        }
    }

    /// The first gate that holds a profile of a run back; `except` leaves one pool out.
    pub(super) fn gate(&self, run: &Run, profile: u16, except: Option<&str>) -> Option<Gate> {
        let is_paused = self.dags.get(&run.cell.row().dag_id).is_none_or(|dag| dag.row.is_paused);
        if run.cell.state() != RunState::Running || is_paused {
            return Some(Gate::Closed);
        }
        if profile == DECISION_PROFILE {
            return None;
        }
        let needs = run.layout.profiles.get(profile as usize)?;
        if !needs.is_deferred && run.active >= run.layout.dag.max_active_tasks {
            return Some(Gate::Tasks);
        }
        if let Some(gate) = run_limit_gate(run, needs) {
            return Some(gate);
        }
        if let Some(gate) = self.limit_gate(run, needs) {
            return Some(gate);
        }
        let pools = needs.pools.iter().filter(|(name, _)| Some(name.as_str()) != except);
        pools.filter(|(name, _)| self.counts_in(needs, name)).find_map(|(name, slots)| {
            match self.lines.pools.get(name) {
                Some(pool) if pool.is_narrower_than(*slots) => Some(Gate::TooWide(name.clone())),
                Some(pool) if pool.fits(*slots) => None,
                _ => Some(Gate::Pool(name.clone())),
            }
        })
    }

    /// Whether instances of a profile count in a pool.
    fn counts_in(&self, needs: &Profile, pool: &str) -> bool {
        !needs.is_deferred
            || self.lines.pools.get(pool).is_some_and(super::line::Pool::includes_deferred)
    }

    fn limit_gate(&self, run: &Run, needs: &Profile) -> Option<Gate> {
        let task_id = needs.limited.as_ref()?;
        let slot = run.layout.find(task_id.as_str())?;
        let most = run.layout.task(slot).max_active_tis_per_dag?;
        let key = (run.layout.dag.dag_id.clone(), task_id.clone());
        let active = self.lines.limits.get(&key).map_or(0, |limit| limit.active);
        if active >= most { Some(Gate::Limit(key.0, key.1)) } else { None }
    }

    /// A pool where somebody ahead in line waits for nothing but more free slots.
    fn gate_by_order(&mut self, key: RunKey, profile: u16, rank: Rank) -> Option<Gate> {
        if profile == DECISION_PROFILE {
            return None;
        }
        let needs = self.runs.get(&key)?.layout.profiles.get(profile as usize)?.clone();
        needs.pools.iter().find_map(|(name, _)| {
            if !self.counts_in(&needs, name) {
                return None;
            }
            let ahead = self.lines.pools.get(name)?.waiting.range(..(rank, key, profile));
            let mut displaced = Vec::new();
            let mut is_held = false;
            for &(first, run, profile) in ahead {
                let Some(other) = self.runs.get(&run) else { continue };
                match self.gate(other, profile, Some(name)) {
                    None => is_held = true,
                    // It waits in the wrong line by now.
                    Some(Gate::Closed | Gate::Tasks | Gate::RunLimit(_) | Gate::Limit(..)) => {
                        displaced.push((first, run, profile));
                    }
                    Some(Gate::Pool(_) | Gate::TooWide(_)) => {}
                }
                if is_held {
                    break;
                }
            }
            for (first, run, profile) in displaced {
                self.unpark(run, profile);
                self.lines.agenda.insert((first, run, profile));
            }
            if is_held {
                self.lines.held.insert(name.clone());
            }
            is_held.then(|| Gate::Pool(name.clone()))
        })
    }

    fn park(&mut self, key: RunKey, profile: u16, rank: Rank, gate: Gate) {
        if let Some(waiting) = self.lines.waiting(&gate) {
            waiting.insert((rank, key, profile));
            if matches!(gate, Gate::Limit(..)) {
                // The first in line cannot go: nobody there can.
                self.lines.freed.remove(&gate);
            }
        }
        let group = self.runs.get_mut(&key).and_then(|run| run.groups.get_mut(&profile));
        if let Some(group) = group {
            group.parked = Some((gate, rank));
        }
    }

    pub(super) fn unpark(&mut self, key: RunKey, profile: u16) {
        let group = self.runs.get_mut(&key).and_then(|run| run.groups.get_mut(&profile));
        if let Some((gate, rank)) = group.and_then(|group| group.parked.take())
            && let Some(waiting) = self.lines.waiting(&gate)
        {
            waiting.remove(&(rank, key, profile));
        }
    }

    /// Has the groups of a run that wait at one of its own gates looked at again.
    pub(super) fn open_gate(&mut self, key: RunKey, gate: &Gate) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        for (profile, group) in &mut run.groups {
            if group.parked.as_ref().is_some_and(|(at, _)| at == gate) {
                group.parked = None;
                if let Some(first) = group.waiting.first() {
                    self.lines.agenda.insert((*first, key, *profile));
                }
            }
        }
    }

    /// Puts a scheduled task instance in line.
    pub(super) fn join_group(&mut self, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let (profile, rank) = (run.profile(slot), run.rank(slot));
        let group = run.groups.entry(profile).or_default();
        group.waiting.insert(rank);
        if group.waiting.first() == Some(&rank) {
            self.unpark(key, profile);
            self.lines.agenda.insert((rank, key, profile));
        }
    }

    /// Takes a scheduled task instance out of line.
    pub(super) fn leave_group(&mut self, key: RunKey, slot: u32) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let (profile, rank) = (run.profile(slot), run.rank(slot));
        let Some(group) = run.groups.get_mut(&profile) else { return };
        let was_first = group.waiting.first() == Some(&rank);
        group.waiting.remove(&rank);
        if !was_first {
            return;
        }
        let next = group.waiting.first().copied();
        self.unpark(key, profile);
        self.lines.agenda.remove(&(rank, key, profile));
        match next {
            Some(next) => {
                self.lines.agenda.insert((next, key, profile));
            }
            None => {
                if let Some(run) = self.runs.get_mut(&key) {
                    run.groups.remove(&profile);
                }
            }
        }
    }
}

fn run_limit_gate(run: &Run, needs: &Profile) -> Option<Gate> {
    let task_id = needs.limited_in_run.as_ref()?;
    let task = run.layout.find(task_id.as_str())?;
    let most = run.layout.task(task).max_active_tis_per_dagrun?;
    let active = run.active_of.get(task as usize).copied().unwrap_or(0);
    (active >= most).then(|| Gate::RunLimit(task_id.clone()))
}
