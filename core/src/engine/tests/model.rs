//! A slow and obvious model of how a dag run ends, written from the semantics alone.
//!
//! It knows what each try will do, looks at the rows of a run once, and says how every task
//! instance will end: from the first task to the last, each time from scratch. It has no counters,
//! no bounds and no memory, and shares nothing with the engine but the rows and the words for
//! states.
//!
//! Times are those of the ideal schedule (decision 3): a try and a verdict take one unit each.

use std::collections::BTreeMap;

use super::model_rules::{by_rule, by_setups};
use crate::dag::Dag;
use crate::mapping::{Expand, Source};
use crate::record::{SkipMemory, TiRow};
use crate::state::{RunState, TaskState, TriggerRule};
use crate::trigger_rule::Verdict;

/// What a try of a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Fails,
    Skips,
    /// It succeeds; a branch chooses these tasks, a short circuit goes on or not, another task
    /// gives a list of so many elements or nothing.
    Succeeds {
        chosen: Vec<String>,
        goes_on: bool,
        gives: Option<u64>,
    },
}

/// The states of a run by task and map index; none where something waits for ever.
pub(super) type States = BTreeMap<(usize, i32), Option<TaskState>>;

/// What is asked about.
pub(super) struct Question<'a> {
    pub(super) dag: &'a Dag,
    pub(super) run_state: RunState,
    /// The run's task instances, each with the length of the list that it has given by now.
    pub(super) rows: Vec<(TiRow, Option<u64>)>,
    /// How the previous run will have ended, if there is one.
    pub(super) past: Option<States>,
    /// What a try of a task's instance does.
    pub(super) deed: &'a dyn Fn(usize, i32, u32) -> Deed,
}

/// A task instance as it is now.
#[derive(Debug, Clone)]
struct Item {
    state: TaskState,
    try_number: u32,
    max_tries: u32,
    memory: Option<SkipMemory>,
    gives: Option<u64>,
}

/// How a task instance ends, and when.
#[derive(Debug, Clone, PartialEq)]
struct End {
    /// None if it waits for ever.
    state: Option<TaskState>,
    at: u32,
    /// Tasks that its decision is against.
    against: Vec<usize>,
    /// Whether it has ended already.
    is_past: bool,
    /// Whether the previous run holds it back.
    is_held: bool,
    gives: Option<u64>,
}

/// The instances of each task so far.
type Ends = Vec<Option<BTreeMap<i32, End>>>;

/// Into how many instances mapped tasks and groups were expanded, by name.
type Expanded = BTreeMap<String, u64>;

/// What becomes of an instance.
enum Fate {
    Ends(End),
    /// Its task is expanded first.
    Expands(String, u64),
}

/// How many instances something is to have.
enum Count {
    /// What it is mapped over never ends.
    Unknown,
    Missing,
    Is(u64),
}

const NEVER: u32 = u32::MAX;
const MAP_LENGTH_MAX: u64 = 1024;

/// How everything in a run ends, and the run.
pub(super) fn predict(question: &Question<'_>) -> (States, RunState) {
    let mut expanded = Expanded::new();
    loop {
        let before = expanded.clone();
        let ends = question.ends(&mut expanded);
        if expanded == before {
            return question.conclude(&ends);
        }
        // What was expanded late has instances from the start of the next look.
    }
}

