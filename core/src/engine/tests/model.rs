//! A slow and obvious model of how a dag run ends, written from the semantics alone.
//!
//! It knows what each try will do, looks at the rows of a run once, and says how every task will
//! end: from the first task to the last, each time from scratch. It has no counters, no bounds and
//! no memory, and shares nothing with the engine but the rows and the words for states.
//!
//! Times are those of the ideal schedule (decision 3): a try and a verdict take one unit each.

use crate::dag::Dag;
use crate::record::{SkipMemory, TiRow};
use crate::state::{RunState, TaskState, TriggerRule};
use crate::trigger_rule::Verdict;

/// What a try of a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Fails,
    Skips,
    /// It succeeds; a branch chooses these tasks, a short circuit goes on or not.
    Succeeds {
        chosen: Vec<String>,
        goes_on: bool,
    },
}

/// What is asked about.
pub(super) struct Question<'a> {
    pub(super) dag: &'a Dag,
    /// The run's state and its task instances, in the order of the DAG's tasks.
    pub(super) run_state: RunState,
    pub(super) rows: Vec<TiRow>,
    /// How the tasks of the previous run will have ended, if there is one.
    pub(super) past: Option<Vec<Option<TaskState>>>,
    /// What a try of a task does.
    pub(super) deed: &'a dyn Fn(usize, u32) -> Deed,
}

/// How a task ends, and when.
#[derive(Debug, Clone, PartialEq)]
struct End {
    /// None if it waits for ever.
    state: Option<TaskState>,
    at: u32,
    /// Tasks that its decision is against.
    against: Vec<usize>,
    /// Whether it has ended already.
    is_past: bool,
}

const NEVER: u32 = u32::MAX;

/// How every task ends (none: it waits for ever), and the run.
pub(super) fn predict(question: &Question<'_>) -> (Vec<Option<TaskState>>, RunState) {
    let count = question.dag.tasks.len();
    let mut ends: Vec<Option<End>> = vec![None; count];
    while let Some(next) = (0..count).find(|&task| {
        ends[task].is_none() && question.dag.upstream(task).iter().all(|&up| ends[up].is_some())
    }) {
        ends[next] = Some(question.end(next, &ends));
    }
    let ends: Vec<End> = ends.into_iter().map(|end| end.expect("no cycle")).collect();
    let states: Vec<Option<TaskState>> = ends.iter().map(|end| end.state).collect();
    let run_state = question.run_state_of(&states);
    (states, run_state)
}

