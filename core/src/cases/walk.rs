//! Walks over every outcome of a DAG's decisions and finds the tasks that never run.
//!
//! With too many combinations it looks at a set that holds every pair of outcomes, and says so;
//! each task that did not run there is looked at again with what is upstream of it alone, which
//! is mostly few enough to be certain.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Map;

use super::factor::{Factor, Forced, Gift, Scenario, ancestry, chooses_freely, factors, gifts};
use super::play::{Occasion, Play, Played};
use super::why;
use crate::dag::{Dag, Params, TaskIndex};
use crate::ids::TaskId;
use crate::mapping::{Expand, Source};
use crate::state::{RunType, TaskState};

/// The most scenarios of one walk.
const SCENARIOS_MAX: usize = 2_000;

/// The most task instances of one walk, over all scenarios.
const INSTANCES_MAX: usize = 200_000;

/// The fewest scenarios of a walk, however many tasks there are.
const SCENARIOS_MIN: usize = 50;

/// The most tasks that a walk reports.
const FINDINGS_MAX: usize = 20;

/// What a walk has seen.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The tasks with more than one outcome that matters.
    pub factors: Vec<TaskId>,
    /// How many combinations of their outcomes there are; the largest number when there are more.
    pub combinations: u64,
    /// How many of them were looked at.
    pub scenarios: usize,
    /// What is wrong, in file order.
    pub findings: Vec<Finding>,
}

impl Walk {
    /// Whether all combinations were looked at.
    pub fn is_complete(&self) -> bool {
        self.combinations <= self.scenarios as u64
    }
}

/// A task with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The task.
    pub task_id: TaskId,
    /// The same in words, with the reason.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether the place to look at is the task's trigger rule, not its name.
    pub is_about_rule: bool,
}

/// What can be wrong with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// It runs in no combination of outcomes.
    NeverRuns,
    /// It ran in none of the combinations that were looked at, which are not all.
    NotSeenRunning,
    /// It runs only when a branch chooses several tasks at once, which only its command knows.
    OnlyTogether,
}

/// Plays every combination of outcomes, or a set of them.
pub fn walk(dag: &Dag) -> Walk {
    let all = factors(dag);
    let mut walker = Walker::new(dag);
    let plan = Plan::of(&all, limit(dag));
    let mut seen = Seen::new(dag.tasks.len());
    for row in &plan.rows {
        if let Some(played) = walker.play(&all, row) {
            seen.add(&played, is_together(dag, &all, row));
        }
    }
    let scenarios = walker.count;
    let mut findings = walker.dead(&seen, &all);
    findings.extend(together(dag, &seen));
    findings.sort_by_key(|finding| dag.task(finding.task_id.as_str()).map(|(at, _)| at));
    Walk {
        factors: all.iter().map(|factor| dag.tasks[factor.task].task_id.clone()).collect(),
        combinations: plan.combinations,
        scenarios,
        findings,
    }
}

fn limit(dag: &Dag) -> usize {
    (INSTANCES_MAX / dag.tasks.len().max(1)).clamp(SCENARIOS_MIN, SCENARIOS_MAX)
}

/// Plays scenarios of one DAG.
pub(super) struct Walker<'a> {
    pub(super) dag: &'a Dag,
    /// What comes of each task when nothing else is said.
    usual: Vec<Option<Forced>>,
    gifts: Vec<Gift>,
    play: Play,
    count: usize,
}

impl<'a> Walker<'a> {
    pub(super) fn new(dag: &'a Dag) -> Self {
        let play = Play::new(&narrowed(dag));
        let mut usual = vec![None; dag.tasks.len()];
        for mut factor in factors(dag) {
            usual[factor.task] = Some(factor.outcomes.swap_remove(0));
        }
        Self { dag, usual, gifts: gifts(dag), play, count: 0 }
    }

