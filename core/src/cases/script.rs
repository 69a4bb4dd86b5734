//! How attempts end in a case: by their stub, by their own expressions, else well and silently.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::play::{Attempt, Script};
use super::{Case, Ending, Target, Try, lookup};
use crate::dag::{Dag, Task};
use crate::decision::{Decision, Undecided, truthy};
use crate::mapping::siblings;
use crate::operator::bash::skip_codes;
use crate::operator::branch::chosen_ids;
use crate::render::{RenderTaskError, render_task, with_item};
use crate::template::{Lookups, RenderError, Renderer, Scope};
use crate::wire::{Assignment, AttemptResult, DagBrief, Outcome};

/// More rounds of questions than this and a template is not asking but looping.
const ROUNDS_MAX: usize = 16;

/// The script of a case.
pub(super) struct CaseScript<'a> {
    case: &'a Case,
    dag: &'a Dag,
    brief: Arc<DagBrief>,
    renderer: Renderer,
    /// The rendered fields of the tasks whose texts are wanted, or why there are none.
    pub(super) rendered: BTreeMap<Target, Result<Map<String, Value>, String>>,
    /// What people should know when the case fails.
    pub(super) notes: Vec<String>,
}

impl<'a> CaseScript<'a> {
    pub(super) fn new(case: &'a Case, dag: &'a Dag) -> Self {
        Self {
            case,
            dag,
            brief: Arc::new(DagBrief::of(dag, String::new())),
            renderer: Renderer::default(),
            rendered: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    fn assignment(&self, attempt: &Attempt<'_>) -> Assignment {
        let below = self.dag.downstream(attempt.index);
        Assignment {
            key: attempt.key,
            map_index: attempt.ti.map_index,
            expanded_count: None,
            siblings: siblings(self.dag, attempt.task),
            max_tries: attempt.ti.max_tries,
            task: Arc::clone(attempt.task),
            dag: Arc::clone(&self.brief),
            run: attempt.run.clone(),
            previous_success: None,
            downstream: below.iter().map(|&i| self.dag.tasks[i].task_id.clone()).collect(),
            lookups: Lookups::new(),
            secrets: Vec::new(),
        }
    }

    fn decision<'x>(
        &'x self,
        assignment: &'x Assignment,
        lookups: &'x Lookups,
        is_latest: Option<bool>,
        attempt: &Attempt<'_>,
    ) -> Decision<'x> {
        Decision { renderer: &self.renderer, assignment, lookups, is_latest, now: attempt.now }
    }

    /// Asks until all questions of a template are answered.
    fn settle<T>(
        &self,
        attempt: &Attempt<'_>,
        ask: impl Fn(&Lookups, Option<bool>) -> Result<T, Undecided>,
    ) -> Result<T, String> {
        let mut lookups = Lookups::new();
        let mut is_latest = None;
        for _ in 0..ROUNDS_MAX {
            match ask(&lookups, is_latest) {
                Ok(value) => return Ok(value),
                Err(Undecided::Wrong(reason)) => return Err(reason),
                // A case has one run, which is the latest; a stub's `go_on` says otherwise.
                Err(Undecided::NeedsLatest) => is_latest = Some(true),
                Err(Undecided::Needs(wanted)) => {
                    let run_id = attempt.run.run_id.as_str();
                    for lookup in wanted {
                        let found = lookup::answer(self.case, attempt.xcoms, run_id, &lookup);
                        lookups.insert(lookup, found);
                    }
                }
            }
        }
        Err(format!("`{}` asks for ever more values; simplify it", attempt.task.task_id))
    }

    fn end(&mut self, attempt: &Attempt<'_>) -> Result<AttemptResult, String> {
        let assignment = self.assignment(attempt);
        let by_when = self.settle(attempt, |lookups, latest| {
            self.decision(&assignment, lookups, latest, attempt).skipped_by_when()
        })?;
        if let Some(skipped) = by_when {
            return Ok(skipped);
        }
        let own = self.case.stubs.get(&target_of(attempt));
        let whole = || self.case.stubs.get(&Target::whole(attempt.task.task_id.clone()));
        let stub = own.or_else(whole);
        let tried = stub.and_then(|stub| stub.of_try(attempt.key.try_number));
        let mut result = AttemptResult::new(attempt.key, Outcome::Success);
        if let Some(tried) = tried {
            fill(&mut result, tried, attempt.task);
        }
        if result.outcome != Outcome::Success || result.chosen.is_some() || result.go_on.is_some() {
            return Ok(result);
        }
        if has_expression(attempt.task) {
            let given = std::mem::take(&mut result.xcoms);
            result = self.settle(attempt, |lookups, latest| {
                self.decision(&assignment, lookups, latest, attempt).decide()
            })?;
            result.xcoms.extend(given);
            return Ok(result);
        }
        self.read_output(&mut result, attempt.task, tried.is_some())?;
        Ok(result)
    }

