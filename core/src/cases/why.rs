//! Why a task never runs, in words, and which trigger rule would let it.

use std::collections::BTreeSet;

use super::factor::{Factor, Forced, ancestry};
use super::play::Played;
use super::walk::{Finding, FindingKind, Plan, Walker, did_run};
use crate::dag::{Dag, TaskIndex};
use crate::state::{TaskState, TriggerRule};

/// How many combinations of upstream states are told.
const EXAMPLES_MAX: usize = 3;

/// The rules that are tried instead, the mildest change first.
const INSTEAD: [TriggerRule; 4] = [
    TriggerRule::NoneFailedMinOneSuccess,
    TriggerRule::NoneFailed,
    TriggerRule::OneSuccess,
    TriggerRule::AllDone,
];

/// What keeps a task from running; none when it does run in one of the rows.
pub(super) fn never_runs(
    walker: &mut Walker<'_>,
    task: TaskIndex,
    factors: &[Factor],
    plan: &Plan,
) -> Option<Finding> {
    let dag = walker.dag;
    let mut roots = BTreeSet::new();
    let mut examples: Vec<String> = Vec::new();
    for row in &plan.rows {
        let Some(played) = walker.play(factors, row) else { continue };
        let states = &played.states;
        if did_run(states[task]) {
            return None;
        }
        if row.iter().all(|&choice| choice == 0) || !has_failure(factors, row) {
            roots.extend(deciders(dag, task, states, factors, row));
            let example = example(dag, task, &played);
            if !examples.contains(&example) {
                examples.push(example);
            }
        }
    }
    let id = &dag.tasks[task].task_id;
    let kind =
        if plan.is_complete() { FindingKind::NeverRuns } else { FindingKind::NotSeenRunning };
    let claim = match kind {
        FindingKind::NeverRuns => format!("\"{id}\" can never run"),
        _ => format!("\"{id}\" ran in none of {} combinations", plan.rows.len()),
    };
    if let Some(branch) = never_chosen(dag, task) {
        return Some(Finding {
            kind,
            task_id: id.clone(),
            message: format!("{claim}: no line of `choose` of branch \"{branch}\" leads to it"),
            help: format!("add `then: {id}` to a line of `choose`, or remove the task"),
            is_about_rule: false,
        });
    }
    let rule = dag.tasks[task].trigger_rule;
    let who = match roots.iter().map(|&root| decider_words(dag, root)).collect::<Vec<_>>() {
        names if names.is_empty() => "that never happens".to_owned(),
        names if names.len() == 1 => format!("{} never lets that happen", names[0]),
        names => format!("{} never let that happen", names.join(" and ")),
    };
    examples.truncate(EXAMPLES_MAX);
    let seen =
        if examples.is_empty() { String::new() } else { format!(" ({})", examples.join("; ")) };
    let help = match instead(dag, task, factors, plan) {
        Some(rule) => format!("write `trigger_rule: {rule}`, with which it runs"),
        None => "look at what is upstream of it: no other trigger rule would let it run".to_owned(),
    };
    Some(Finding {
        kind,
        task_id: id.clone(),
        message: format!("{claim}: its rule {rule} wants {}, but {who}{seen}", wants(rule)),
        help,
        is_about_rule: true,
    })
}

fn has_failure(factors: &[Factor], row: &[usize]) -> bool {
    let failed =
        |(factor, &choice): (&Factor, &usize)| factor.outcomes.get(choice) == Some(&Forced::Failed);
    factors.iter().zip(row).any(failed)
}

/// The decisions by which what is upstream of a task was skipped.
fn deciders(
    dag: &Dag,
    task: TaskIndex,
    states: &[TaskState],
    factors: &[Factor],
    row: &[usize],
) -> BTreeSet<TaskIndex> {
    let outcome = |task: TaskIndex| {
        let at = factors.iter().position(|factor| factor.task == task)?;
        factors[at].outcomes.get(row[at])
    };
    let mut found = BTreeSet::new();
    let mut open = vec![task];
    let mut looked = BTreeSet::new();
    while let Some(at) = open.pop() {
        if !looked.insert(at) {
            continue;
        }
        for up in dag.upstream(at) {
            let decides = matches!(
                outcome(up),
                Some(Forced::Chose(_) | Forced::GoesOn(false) | Forced::Skipped)
            );
            if decides && states[at] == TaskState::Skipped && at != task {
                found.insert(up);
            } else if states[up] == TaskState::Skipped {
                open.push(up);
            }
        }
    }
    found
}

fn decider_words(dag: &Dag, task: TaskIndex) -> String {
    let task = &dag.tasks[task];
    let kind = match task.operator.as_str() {
        "branch" => "branch",
        "short_circuit" => "short circuit",
        "latest_only" => "latest_only",
        _ => "`when` of",
    };
    format!("{kind} \"{}\"", task.task_id)
}

/// `a success, b skipped`.
fn example(dag: &Dag, task: TaskIndex, played: &Played) -> String {
    let mut ups: Vec<String> = dag
        .upstream(task)
        .into_iter()
        .map(|up| {
            let id = &dag.tasks[up].task_id;
            format!("{id} {}", played.states[up])
        })
        .collect();
    let more = ups.len().saturating_sub(4);
    ups.truncate(4);
    if more > 0 {
        ups.push(format!("{more} more"));
    }
    ups.join(", ")
}

/// The branch above a task none of whose literal choices leads to it.
fn never_chosen(dag: &Dag, task: TaskIndex) -> Option<String> {
    let above = ancestry(dag, task);
    dag.upstream(task).into_iter().find_map(|up| {
        let branch = &dag.tasks[up];
        let lines = crate::operator::branch::choices(branch.config.get("choose")?).ok()?;
        let leads = |id: &String| dag.task(id).is_some_and(|(chosen, _)| above.contains(&chosen));
        let is_never = !lines.iter().any(|line| line.then.iter().any(leads));
        is_never.then(|| branch.task_id.to_string())
    })
}

/// The first of some rules with which the task runs in one of the rows.
fn instead(dag: &Dag, task: TaskIndex, factors: &[Factor], plan: &Plan) -> Option<TriggerRule> {
    INSTEAD.into_iter().find(|rule| {
        if *rule == dag.tasks[task].trigger_rule {
            return false;
        }
        let mut changed = dag.clone();
        changed.tasks[task].trigger_rule = *rule;
        let mut walker = Walker::new(&changed);
        plan.rows
            .iter()
            .filter_map(|row| walker.play(factors, row))
            .any(|played| did_run(played.states[task]))
    })
}

/// What a trigger rule asks of the upstreams.
const fn wants(rule: TriggerRule) -> &'static str {
    match rule {
        TriggerRule::AllSuccess => "every upstream to succeed",
        TriggerRule::AllFailed => "every upstream to fail",
        TriggerRule::AllDone | TriggerRule::AllDoneSetupSuccess => "every upstream to have ended",
        TriggerRule::AllDoneMinOneSuccess => {
            "every upstream to have run, and one of them to succeed"
        }
        TriggerRule::OneSuccess => "an upstream to succeed",
        TriggerRule::OneFailed => "an upstream to fail",
        TriggerRule::OneDone => "an upstream to have run",
        TriggerRule::NoneFailed => "no upstream to fail",
        TriggerRule::NoneFailedMinOneSuccess => "no upstream to fail, and one to succeed",
        TriggerRule::NoneSkipped => "no upstream to be skipped",
        TriggerRule::AllSkipped => "every upstream to be skipped",
        TriggerRule::Always => "nothing",
    }
}