    /// Plays one row of outcomes.
    pub(super) fn play(&mut self, factors: &[Factor], row: &[usize]) -> Option<Played> {
        let mut forced: Vec<Option<&Forced>> = self.usual.iter().map(Option::as_ref).collect();
        for (factor, &choice) in factors.iter().zip(row) {
            forced[factor.task] = factor.outcomes.get(choice);
        }
        self.count += 1;
        let occasion = Occasion {
            run_type: RunType::Manual,
            logical_date: None,
            data_interval: None,
            run_after: Timestamp::UNIX_EPOCH,
            conf: Map::new(),
        };
        self.play.run(&occasion, &mut Scenario { forced, gifts: &self.gifts }).ok()
    }

    /// The tasks that never ran, each looked at again with what is upstream of it alone. One that
    /// only follows another is not told of.
    fn dead(&mut self, seen: &Seen, all: &[Factor]) -> Vec<Finding> {
        let mut dead: BTreeSet<TaskIndex> = BTreeSet::new();
        let mut findings = Vec::new();
        let idle: Vec<TaskIndex> =
            (0..self.dag.tasks.len()).filter(|&task| !seen.ran[task]).collect();
        for task in idle {
            let follows = self.dag.upstream(task).iter().any(|up| dead.contains(up));
            if follows || findings.len() >= FINDINGS_MAX {
                dead.insert(task);
                continue;
            }
            let upstream = ancestry(self.dag, task);
            let own: Vec<Factor> =
                all.iter().filter(|factor| upstream.contains(&factor.task)).cloned().collect();
            if let Some(finding) =
                why::never_runs(self, task, &own, &Plan::of(&own, limit(self.dag)))
            {
                dead.insert(task);
                findings.push(finding);
            }
        }
        findings
    }
}

/// The DAG as a walk plays it: one item for each mapped task, since an outcome is that of all its
/// items; a thousand of them would only take longer. No template is rendered, so that nothing asks
/// for a param.
fn narrowed(dag: &Dag) -> Dag {
    let mut dag = Dag { params: Params::default(), ..dag.clone() };
    for mapping in dag.tasks.iter_mut().filter_map(|task| task.mapping.as_mut()) {
        let sources: Vec<&mut Source> = match &mut Arc::make_mut(mapping).expand {
            Expand::Product(keys) => keys.values_mut().collect(),
            Expand::Maps(source) => vec![source],
        };
        for source in sources {
            if let Source::Literal(items) = source {
                items.truncate(1);
            }
        }
    }
    dag
}

/// Which tasks ran.
struct Seen {
    ran: Vec<bool>,
    /// Without a branch that chose several tasks at once by a command.
    ran_apart: Vec<bool>,
}

impl Seen {
    fn new(tasks: usize) -> Self {
        Self { ran: vec![false; tasks], ran_apart: vec![false; tasks] }
    }

    fn add(&mut self, played: &Played, is_together: bool) {
        for (at, state) in played.states.iter().enumerate() {
            if did_run(*state) {
                self.ran[at] = true;
                self.ran_apart[at] |= !is_together;
            }
        }
    }
}

/// Whether a task in that state was run.
pub(super) const fn did_run(state: TaskState) -> bool {
    matches!(state, TaskState::Success | TaskState::Failed)
}

fn is_together(dag: &Dag, factors: &[Factor], row: &[usize]) -> bool {
    factors.iter().zip(row).any(|(factor, &choice)| {
        chooses_freely(dag, factor.task)
            && matches!(factor.outcomes.get(choice), Some(Forced::Chose(ids)) if ids.len() > 1)
    })
}

fn together(dag: &Dag, seen: &Seen) -> Vec<Finding> {
    let only = |task: TaskIndex| seen.ran[task] && !seen.ran_apart[task];
    let joins = (0..dag.tasks.len()).filter(|&task| only(task));
    let first = joins.filter(|&task| !dag.upstream(task).into_iter().any(only));
    first
        .map(|task| {
            let branches = ancestry(dag, task).into_iter().filter(|&up| chooses_freely(dag, up));
            let names: Vec<String> =
                branches.map(|up| format!("\"{}\"", dag.tasks[up].task_id)).collect();
            let task = &dag.tasks[task];
            Finding {
                kind: FindingKind::OnlyTogether,
                task_id: task.task_id.clone(),
                message: format!(
                    "\"{}\" runs only when branch {} chooses more than one task",
                    task.task_id,
                    names.join(" or ")
                ),
                help: "if it chooses one of them only, write `trigger_rule: none_failed_min_one_success`"
                    .to_owned(),
                is_about_rule: true,
            }
        })
        .collect()
}

