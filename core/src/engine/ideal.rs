//! The ideal schedule: when things would happen if every try and every verdict of a trigger rule
//! took one unit of time and nothing waited for a slot.
//!
//! Some DAGs end differently in Airflow depending on which task happens to end first. Here they
//! end as they do in the ideal schedule, whatever really ends first: where the order matters, the
//! engine compares ideal times. They follow from the states of the run alone, so that a restart
//! computes the same. While a task is unfinished only bounds of its time are known; where the
//! bounds do not suffice, the engine waits (`docs/decisions/0003-one-outcome.md`).

use super::run::Run;
use crate::record::SkipMemory;
use crate::state::{TaskState, TriggerRule};
use crate::trigger_rule::{Setups, Situation, Upstream, Verdict, evaluate};

/// Bounds of an ideal time, in units since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) earliest: u32,
    /// [`NEVER`] while it is not known.
    pub(super) latest: u32,
}

const NEVER: u32 = u32::MAX;

impl Span {
    const ZERO: Self = Self { earliest: 0, latest: 0 };
    const NEVER: Self = Self { earliest: NEVER, latest: NEVER };

    const fn from(earliest: u32) -> Self {
        Self { earliest, latest: NEVER }
    }

    fn exact(self) -> Option<u32> {
        (self.earliest == self.latest).then_some(self.earliest)
    }

    fn later_of(self, other: Self) -> Self {
        Self { earliest: self.earliest.max(other.earliest), latest: self.latest.max(other.latest) }
    }

    fn earlier_of(self, other: Self) -> Self {
        Self { earliest: self.earliest.min(other.earliest), latest: self.latest.min(other.latest) }
    }

    fn plus(self, units: u32) -> Self {
        Self {
            earliest: self.earliest.saturating_add(units),
            latest: self.latest.saturating_add(units),
        }
    }
}

/// The ideal times of one run as far as they are known.
pub(super) struct Ideal<'a> {
    run: &'a Run,
    /// When each task instance ends, by slot.
    ends: Vec<Span>,
    /// When the last of a task's instances ends, by task.
    lasts: Vec<Span>,
    /// The earliest that one of them can end, by task.
    earliest: Vec<u32>,
}

/// What instances of one task have in common where all look at the same others.
struct Common {
    start: Span,
    decided: Option<Span>,
    /// Computed for the first that needs it.
    by_rule: Option<Span>,
}