impl Question<'_> {
    fn end(&self, task: usize, ends: &[Option<End>]) -> End {
        let row = &self.rows[task];
        let verdict = self.verdict(task, ends);
        let decision = first_decision_against(task, ends);
        let upstream_ends = self.dag.upstream(task).into_iter().map(|up| at(ends, up));
        let last_upstream = upstream_ends.max().unwrap_or(0);
        let by_rule = match verdict {
            Some((Verdict::Skipped | Verdict::UpstreamFailed, at)) => at.saturating_add(1),
            _ => NEVER,
        };
        let start = self.start(task, ends);
        match row.state {
            TaskState::Skipped if decision.is_some() && self.tries_since_clear(task) == 0 => {
                let at = decision.unwrap_or(NEVER).min(by_rule);
                self.as_it_is(task, at)
            }
            // A decision to come skips also what had become upstream_failed.
            TaskState::UpstreamFailed if is_decided_anew(task, ends) => {
                let at = decision.unwrap_or(NEVER).min(by_rule);
                End { state: Some(TaskState::Skipped), at, against: Vec::new(), is_past: false }
            }
            TaskState::Skipped | TaskState::UpstreamFailed if self.tries_since_clear(task) == 0 => {
                let by_hand = last_upstream.saturating_add(1);
                self.as_it_is(task, if by_rule == NEVER { by_hand } else { by_rule })
            }
            state if state.is_terminal() => {
                self.as_it_is(task, start.saturating_add(self.tries_since_clear(task)))
            }
            TaskState::NoStatus | TaskState::Restarting => {
                self.fresh(task, ends, verdict, decision)
            }
            _ => self.tried(task, start),
        }
    }

    /// A task that has ended already.
    fn as_it_is(&self, task: usize, at: u32) -> End {
        let row = &self.rows[task];
        let against = match &row.skip_memory {
            _ if row.state != TaskState::Success => Vec::new(),
            None => Vec::new(),
            Some(SkipMemory::Followed(ids)) => {
                let below = self.dag.downstream(task).into_iter();
                below.filter(|&down| !ids.contains(&self.dag.tasks[down].task_id)).collect()
            }
            Some(SkipMemory::Skipped(ids)) => {
                let all = 0..self.dag.tasks.len();
                all.filter(|&other| ids.contains(&self.dag.tasks[other].task_id)).collect()
            }
        };
        End { state: Some(row.state), at, against, is_past: true }
    }

    /// A task that nothing has happened to yet.
    fn fresh(
        &self,
        task: usize,
        ends: &[Option<End>],
        verdict: Option<(Verdict, u32)>,
        decision: Option<u32>,
    ) -> End {
        let skipped =
            |at| End { state: Some(TaskState::Skipped), at, against: Vec::new(), is_past: false };
        let waits = End { state: None, at: NEVER, against: Vec::new(), is_past: false };
        if self.dag.tasks[task].trigger_rule == TriggerRule::Always {
            return if self.past_holds(task) { waits } else { self.tried(task, 0) };
        }
        match (verdict, decision) {
            (None, _) => waits,
            (Some((Verdict::Skipped, at)), decision) => {
                skipped(decision.unwrap_or(NEVER).min(at.saturating_add(1)))
            }
            // A decision also skips what would be upstream_failed.
            (Some((Verdict::UpstreamFailed, at)), Some(decision)) => {
                skipped(decision.min(at.saturating_add(1)))
            }
            (Some((Verdict::UpstreamFailed, at)), None) => {
                let state = Some(TaskState::UpstreamFailed);
                End { state, at: at.saturating_add(1), against: Vec::new(), is_past: false }
            }
            (Some(_), decision) => {
                let start = self.start(task, ends);
                match decision {
                    Some(at) if at <= start => skipped(at),
                    _ if self.past_holds(task) => waits,
                    _ => self.tried(task, start),
                }
            }
        }
    }

    /// A task that is tried until it is through.
    fn tried(&self, task: usize, start: u32) -> End {
        let row = &self.rows[task];
        let is_under_way =
            matches!(row.state, TaskState::Scheduled | TaskState::Queued | TaskState::Running);
        let mut number = row.try_number + u32::from(!is_under_way);
        let max_tries = row.max_tries;
        let mut deed = (self.deed)(task, number);
        while deed == Deed::Fails && max_tries != 0 && number <= max_tries {
            number += 1;
            deed = (self.deed)(task, number);
        }
        let before = max_tries - self.dag.tasks[task].retries;
        let at = start.saturating_add(number - before);
        match deed {
            Deed::Fails => {
                End { state: Some(TaskState::Failed), at, against: Vec::new(), is_past: false }
            }
            Deed::Skips => {
                End { state: Some(TaskState::Skipped), at, against: Vec::new(), is_past: false }
            }
            Deed::Succeeds { chosen, goes_on } => {
                let against = self.decided(task, &chosen, goes_on);
                End { state: Some(TaskState::Success), at, against, is_past: false }
            }
        }
    }

    /// Whom a decision skips.
    fn decided(&self, task: usize, chosen: &[String], goes_on: bool) -> Vec<usize> {
        let spec = &self.dag.tasks[task];
        let spared = |down: &usize| !self.dag.tasks[*down].is_teardown;
        let direct = self.dag.downstream(task).into_iter();
        let only_direct = spec.config.get("ignore_downstream_trigger_rules")
            == Some(&serde_json::Value::Bool(false));
        match spec.operator.as_str() {
            "branch" => {
                let mut followed: Vec<usize> = Vec::new();
                for id in chosen {
                    let (one, _) = self.dag.task(id).expect("a task");
                    followed.push(one);
                    followed.extend(self.below(one));
                }
                direct.filter(|down| !followed.contains(down)).collect()
            }
            "short_circuit" if !goes_on && !only_direct => {
                self.below(task).into_iter().filter(spared).collect()
            }
            "short_circuit" | "latest_only" if !goes_on => direct.filter(spared).collect(),
            _ => Vec::new(),
        }
    }

    /// When a task starts if it does.
    fn start(&self, task: usize, ends: &[Option<End>]) -> u32 {
        let spec = &self.dag.tasks[task];
        let upstream = self.dag.upstream(task);
        if upstream.is_empty() || spec.trigger_rule == TriggerRule::Always {
            return 0;
        }
        let last = upstream.iter().map(|&up| at(ends, up)).max().unwrap_or(0);
        let first_of = |states: &[TaskState]| {
            let those =
                upstream.iter().filter(|&&up| state(ends, up).is_some_and(|s| states.contains(&s)));
            those.map(|&up| at(ends, up)).min().unwrap_or(NEVER)
        };
        let by_rule = match spec.trigger_rule {
            TriggerRule::OneSuccess => first_of(&[TaskState::Success]),
            TriggerRule::OneFailed => first_of(&[TaskState::Failed, TaskState::UpstreamFailed]),
            TriggerRule::OneDone => first_of(&[TaskState::Success, TaskState::Failed]),
            _ => last,
        };
        let setups = self.setups_of(task).into_iter().map(|setup| at(ends, setup)).max();
        let scope = self.scope_of(task).into_iter().map(|inner| at(ends, inner)).max();
        by_rule.max(setups.unwrap_or(0)).max(scope.unwrap_or(0))
    }

    /// The first verdict of the rule as one upstream after the other ends.
    fn verdict(&self, task: usize, ends: &[Option<End>]) -> Option<(Verdict, u32)> {
        let upstream = self.dag.upstream(task);
        let setups = self.setups_of(task);
        if upstream.is_empty() {
            return Some((Verdict::Run, 0));
        }
        let mut times: Vec<u32> = upstream.iter().chain(&setups).map(|&up| at(ends, up)).collect();
        times.sort_unstable();
        for time in times {
            let seen = |up: &usize| state(ends, *up).filter(|_| at(ends, *up) <= time);
            let states: Vec<Option<TaskState>> = upstream.iter().map(seen).collect();
            let setup_states: Vec<Option<TaskState>> = setups.iter().map(seen).collect();
            let is_setup: Vec<bool> =
                upstream.iter().map(|&up| self.dag.tasks[up].is_setup).collect();
            let rule = self.dag.tasks[task].trigger_rule;
            if let Some(verdict) =
                by_setups(&setup_states).or_else(|| by_rule(rule, &states, &is_setup))
            {
                let waits = verdict == Verdict::Run && setup_states.contains(&None);
                if !waits {
                    return Some((verdict, time));
                }
            }
        }
        None
    }

    /// Setups further up whose scope a task is in: their teardown is below it, or they have none.
    fn setups_of(&self, task: usize) -> Vec<usize> {
        if self.dag.tasks[task].is_teardown {
            return Vec::new();
        }
        let direct = self.dag.upstream(task);
        let below = self.below(task);
        let mut setups = self.above(task);
        setups.retain(|setup| {
            let teardowns: Vec<usize> = self
                .dag
                .downstream(*setup)
                .into_iter()
                .filter(|&down| self.dag.tasks[down].is_teardown)
                .collect();
            self.dag.tasks[*setup].is_setup
                && !direct.contains(setup)
                && (teardowns.is_empty() || teardowns.iter().any(|one| below.contains(one)))
        });
        setups
    }

    /// What lies between a teardown's setups and the teardown.
    fn scope_of(&self, task: usize) -> Vec<usize> {
        if !self.dag.tasks[task].is_teardown {
            return Vec::new();
        }
        let setups = self.dag.upstream(task).into_iter().filter(|&up| self.dag.tasks[up].is_setup);
        let under: Vec<usize> = setups.flat_map(|setup| self.below(setup)).collect();
        self.above(task).into_iter().filter(|one| under.contains(one)).collect()
    }

    fn below(&self, task: usize) -> Vec<usize> {
        let mut found = self.dag.downstream(task);
        let mut next = 0;
        while next < found.len() {
            found.extend(self.dag.downstream(found[next]));
            next += 1;
        }
        found
    }

    fn above(&self, task: usize) -> Vec<usize> {
        (0..self.dag.tasks.len()).filter(|&other| self.below(other).contains(&task)).collect()
    }

    fn tries_since_clear(&self, task: usize) -> u32 {
        let row = &self.rows[task];
        let before = row.max_tries.saturating_sub(self.dag.tasks[task].retries);
        row.try_number.saturating_sub(before)
    }

    /// Whether the previous run holds a task back for ever.
    fn past_holds(&self, task: usize) -> bool {
        let spec = &self.dag.tasks[task];
        let Some(past) =
            self.past.as_ref().filter(|_| spec.depends_on_past || spec.wait_for_downstream)
        else {
            return false;
        };
        let is_well = |state: Option<TaskState>| {
            matches!(state, Some(TaskState::Success | TaskState::Skipped))
        };
        let below = self.dag.downstream(task);
        !is_well(past[task])
            || (spec.wait_for_downstream && below.iter().any(|&down| !is_well(past[down])))
    }

    fn run_state_of(&self, states: &[Option<TaskState>]) -> RunState {
        if self.run_state.is_terminal() {
            return self.run_state;
        }
        if states.contains(&None) {
            return RunState::Running;
        }
        let is_teardown = |task: usize| self.dag.tasks[task].is_teardown;
        let all = 0..states.len();
        // A teardown counts besides the others when it says so.
        let is_leaf = |task: &usize| {
            if is_teardown(*task) {
                return self.dag.tasks[*task].on_failure_fail_dagrun;
            }
            self.dag.downstream(*task).into_iter().all(is_teardown)
        };
        let mut leaves: Vec<usize> = all.clone().filter(is_leaf).collect();
        if leaves.is_empty() {
            leaves = all.filter(|&task| self.dag.downstream(task).is_empty()).collect();
        }
        let is_bad = |task: &usize| {
            matches!(states[*task], Some(TaskState::Failed | TaskState::UpstreamFailed))
        };
        if leaves.iter().any(is_bad) { RunState::Failed } else { RunState::Success }
    }
}