/// The rows of outcomes to look at.
pub(super) struct Plan {
    pub(super) rows: Vec<Vec<usize>>,
    pub(super) combinations: u64,
}

impl Plan {
    /// All rows when they are at most `most`, else rows that hold every pair of outcomes.
    pub(super) fn of(factors: &[Factor], most: usize) -> Self {
        let sizes: Vec<usize> = factors.iter().map(|factor| factor.outcomes.len()).collect();
        let combinations =
            sizes.iter().fold(1_u64, |product, size| product.saturating_mul(*size as u64));
        let rows = if combinations <= most as u64 { every(&sizes) } else { pairs(&sizes, most) };
        Self { rows, combinations }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.combinations <= self.rows.len() as u64
    }
}

fn every(sizes: &[usize]) -> Vec<Vec<usize>> {
    sizes.iter().fold(vec![Vec::new()], |rows, &size| {
        let longer = |row: &Vec<usize>, value| {
            let mut row = row.clone();
            row.push(value);
            row
        };
        rows.iter().flat_map(|row| (0..size).map(move |value| longer(row, value))).collect()
    })
}

/// The usual outcomes, each other outcome alone, then rows that hold what pairs are left.
fn pairs(sizes: &[usize], most: usize) -> Vec<Vec<usize>> {
    let usual = vec![0; sizes.len()];
    let mut rows = vec![usual.clone()];
    for (at, &size) in sizes.iter().enumerate() {
        rows.extend((1..size).map(|value| {
            let mut row = usual.clone();
            row[at] = value;
            row
        }));
    }
    let mut open: BTreeSet<[usize; 4]> = BTreeSet::new();
    for (a, &size_a) in sizes.iter().enumerate() {
        for (b, &size_b) in sizes.iter().enumerate().skip(a + 1) {
            open.extend((1..size_a).flat_map(|x| (1..size_b).map(move |y| [a, x, b, y])));
        }
    }
    while let Some(&[a, x, b, y]) = open.first() {
        if rows.len() >= most {
            break;
        }
        let mut row = usual.clone();
        (row[a], row[b]) = (x, y);
        let mut set = vec![a, b];
        for at in (0..sizes.len()).filter(|at| *at != a && *at != b) {
            let gain = |value: usize| {
                set.iter()
                    .filter(|&&other| open.contains(&pair(at, value, other, row[other])))
                    .count()
            };
            let best = (0..sizes[at]).max_by_key(|&value| (gain(value), std::cmp::Reverse(value)));
            row[at] = best.unwrap_or(0);
            set.push(at);
        }
        for (a, &x) in row.iter().enumerate() {
            for (b, &y) in row.iter().enumerate().skip(a + 1) {
                open.remove(&[a, x, b, y]);
            }
        }
        rows.push(row);
    }
    rows.truncate(most);
    rows
}

fn pair(a: usize, x: usize, b: usize, y: usize) -> [usize; 4] {
    if a < b { [a, x, b, y] } else { [b, y, a, x] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_holds_every_combination_or_every_pair() {
        assert_eq!(every(&[2, 3]).len(), 6);
        assert_eq!(every(&[]), [Vec::<usize>::new()]);
        let sizes = [3, 2, 4, 2, 3, 3, 2, 2, 2, 3];
        let rows = pairs(&sizes, 2_000);
        assert!(rows.len() < 80, "{}", rows.len());
        for (a, &size_a) in sizes.iter().enumerate() {
            for (b, &size_b) in sizes.iter().enumerate().skip(a + 1) {
                for (x, y) in (0..size_a).flat_map(|x| (0..size_b).map(move |y| (x, y))) {
                    assert!(rows.iter().any(|row| row[a] == x && row[b] == y), "{a}={x} {b}={y}");
                }
            }
        }
        assert_eq!(pairs(&sizes, 7).len(), 7);
    }
}
