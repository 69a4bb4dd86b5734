//! What can come out of a task, for the walk over all outcomes.
//!
//! Decisions have all their outcomes; other tasks fail or are skipped only where a trigger rule
//! looks at that. Must not know combinations: that is `walk`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::play::{Attempt, Script};
use crate::dag::{Dag, TaskIndex};
use crate::mapping::Source;
use crate::operator::{approval, branch};
use crate::state::TriggerRule;
use crate::wire::{AttemptResult, Outcome};

/// A command branch with more tasks below it chooses one of them, all, or none; with fewer, any.
const SUBSETS_MAX: usize = 3;

/// What a task can come to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forced {
    Success,
    Failed,
    Skipped,
    Chose(Vec<String>),
    GoesOn(bool),
}

/// A task with more than one outcome, the usual one first.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    pub(super) task: TaskIndex,
    pub(super) outcomes: Vec<Forced>,
}

/// The factors of a DAG.
pub(super) fn factors(dag: &Dag) -> Vec<Factor> {
    let of_task = |task| {
        let outcomes = outcomes(dag, task);
        (outcomes.len() > 1).then_some(Factor { task, outcomes })
    };
    (0..dag.tasks.len()).filter_map(of_task).collect()
}

/// Whether the tasks that a branch may choose are known only when its command has run.
pub(super) fn chooses_freely(dag: &Dag, task: TaskIndex) -> bool {
    let task = &dag.tasks[task];
    task.operator == "branch" && !task.config.contains_key("choose")
}

fn outcomes(dag: &Dag, index: TaskIndex) -> Vec<Forced> {
    let task = &dag.tasks[index];
    let below = dag.downstream(index);
    let rules: Vec<TriggerRule> = below.iter().map(|&i| dag.tasks[i].trigger_rule).collect();
    let mut found = match task.operator.as_str() {
        "branch" => choices(dag, index),
        "short_circuit" | "latest_only" => vec![Forced::GoesOn(true), Forced::GoesOn(false)],
        "approval" => answers(dag, index),
        _ => vec![Forced::Success],
    };
    let is_decision = !matches!(found[0], Forced::Success) || task.when.is_some();
    let is_looked_at = rules.iter().any(|rule| *rule != TriggerRule::AllSuccess);
    if (is_looked_at || is_decision) && task.operator != "empty" {
        found.push(Forced::Failed);
    }
    let is_hoped_for = rules.contains(&TriggerRule::AllSkipped) && task.operator != "empty";
    if task.when.is_some() || is_hoped_for {
        found.push(Forced::Skipped);
    }
    found
}

/// What a person may answer.
fn answers(dag: &Dag, index: TaskIndex) -> Vec<Forced> {
    let config = &dag.tasks[index].config;
    let below: Vec<&str> =
        dag.downstream(index).iter().map(|&i| dag.tasks[i].task_id.as_str()).collect();
    match approval::effect(config, &below) {
        approval::Effect::Gate => vec![Forced::GoesOn(true), Forced::GoesOn(false)],
        approval::Effect::Input => vec![Forced::Success],
        approval::Effect::Branch => approval::options(config)
            .iter()
            .map(|option| Forced::Chose(vec![approval::target(config, option)]))
            .collect(),
    }
}

/// The sets of tasks that a branch may choose.
fn choices(dag: &Dag, index: TaskIndex) -> Vec<Forced> {
    let mut sets: Vec<Vec<String>> = Vec::new();
    let mut add = |set: Vec<String>| {
        if !sets.contains(&set) {
            sets.push(set);
        }
    };
    if let Some(Ok(lines)) = dag.tasks[index].config.get("choose").map(branch::choices) {
        let has_else = lines.last().is_some_and(|line| line.when.is_none());
        for line in lines {
            add(line.then);
        }
        if !has_else {
            add(Vec::new());
        }
    } else {
        let below: Vec<String> =
            dag.downstream(index).iter().map(|&i| dag.tasks[i].task_id.to_string()).collect();
        for id in &below {
            add(vec![id.clone()]);
        }
        if below.len() <= SUBSETS_MAX {
            for mask in 1..1_usize << below.len() {
                let chosen = below.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
                add(chosen.map(|(_, id)| id.clone()).collect());
            }
        }
        add(below);
        add(Vec::new());
    }
    sets.into_iter().map(Forced::Chose).collect()
}

/// Every task that something depends on, with itself.
pub(super) fn ancestry(dag: &Dag, task: TaskIndex) -> BTreeSet<TaskIndex> {
    let mut found = BTreeSet::from([task]);
    let mut open = vec![task];
    while let Some(at) = open.pop() {
        for up in dag.upstream(at) {
            if found.insert(up) {
                open.push(up);
            }
        }
    }
    found
}

/// One outcome for each task; the usual one where nothing is said.
pub(super) struct Scenario<'a> {
    pub(super) forced: Vec<Option<&'a Forced>>,
    /// What mapped tasks are expanded over, by the task that gives it.
    pub(super) gifts: &'a [Gift],
}

/// A value that a task gives since a mapped task needs it: one element, whatever it is.
pub(super) struct Gift {
    task: TaskIndex,
    key: String,
    value: Value,
}

/// What the mapped tasks of a DAG are expanded over.
pub(super) fn gifts(dag: &Dag) -> Vec<Gift> {
    let sources = dag.tasks.iter().filter_map(|task| task.mapping.as_ref());
    let gift = |source: &Source| {
        let Source::XCom { task_id, key } = source else { return None };
        let (task, giver) = dag.task(task_id.as_str())?;
        // Those of mapped items are put together to a list.
        let value = if giver.mapping.is_some() { json!({}) } else { json!([{}]) };
        Some(Gift { task, key: key.clone(), value })
    };
    sources.flat_map(|mapping| mapping.sources()).filter_map(gift).collect()
}

impl Script for Scenario<'_> {
    fn result(&mut self, attempt: &Attempt<'_>) -> AttemptResult {
        let mut result = AttemptResult::new(attempt.key, Outcome::Success);
        match self.forced.get(attempt.index).copied().flatten() {
            None | Some(Forced::Success) => {}
            Some(Forced::Failed) => result.outcome = Outcome::FailedForGood,
            Some(Forced::Skipped) => result.outcome = Outcome::Skipped,
            Some(Forced::Chose(ids)) => result.chosen = Some(ids.clone()),
            Some(Forced::GoesOn(go_on)) => result.go_on = Some(*go_on),
        }
        if result.outcome == Outcome::Success {
            for gift in self.gifts.iter().filter(|gift| gift.task == attempt.index) {
                result.xcoms.insert(gift.key.clone(), gift.value.clone());
            }
        }
        result
    }
}