    /// What a command's last line means, for the operators that decide by it.
    fn read_output(
        &mut self,
        result: &mut AttemptResult,
        task: &Task,
        is_stubbed: bool,
    ) -> Result<(), String> {
        let output = result.xcoms.get("return_value").cloned().unwrap_or(Value::Null);
        let key = match task.operator.as_str() {
            "branch" => {
                result.chosen = Some(chosen_ids(&output)?);
                "choice: …"
            }
            "short_circuit" => {
                result.go_on = Some(truthy(&output));
                "go_on: true"
            }
            _ => return Ok(()),
        };
        if !is_stubbed {
            let id = &task.task_id;
            self.notes.push(format!(
                "\"{id}\" decides by a command, which is not run here: say what it decides with `stub: {{{id}: {{{key}}}}}`"
            ));
        }
        Ok(())
    }

    fn render(&mut self, attempt: &Attempt<'_>) {
        let task = attempt.task;
        if !self.case.expect.rendered.iter().any(|(of, ..)| of.task_id == task.task_id) {
            return;
        }
        let assignment = self.assignment(attempt);
        let files = Arc::new(task.files.clone().into_iter().collect());
        let native = self.dag.render_template_as_native_obj;
        let rendered = self.settle(attempt, |lookups, _| {
            let scope = Scope::new(assignment.context(attempt.now), lookups.clone())
                .with_files(Arc::clone(&files));
            let mut read = |_: &str| Err("a case reads no files".to_owned());
            let rendered = with_item(&scope, task)
                .and_then(|scope| render_task(&self.renderer, &scope, task, native, &mut read));
            match rendered {
                Ok(rendered) => Ok(rendered.shown),
                Err(RenderTaskError::Template(RenderError::Needs(wanted))) => {
                    Err(Undecided::Needs(wanted))
                }
                Err(error) => Err(Undecided::Wrong(error.to_string())),
            }
        });
        self.rendered.insert(target_of(attempt), rendered);
    }
}

impl Script for CaseScript<'_> {
    fn result(&mut self, attempt: &Attempt<'_>) -> AttemptResult {
        self.render(attempt);
        self.end(attempt).unwrap_or_else(|reason| {
            let mut result = AttemptResult::new(attempt.key, Outcome::Failed);
            result.reason = Some(reason);
            result
        })
    }
}

/// What an attempt is of.
fn target_of(attempt: &Attempt<'_>) -> Target {
    let map_index = u32::try_from(attempt.ti.map_index).ok();
    Target { task_id: attempt.task.task_id.clone(), map_index }
}

/// Whether a sensor that fails is skipped instead (Airflow: `soft_fail`).
fn is_soft(task: &Task) -> bool {
    task.operator == "sensor" && task.config.get("soft_fail") == Some(&Value::Bool(true))
}

/// Whether a task decides by an expression or by what the scheduler knows, not by a command.
fn has_expression(task: &Task) -> bool {
    let has = |key| task.config.contains_key(key);
    match task.operator.as_str() {
        "branch" => has("choose"),
        "short_circuit" => has("condition"),
        "latest_only" => true,
        _ => false,
    }
}

/// Puts a stub into a result.
fn fill(result: &mut AttemptResult, tried: &Try, task: &Task) {
    result.exit_code = tried.exit_code;
    result.outcome = match (tried.state, tried.exit_code) {
        (Some(Ending::Success), _) | (None, None | Some(0)) => Outcome::Success,
        (Some(Ending::Skipped), _) => Outcome::Skipped,
        (Some(Ending::Failed), _) if is_soft(task) => Outcome::Skipped,
        (None, Some(code)) if skips_on(task).contains(&code) => Outcome::Skipped,
        (None, Some(code)) if task.no_retry_exit_codes.contains(&code) => Outcome::FailedForGood,
        (Some(Ending::Failed), _) | (None, Some(_)) => Outcome::Failed,
    };
    result.reason = match result.outcome {
        Outcome::Success => None,
        _ => Some(tried.exit_code.map_or_else(
            || "its stub says so".to_owned(),
            |code| format!("its stub says exit code {code}"),
        )),
    };
    result.metrics.clone_from(&tried.metrics);
    result.xcoms.clone_from(&tried.xcoms);
    if !task.do_xcom_push {
        result.xcoms.remove("return_value");
    }
    result.chosen.clone_from(&tried.choice);
    result.go_on = tried.go_on;
}

/// The exit codes by which a command says that it is to be skipped.
fn skips_on(task: &Task) -> Vec<i32> {
    let code = |value: &Value| value.as_i64().and_then(|code| i32::try_from(code).ok());
    match task.config.get("skip_on_exit_code") {
        None => skip_codes(),
        Some(Value::Array(codes)) => codes.iter().filter_map(code).collect(),
        Some(one) => code(one).into_iter().collect(),
    }
}