impl<'a> Ideal<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let tasks = run.layout.nodes.len();
        let mut ideal = Self {
            run,
            ends: vec![Span::from(0); run.tis.len()],
            lasts: vec![Span::ZERO; tasks],
            earliest: vec![0; tasks],
        };
        for &task in &run.layout.order {
            ideal.end_task(task);
        }
        ideal
    }

    /// When the instances of a task end; those of its upstreams are known.
    fn end_task(&mut self, task: u32) {
        let run = self.run;
        let is_common = run.stands_for_all(task);
        let mut shared = None;
        let (mut last, mut earliest) = (Span::ZERO, NEVER);
        for &slot in run.instances.of(task) {
            let mut own = None;
            let common = if is_common { &mut shared } else { &mut own };
            let common = common.get_or_insert_with(|| Common {
                start: self.start(slot),
                decided: self.decided_against(slot),
                by_rule: None,
            });
            let end = self.end_of(slot, common);
            last = last.later_of(end);
            earliest = earliest.min(end.earliest);
            self.ends[slot as usize] = end;
        }
        self.lasts[task as usize] = last;
        self.earliest[task as usize] = earliest;
    }

    /// When the instance of a slot ends.
    pub(super) fn end(&self, slot: u32) -> Span {
        self.ends[slot as usize]
    }

    /// The earliest that a decision task can have decided; it may also never decide.
    pub(super) fn earliest_decision(&self, slot: u32) -> u32 {
        match self.run.ti(slot).state() {
            TaskState::NoStatus => self.start(slot).earliest.saturating_add(1),
            _ => self.end(slot).earliest,
        }
    }

    /// When the rule of a slot holds and what it is expanded over is there; bounds while upstreams
    /// are unfinished.
    pub(super) fn start(&self, slot: u32) -> Span {
        let sources = self.run.instances.task_of(slot).map(|task| self.run.layout.sources_of(task));
        self.by_upstream(slot).later_of(self.last(slot, &sources.unwrap_or_default()))
    }

    fn by_upstream(&self, slot: u32) -> Span {
        let (Some(task), Some(node)) = (self.run.task(slot), self.run.node(slot)) else {
            return Span::ZERO;
        };
        if node.upstream.is_empty() || task.trigger_rule == TriggerRule::Always {
            return Span::ZERO;
        }
        let mut start = match trigger(task.trigger_rule) {
            Some(triggers) => self.first(slot, &node.upstream, triggers),
            None => self.last(slot, &node.upstream),
        };
        start = start.later_of(self.last(slot, &node.setups));
        if task.is_teardown {
            start = start.later_of(self.last(slot, &node.scope));
        }
        start
    }

    /// Whether a slot looks at all instances of a task, not at that of its own item.
    fn looks_at_all(&self, slot: u32, task: u32) -> bool {
        let own = self.run.instances.task_of(slot);
        own.is_none_or(|own| !self.run.layout.shares_item(own, task))
    }

    fn last(&self, slot: u32, tasks: &[u32]) -> Span {
        tasks.iter().fold(Span::ZERO, |last, &task| {
            if self.looks_at_all(slot, task) {
                return last.later_of(self.lasts[task as usize]);
            }
            let related = self.run.related(slot, task).iter();
            related.fold(last, |last, &slot| last.later_of(self.end(slot)))
        })
    }

    /// The earliest that something in these tasks can end.
    fn soonest(&self, slot: u32, tasks: &[u32]) -> Option<u32> {
        let of_task = |&task: &u32| {
            if self.looks_at_all(slot, task) {
                return Some(self.earliest[task as usize]);
            }
            self.run.related(slot, task).iter().map(|&slot| self.end(slot).earliest).min()
        };
        tasks.iter().filter_map(of_task).min()
    }

    /// The first end of those that trigger; the unfinished ones may.
    fn first(&self, slot: u32, tasks: &[u32], triggers: fn(TaskState) -> bool) -> Span {
        self.run.related_to(slot, tasks).fold(Span::NEVER, |first, slot| {
            let (state, end) = (self.run.ti(slot).state(), self.end(slot));
            if triggers(state) {
                first.earlier_of(end)
            } else if state.is_terminal() {
                first
            } else {
                first.earlier_of(Span::from(end.earliest))
            }
        })
    }

    fn end_of(&self, slot: u32, common: &mut Common) -> Span {
        let (Some(task), Some(node)) = (self.run.task(slot), self.run.node(slot)) else {
            return Span::ZERO;
        };
        let row = self.run.ti(slot).row();
        // What is before a clear does not count.
        let before = row.max_tries.saturating_sub(task.retries);
        let tries = row.try_number.saturating_sub(before);
        match row.state {
            TaskState::NoStatus => {
                let by_rule =
                    [self.soonest(slot, &node.upstream), self.soonest(slot, &node.setups)];
                let by_rule = by_rule.into_iter().flatten().min().unwrap_or(0);
                let deciders = self.run.related_to(slot, &node.deciders);
                let decided = deciders.map(|by| self.earliest_decision(by)).min();
                Span::from(by_rule.saturating_add(1).min(decided.unwrap_or(NEVER)))
            }
            TaskState::Skipped | TaskState::UpstreamFailed | TaskState::Removed if tries == 0 => {
                // A decision still to come may have been the first.
                let to_come = self.next_decision(slot);
                let by_rule = *common.by_rule.get_or_insert_with(|| self.by_rule(slot));
                match (common.decided, by_rule) {
                    (Some(decided), _) => decided.earlier_of(by_rule).earlier_of(to_come),
                    // Set by hand.
                    (None, Span::NEVER) => {
                        let by_hand = self.last(slot, &node.upstream).plus(1);
                        if to_come == Span::NEVER {
                            by_hand
                        } else {
                            Span::from(by_hand.earliest.min(to_come.earliest))
                        }
                    }
                    (None, by_rule) => by_rule.earlier_of(to_come),
                }
            }
            // Without a try, it was marked or could not be expanded: that takes a unit as well.
            state if state.is_terminal() => common.start.plus(tries.max(1)),
            _ => Span::from(common.start.earliest.saturating_add(tries.max(1))),
        }
    }

    /// The earliest time at which a decision task that has not ended could decide against it.
    fn next_decision(&self, slot: u32) -> Span {
        let Some(node) = self.run.node(slot) else { return Span::NEVER };
        let deciders = self.run.related_to(slot, &node.deciders);
        let open = deciders.filter(|&by| !self.run.ti(by).state().is_terminal());
        open.map(|by| Span::from(self.earliest_decision(by)))
            .reduce(Span::earlier_of)
            .unwrap_or(Span::NEVER)
    }

    /// When a rule that skips or fails a task instance has done so: that takes one unit too.
    fn by_rule(&self, slot: u32) -> Span {
        if let Some((verdict, at)) = self.replayed(slot) {
            return if verdict == Verdict::Run { Span::NEVER } else { at.plus(1) };
        }
        let Some(node) = self.run.node(slot) else { return Span::NEVER };
        let related = self.run.related_to(slot, &node.upstream);
        let mut ends =
            related.chain(self.run.related_to(slot, &node.setups)).map(|up| self.end(up));
        if ends.clone().all(|end| end.exact().is_some()) {
            return Span::NEVER;
        }
        Span::from(ends.next().map_or(0, |first| {
            ends.fold(first.earliest, |sooner, end| sooner.min(end.earliest)).saturating_add(1)
        }))
    }

    /// When the first decision against a task instance was made.
    fn decided_against(&self, slot: u32) -> Option<Span> {
        let node = self.run.node(slot)?;
        let deciders = self.run.related_to(slot, &node.deciders);
        let against = deciders.filter(|&by| is_against(self.run, by, slot));
        against.map(|by| self.end(by)).reduce(Span::earlier_of)
    }

    /// The first verdict of a rule in the ideal order of what it waits for, with its time. None
    /// while something unfinished could come before it.
    pub(super) fn replayed(&self, slot: u32) -> Option<(Verdict, Span)> {
        let (task, node) = (self.run.task(slot)?, self.run.node(slot)?);
        let is_setup = |slot: u32| self.run.task(slot).is_some_and(|task| task.is_setup);
        let mut ends = Vec::new();
        // The earliest that something unfinished can end: upstreams, and setups further up.
        let mut next: [Option<u32>; 2] = [None; 2];
        let mut upstream = Upstream::default();
        let mut setups = Setups::default();
        let direct = self.run.related_to(slot, &node.upstream).map(|up| (up, false));
        let above = self.run.related_to(slot, &node.setups).map(|up| (up, true));
        for (up, is_above) in direct.chain(above) {
            if is_above {
                setups.total += 1;
            } else {
                upstream.add(TaskState::NoStatus, is_setup(up));
            }
            let state = self.run.ti(up).state();
            if let Some(at) = self.end(up).exact().filter(|_| state.is_terminal()) {
                ends.push((at, is_above, up, state));
            } else {
                let next = &mut next[usize::from(is_above)];
                let earliest = self.end(up).earliest;
                *next = Some(next.map_or(earliest, |sooner| sooner.min(earliest)));
            }
        }
        ends.sort_unstable_by_key(|&(at, is_above, up, _)| (at, is_above, up));
        let mut rest = ends.iter().peekable();
        while let Some(&(at, is_above, up, state)) = rest.next() {
            if is_above {
                setups.finish(state);
            } else {
                upstream.finish(state, is_setup(up));
            }
            if rest.peek().is_some_and(|next| next.0 == at) {
                continue;
            }
            let verdict = evaluate(&Situation {
                rule: task.trigger_rule,
                upstream: &upstream,
                setups: &setups,
                map_index: self.run.ti(slot).row().map_index,
            });
            // An item is gone only when all is known that it could have come from.
            let is_early = verdict == Verdict::Removed && upstream.done() < upstream.total;
            if verdict == Verdict::Wait || is_early {
                continue;
            }
            // Of two at the same time the failure counts, but setups are asked before the rule.
            let [up_counts, setup_counts] = match verdict {
                Verdict::UpstreamFailed if setups.failed > 0 => [at; 2],
                Verdict::UpstreamFailed => [at, at.saturating_add(1)],
                _ => [at.saturating_add(1); 2],
            };
            let is_certain = next[0].is_none_or(|next| next >= up_counts)
                && next[1].is_none_or(|next| next >= setup_counts);
            return is_certain.then_some((verdict, Span { earliest: at, latest: at }));
        }
        None
    }
}

/// Whether a decision task has decided against a task instance.
pub(super) fn is_against(run: &Run, by: u32, slot: u32) -> bool {
    let row = run.ti(by).row();
    let task_id = &run.ti(slot).row().task_id;
    row.state == TaskState::Success
        && match &row.skip_memory {
            Some(SkipMemory::Followed(ids)) => {
                !ids.contains(task_id)
                    && run
                        .node(by)
                        .zip(run.instances.task_of(slot))
                        .is_some_and(|(node, task)| node.downstream.contains(&task))
            }
            Some(SkipMemory::Skipped(ids)) => ids.contains(task_id),
            None => false,
        }
}

/// The upstream states that let a rule hold which does not wait for all; none for the others.
pub(super) fn trigger(rule: TriggerRule) -> Option<fn(TaskState) -> bool> {
    match rule {
        TriggerRule::OneSuccess => Some(|state| state == TaskState::Success),
        TriggerRule::OneFailed => {
            Some(|state| matches!(state, TaskState::Failed | TaskState::UpstreamFailed))
        }
        TriggerRule::OneDone => {
            Some(|state| matches!(state, TaskState::Success | TaskState::Failed))
        }
        _ => None,
    }
}