impl Question<'_> {
    fn ends(&self, expanded: &mut Expanded) -> Ends {
        let count = self.dag.tasks.len();
        let mut ends: Ends = vec![None; count];
        let is_next = |ends: &Ends, task: usize| {
            ends[task].is_none() && self.dag.upstream(task).iter().all(|&up| ends[up].is_some())
        };
        while let Some(next) = (0..count).find(|&task| is_next(&ends, task)) {
            ends[next] = Some(self.end_task(next, &ends, expanded));
        }
        ends
    }

    fn end_task(&self, task: usize, ends: &Ends, expanded: &mut Expanded) -> BTreeMap<i32, End> {
        'again: loop {
            let mut found = BTreeMap::new();
            for (index, item) in self.items(task, expanded) {
                match self.fate(task, index, &item, ends, expanded) {
                    Fate::Ends(end) => found.insert(index, end),
                    Fate::Expands(unit, count) => {
                        expanded.insert(unit, count);
                        continue 'again;
                    }
                };
            }
            return found;
        }
    }

    /// What is expanded together with a task, itself among it.
    fn unit(&self, task: usize) -> Option<String> {
        let task = &self.dag.tasks[task];
        let mapping = task.mapping.as_ref()?;
        let group = mapping.group.as_ref().map(|group| format!("group {}", group.id));
        Some(group.unwrap_or_else(|| task.task_id.to_string()))
    }

    /// The instances of a task, as they are and as its expansion makes them.
    fn items(&self, task: usize, expanded: &Expanded) -> BTreeMap<i32, Item> {
        let spec = &self.dag.tasks[task];
        let rows = self.rows.iter().filter(|(row, _)| row.task_id == spec.task_id);
        let mut items: BTreeMap<i32, Item> = rows.map(|(row, gives)| item(row, *gives)).collect();
        let Some(&count) = self.unit(task).and_then(|unit| expanded.get(&unit)) else {
            return items;
        };
        let count = i32::try_from(count).expect("small");
        match items.remove(&-1) {
            // It was decided before the others were expanded.
            Some(first) if first.state != TaskState::NoStatus => {
                items.insert(-1, first);
                return items;
            }
            Some(first) if count == 0 => drop(items.insert(-1, first)),
            Some(mut first) if items.contains_key(&0) => {
                first.state = TaskState::Removed;
                items.insert(-1, first);
            }
            Some(first) => drop(items.insert(0, first)),
            None => {}
        }
        for (&index, item) in items.iter_mut().filter(|(index, _)| **index >= 0) {
            if index >= count {
                item.state = TaskState::Removed;
                item.gives = None;
            } else if item.state == TaskState::Removed {
                item.state = TaskState::NoStatus;
                item.max_tries = item.try_number + spec.retries;
            }
        }
        for index in 0..count {
            items.entry(index).or_insert(Item {
                state: TaskState::NoStatus,
                try_number: 0,
                max_tries: spec.retries,
                memory: None,
                gives: None,
            });
        }
        items
    }

    /// The task over whose output a task is expanded.
    fn source(&self, task: usize) -> Option<usize> {
        let Expand::Product(keys) = &self.dag.tasks[task].mapping.as_ref()?.expand else {
            panic!("only products here");
        };
        match keys.values().next().expect("a key") {
            Source::Literal(_) => None,
            Source::XCom { task_id, .. } => Some(self.dag.task(task_id.as_str())?.0),
        }
    }

    /// How many instances a mapped task or its group is to have.
    fn count(&self, task: usize, ends: &Ends) -> Count {
        let mapping = self.dag.tasks[task].mapping.as_ref().expect("a mapped task");
        let Some(source) = self.source(task) else {
            return Count::Is(mapping.literal_count().expect("literals"));
        };
        let given = ends[source].as_ref().expect("it is above");
        if given.values().any(|end| end.state.is_none()) {
            return Count::Unknown;
        }
        if self.dag.tasks[source].mapping.is_some() {
            // It is mapped itself: the list of what its instances gave.
            let giving = given.values().filter(|end| end.gives.is_some()).count();
            return Count::Is(giving as u64);
        }
        given.values().find_map(|end| end.gives).map_or(Count::Missing, Count::Is)
    }

    fn fate(&self, task: usize, index: i32, item: &Item, ends: &Ends, expanded: &Expanded) -> Fate {
        let place = Place { question: self, task, index, item, ends };
        match item.state {
            TaskState::NoStatus | TaskState::Restarting => place.fresh(expanded),
            _ => Fate::Ends(place.begun()),
        }
    }

    /// The instances of a task that an instance of another looks at: all, or in the same mapped
    /// group the one of the same item.
    fn related<'a>(&self, task: usize, index: i32, other: usize, ends: &'a Ends) -> Vec<&'a End> {
        let all = ends[other].as_ref();
        let shares_item = self.dag.tasks[task].mapping.as_ref().is_some_and(|own| {
            let other = self.dag.tasks[other].mapping.as_ref();
            own.group.is_some() && other.is_some_and(|other| other.group == own.group)
        });
        let Some(all) = all else { return Vec::new() };
        if index < 0 || !shares_item {
            return all.values().collect();
        }
        all.get(&index).or_else(|| all.get(&-1)).into_iter().collect()
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
            let teardowns = self.dag.downstream(*setup).into_iter();
            let teardowns: Vec<usize> =
                teardowns.filter(|&down| self.dag.tasks[down].is_teardown).collect();
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

    fn conclude(&self, ends: &Ends) -> (States, RunState) {
        if self.run_state.is_terminal() {
            let key = |row: &TiRow| {
                let (task, _) = self.dag.task(row.task_id.as_str()).expect("a task");
                (task, row.map_index)
            };
            let state = |row: &TiRow| Some(row.state).filter(|one| *one != TaskState::NoStatus);
            let states = self.rows.iter().map(|(row, _)| (key(row), state(row)));
            return (states.collect(), self.run_state);
        }
        let mut states = States::new();
        for (task, ends) in ends.iter().enumerate() {
            for (&index, end) in ends.iter().flatten() {
                states.insert((task, index), end.state);
            }
        }
        let is_held = ends.iter().flatten().flatten().any(|(_, end)| end.is_held);
        let state = if !states.values().any(Option::is_none) {
            self.run_state_of(&states)
        } else if is_held {
            RunState::Running
        } else {
            // Nothing can go on any more.
            RunState::Failed
        };
        (states, state)
    }

    fn run_state_of(&self, states: &States) -> RunState {
        let is_teardown = |task: usize| self.dag.tasks[task].is_teardown;
        let all = 0..self.dag.tasks.len();
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
        let is_bad = |(key, state): (&(usize, i32), &Option<TaskState>)| {
            leaves.contains(&key.0)
                && matches!(state, Some(TaskState::Failed | TaskState::UpstreamFailed))
        };
        if states.iter().any(is_bad) { RunState::Failed } else { RunState::Success }
    }
}