/// When the first decision against a task was made.
fn first_decision_against(task: usize, ends: &[Option<End>]) -> Option<u32> {
    let decisions = ends.iter().flatten().filter(|end| end.against.contains(&task));
    decisions.map(|end| end.at).min()
}

fn is_decided_anew(task: usize, ends: &[Option<End>]) -> bool {
    ends.iter().flatten().any(|end| !end.is_past && end.against.contains(&task))
}

fn at(ends: &[Option<End>], task: usize) -> u32 {
    ends[task].as_ref().map_or(NEVER, |end| end.at)
}

fn state(ends: &[Option<End>], task: usize) -> Option<TaskState> {
    ends[task].as_ref().and_then(|end| end.state)
}

/// What setups further up say before the rule is looked at.
fn by_setups(states: &[Option<TaskState>]) -> Option<Verdict> {
    let any = |wanted: TaskState| states.contains(&Some(wanted));
    if any(TaskState::Failed) || any(TaskState::UpstreamFailed) {
        Some(Verdict::UpstreamFailed)
    } else if any(TaskState::Skipped) {
        Some(Verdict::Skipped)
    } else {
        None
    }
}

/// The table of the trigger rules; nothing while the rule waits.
fn by_rule(rule: TriggerRule, states: &[Option<TaskState>], is_setup: &[bool]) -> Option<Verdict> {
    use Verdict::{Run, Skipped, UpstreamFailed};
    let count = |wanted: TaskState| states.iter().filter(|one| **one == Some(wanted)).count();
    let success = count(TaskState::Success);
    let skipped = count(TaskState::Skipped);
    let bad = count(TaskState::Failed) + count(TaskState::UpstreamFailed);
    let all = states.len();
    let done = success + skipped + bad == all;
    let setups: Vec<Option<TaskState>> =
        states.iter().zip(is_setup).filter(|(_, setup)| **setup).map(|(state, _)| *state).collect();
    let setup_is = |wanted: TaskState| setups.iter().filter(|one| **one == Some(wanted)).count();
    // Each: when it ends without running (the first that holds), and when it runs.
    let (ends, runs): (Vec<(bool, Verdict)>, bool) = match rule {
        TriggerRule::AllSuccess => {
            (vec![(bad > 0, UpstreamFailed), (skipped > 0, Skipped)], success == all)
        }
        TriggerRule::AllFailed => (vec![(success + skipped > 0, Skipped)], bad == all),
        TriggerRule::AllDone => (vec![], done),
        TriggerRule::AllDoneMinOneSuccess => (
            vec![(skipped > 0, Skipped), (done && success == 0, UpstreamFailed)],
            done && success > 0,
        ),
        TriggerRule::AllDoneSetupSuccess => (
            vec![
                (
                    done && !setups.is_empty() && setup_is(TaskState::Skipped) == setups.len(),
                    Skipped,
                ),
                (done && !setups.is_empty() && setup_is(TaskState::Success) == 0, UpstreamFailed),
            ],
            done,
        ),
        TriggerRule::OneSuccess => (
            vec![(done && skipped == all, Skipped), (done && success == 0, UpstreamFailed)],
            success > 0,
        ),
        TriggerRule::OneFailed => (vec![(done && bad == 0, Skipped)], bad > 0),
        TriggerRule::OneDone => {
            let ended = success + count(TaskState::Failed);
            (vec![(done && ended == 0, Skipped)], ended > 0)
        }
        TriggerRule::NoneFailed => (vec![(bad > 0, UpstreamFailed)], done),
        TriggerRule::NoneFailedMinOneSuccess => (
            vec![
                (bad > 0, UpstreamFailed),
                (skipped == all, Skipped),
                (done && success == 0, UpstreamFailed),
            ],
            done && success > 0,
        ),
        TriggerRule::NoneSkipped => (vec![(skipped > 0, Skipped)], done),
        TriggerRule::AllSkipped => (vec![(success + bad > 0, Skipped)], skipped == all),
        TriggerRule::Always => (vec![], true),
    };
    let end = ends.into_iter().find(|(holds, _)| *holds).map(|(_, verdict)| verdict);
    end.or_else(|| runs.then_some(Run))
}