/// One instance, and what is known before it ends.
struct Place<'a> {
    question: &'a Question<'a>,
    task: usize,
    index: i32,
    item: &'a Item,
    ends: &'a Ends,
}

impl Place<'_> {
    fn related(&self, tasks: &[usize]) -> Vec<&End> {
        let of = |&other: &usize| self.question.related(self.task, self.index, other, self.ends);
        tasks.iter().flat_map(of).collect()
    }

    fn upstream(&self) -> Vec<usize> {
        self.question.dag.upstream(self.task)
    }

    /// Something has happened to it already.
    fn begun(&self) -> End {
        let tries = self.tries_since_clear();
        match self.item.state {
            // A decision to come skips also what had become upstream_failed.
            TaskState::UpstreamFailed if self.is_decided_anew() => self.untried(TaskState::Skipped),
            TaskState::Skipped | TaskState::UpstreamFailed | TaskState::Removed if tries == 0 => {
                self.as_it_is(self.untried_at())
            }
            state if state.is_terminal() => {
                self.as_it_is(self.start().saturating_add(tries.max(1)))
            }
            _ => self.tried(self.start()),
        }
    }

    fn as_it_is(&self, at: u32) -> End {
        let dag = self.question.dag;
        let against = match &self.item.memory {
            _ if self.item.state != TaskState::Success => Vec::new(),
            None => Vec::new(),
            Some(SkipMemory::Followed(ids)) => {
                let below = dag.downstream(self.task).into_iter();
                below.filter(|&down| !ids.contains(&dag.tasks[down].task_id)).collect()
            }
            Some(SkipMemory::Skipped(ids)) => {
                let all = 0..dag.tasks.len();
                all.filter(|&other| ids.contains(&dag.tasks[other].task_id)).collect()
            }
        };
        let state = Some(self.item.state);
        End { state, at, against, is_past: true, ..self.waits() }
    }

    /// It waits for ever.
    fn waits(&self) -> End {
        End {
            state: None,
            at: NEVER,
            against: Vec::new(),
            is_past: false,
            is_held: false,
            // What it once gave stays until it is tried again.
            gives: self.item.gives,
        }
    }

    /// It ends without a try.
    fn untried(&self, state: TaskState) -> End {
        End { state: Some(state), at: self.untried_at(), ..self.waits() }
    }

    /// When it ends without a try: by the first decision against it or by its rule, else (by hand,
    /// or since there is nothing to expand over) after its upstreams.
    fn untried_at(&self) -> u32 {
        let by_rule = match self.verdict() {
            None | Some((Verdict::Run, _)) => NEVER,
            Some((_, at)) => at.saturating_add(1),
        };
        let last = self.related(&self.upstream()).into_iter().map(|end| end.at).max().unwrap_or(0);
        match self.decision() {
            Some(at) => at.min(by_rule),
            None if by_rule == NEVER => last.saturating_add(1),
            None => by_rule,
        }
    }

    /// Nothing has happened to it yet.
    fn fresh(&self, expanded: &Expanded) -> Fate {
        let spec = &self.question.dag.tasks[self.task];
        if spec.trigger_rule == TriggerRule::Always {
            return self.begins(self.start(), expanded);
        }
        let scope = self.related(&self.question.scope_of(self.task));
        if scope.iter().any(|end| end.state.is_none()) {
            return Fate::Ends(self.waits());
        }
        let start = self.start();
        let is_in_time = self.decision().is_some_and(|at| at <= start);
        let is_decided = self.decision().is_some();
        Fate::Ends(match self.verdict() {
            Some((Verdict::Skipped, _)) => self.untried(TaskState::Skipped),
            // A decision also skips what would be upstream_failed.
            Some((Verdict::UpstreamFailed | Verdict::Removed, _)) if is_decided => {
                self.untried(TaskState::Skipped)
            }
            Some((Verdict::UpstreamFailed, _)) => self.untried(TaskState::UpstreamFailed),
            Some((Verdict::Removed, _)) => self.untried(TaskState::Removed),
            _ if is_in_time => self.untried(TaskState::Skipped),
            Some((Verdict::Run, _)) => return self.begins(start, expanded),
            Some((Verdict::Wait, _)) | None => self.waits(),
        })
    }

    /// Its rule holds: it is expanded, held back, or tried.
    fn begins(&self, start: u32, expanded: &Expanded) -> Fate {
        if let Some(unit) = self.question.unit(self.task) {
            let is_decided = self.decision().is_some();
            match self.question.count(self.task, self.ends) {
                Count::Unknown => return Fate::Ends(self.waits()),
                Count::Missing if is_decided => {
                    return Fate::Ends(self.untried(TaskState::Skipped));
                }
                Count::Missing => return Fate::Ends(self.untried(TaskState::UpstreamFailed)),
                Count::Is(0) if self.index < 0 => {
                    return Fate::Ends(self.untried(TaskState::Skipped));
                }
                Count::Is(count) if count > MAP_LENGTH_MAX => {
                    let state = Some(TaskState::Failed);
                    let at = start.saturating_add(1);
                    return Fate::Ends(End { state, at, ..self.waits() });
                }
                Count::Is(count) if expanded.get(&unit) != Some(&count) => {
                    return Fate::Expands(unit, count);
                }
                Count::Is(_) => {}
            }
        }
        if self.past_holds() {
            return Fate::Ends(End { is_held: true, ..self.waits() });
        }
        Fate::Ends(self.tried(start))
    }

    /// It is tried until it is through.
    fn tried(&self, start: u32) -> End {
        let question = self.question;
        let is_under_way = matches!(
            self.item.state,
            TaskState::Scheduled | TaskState::Queued | TaskState::Running
        );
        let mut number = self.item.try_number + u32::from(!is_under_way);
        let max_tries = self.item.max_tries;
        let mut deed = (question.deed)(self.task, self.index, number);
        while deed == Deed::Fails && max_tries != 0 && number <= max_tries {
            number += 1;
            deed = (question.deed)(self.task, self.index, number);
        }
        let before = max_tries - question.dag.tasks[self.task].retries;
        let at = start.saturating_add(number - before);
        let end = End { at, gives: None, ..self.waits() };
        match deed {
            Deed::Fails => End { state: Some(TaskState::Failed), ..end },
            Deed::Skips => End { state: Some(TaskState::Skipped), ..end },
            Deed::Succeeds { chosen, goes_on, gives } => {
                let against = self.decided(&chosen, goes_on);
                End { state: Some(TaskState::Success), against, gives, ..end }
            }
        }
    }

    /// Whom its decision skips.
    fn decided(&self, chosen: &[String], goes_on: bool) -> Vec<usize> {
        let dag = self.question.dag;
        let spec = &dag.tasks[self.task];
        let spared = |down: &usize| !dag.tasks[*down].is_teardown;
        let direct = dag.downstream(self.task).into_iter();
        let only_direct = spec.config.get("ignore_downstream_trigger_rules")
            == Some(&serde_json::Value::Bool(false));
        match spec.operator.as_str() {
            "branch" => {
                let mut followed: Vec<usize> = Vec::new();
                for id in chosen {
                    let (one, _) = dag.task(id).expect("a task");
                    followed.push(one);
                    followed.extend(self.question.below(one));
                }
                direct.filter(|down| !followed.contains(down)).collect()
            }
            "short_circuit" if !goes_on && !only_direct => {
                self.question.below(self.task).into_iter().filter(spared).collect()
            }
            "short_circuit" | "latest_only" if !goes_on => direct.filter(spared).collect(),
            _ => Vec::new(),
        }
    }

    /// When it starts if it does: not before what it is expanded over is there.
    fn start(&self) -> u32 {
        let source = self.question.source(self.task).into_iter().collect::<Vec<usize>>();
        let given = self.related(&source).into_iter().map(|end| end.at).max();
        self.by_upstream().max(given.unwrap_or(0))
    }

    fn by_upstream(&self) -> u32 {
        let rule = self.question.dag.tasks[self.task].trigger_rule;
        let upstream = self.upstream();
        if upstream.is_empty() || rule == TriggerRule::Always {
            return 0;
        }
        let upstream = self.related(&upstream);
        let last = upstream.iter().map(|end| end.at).max().unwrap_or(0);
        let first_of = |states: &[TaskState]| {
            let those =
                upstream.iter().filter(|end| end.state.is_some_and(|one| states.contains(&one)));
            those.map(|end| end.at).min().unwrap_or(NEVER)
        };
        let by_rule = match rule {
            TriggerRule::OneSuccess => first_of(&[TaskState::Success]),
            TriggerRule::OneFailed => first_of(&[TaskState::Failed, TaskState::UpstreamFailed]),
            TriggerRule::OneDone => first_of(&[TaskState::Success, TaskState::Failed]),
            _ => last,
        };
        let latest =
            |tasks: &[usize]| self.related(tasks).into_iter().map(|end| end.at).max().unwrap_or(0);
        let setups = latest(&self.question.setups_of(self.task));
        by_rule.max(setups).max(latest(&self.question.scope_of(self.task)))
    }

    /// The first verdict of the rule as one upstream after the other ends.
    fn verdict(&self) -> Option<(Verdict, u32)> {
        let dag = self.question.dag;
        let of = |&other: &usize| {
            let ends = self.question.related(self.task, self.index, other, self.ends);
            ends.into_iter().map(move |end| (dag.tasks[other].is_setup, end)).collect::<Vec<_>>()
        };
        let upstream: Vec<(bool, &End)> = self.upstream().iter().flat_map(of).collect();
        let setups = self.related(&self.question.setups_of(self.task));
        if upstream.is_empty() {
            return Some((Verdict::Run, 0));
        }
        let all = upstream.iter().map(|(_, end)| *end).chain(setups.iter().copied());
        let mut times: Vec<u32> = all.map(|end| end.at).collect();
        times.sort_unstable();
        for time in times {
            let seen = |end: &End| end.state.filter(|_| end.at <= time);
            let states: Vec<(bool, Option<TaskState>)> =
                upstream.iter().map(|(is_setup, end)| (*is_setup, seen(end))).collect();
            let setup_states: Vec<Option<TaskState>> = setups.iter().map(|end| seen(end)).collect();
            let rule = dag.tasks[self.task].trigger_rule;
            let verdict = by_setups(&setup_states).or_else(|| by_rule(rule, &states, self.index));
            let all_set_up = setup_states.iter().all(|one| *one == Some(TaskState::Success));
            match verdict {
                Some(Verdict::Run) if !all_set_up => {}
                Some(verdict) => return Some((verdict, time)),
                None => {}
            }
        }
        None
    }

    fn tries_since_clear(&self) -> u32 {
        let retries = self.question.dag.tasks[self.task].retries;
        let before = self.item.max_tries.saturating_sub(retries);
        self.item.try_number.saturating_sub(before)
    }

    /// The decisions against it.
    fn decisions(&self) -> Vec<&End> {
        let all: Vec<usize> = (0..self.ends.len()).collect();
        let mut ends = self.related(&all);
        ends.retain(|end| end.against.contains(&self.task));
        ends
    }

    /// When the first decision against it was made.
    fn decision(&self) -> Option<u32> {
        self.decisions().into_iter().map(|end| end.at).min()
    }

    fn is_decided_anew(&self) -> bool {
        self.decisions().into_iter().any(|end| !end.is_past)
    }

    /// Whether the previous run holds it back for ever.
    fn past_holds(&self) -> bool {
        let dag = self.question.dag;
        let spec = &dag.tasks[self.task];
        let Some(past) = self
            .question
            .past
            .as_ref()
            .filter(|_| spec.depends_on_past || spec.wait_for_downstream)
        else {
            return false;
        };
        let is_bad = |task: usize, only_item: bool| {
            past.iter().any(|(&(other, index), state)| {
                let is_meant = !only_item || index == self.index || index < 0;
                let is_well = matches!(
                    state,
                    Some(TaskState::Success | TaskState::Skipped | TaskState::Removed)
                );
                other == task && is_meant && !is_well
            })
        };
        let same_group = |down: usize| {
            let group = |task: usize| {
                dag.tasks[task].mapping.as_ref().and_then(|mapping| mapping.group.clone())
            };
            group(self.task).is_some() && group(self.task) == group(down)
        };
        let mut below = dag.downstream(self.task).into_iter();
        is_bad(self.task, true)
            || (spec.wait_for_downstream && below.any(|down| is_bad(down, same_group(down))))
    }
}

fn item(row: &TiRow, gives: Option<u64>) -> (i32, Item) {
    let item = Item {
        state: row.state,
        try_number: row.try_number,
        max_tries: row.max_tries,
        memory: row.skip_memory.clone(),
        gives,
    };
    (row.map_index, item)
}
