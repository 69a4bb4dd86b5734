//! Decisions made in the scheduler: `when`, `choose`, `condition`, `latest_only`.
//!
//! They are templates over data, run with the engine's fuel and size limits; nothing that a DAG
//! author wrote is executed. What a template asks for is fetched between two renders.

use std::sync::Arc;

use millrace_core::operator::branch;
use millrace_core::template::{Lookups, RenderError, Scope};
use millrace_core::wire::{Assignment, AttemptResult, Outcome};
use millrace_store::Store;
use serde_json::{Value, json};

use crate::current::Place;
use crate::lookups;
use crate::term::Shared;

/// More rounds of questions than this and the template is not asking but looping.
const ROUNDS_MAX: usize = 16;

/// The previous successful run put into an assignment.
pub(crate) async fn with_previous(store: &Store, mut assignment: Assignment) -> Assignment {
    let run = &assignment.run;
    match store
        .previous_success(run.dag_id.as_str(), run.logical_date.unwrap_or(run.run_after))
        .await
    {
        Ok(previous) => {
            assignment.previous_success = previous;
        }
        Err(error) => tracing::warn!(%error, "the previous successful run is not known"),
    }
    assignment
}

/// The result of a decision.
pub(crate) async fn decide(shared: &Arc<Shared>, assignment: Assignment) -> AttemptResult {
    let assignment = with_previous(&shared.store, assignment).await;
    let key = assignment.key;
    match decided(shared, &assignment).await {
        Ok(result) => result,
        Err(Undecided::Wrong(reason)) => {
            let mut result = AttemptResult::new(key, Outcome::Failed);
            result.reason = Some(reason);
            result
        }
        Err(Undecided::Unavailable(reason)) => {
            let mut result = AttemptResult::new(key, Outcome::Lost);
            result.reason = Some(reason);
            result
        }
    }
}

enum Undecided {
    /// The template or its outcome is wrong.
    Wrong(String),
    /// The database could not answer.
    Unavailable(String),
}

async fn decided(shared: &Shared, assignment: &Assignment) -> Result<AttemptResult, Undecided> {
    let mut decision = Decision { shared, assignment, lookups: Lookups::default() };
    let task = &assignment.task;
    let mut result = AttemptResult::new(assignment.key, Outcome::Success);
    if let Some(when) = &task.when {
        let value = decision.evaluate("when", when).await?;
        if !truthy(&value) {
            result.outcome = Outcome::Skipped;
            result.reason = Some(format!("`when` is {value}: {when}"));
            return Ok(result);
        }
    }
    match task.operator.as_str() {
        "branch" if task.config.contains_key("choose") => {
            choose(&mut decision, &mut result).await?;
        }
        "short_circuit" if task.config.contains_key("condition") => {
            let text = task.config["condition"].as_str().unwrap_or_default().to_owned();
            let value = decision.evaluate("condition", &text).await?;
            result.go_on = Some(truthy(&value));
            result.rendered = Some(json!({ "condition": value }));
            result.xcoms.insert("return_value".to_owned(), value);
        }
        "latest_only" => {
            let latest = is_latest(shared, assignment).await?;
            result.go_on = Some(latest);
            result.xcoms.insert("return_value".to_owned(), Value::Bool(latest));
        }
        _ => {}
    }
    Ok(result)
}

/// The first line of `choose` whose `when` is true; the value of each line looked at is recorded.
async fn choose(decision: &mut Decision<'_>, result: &mut AttemptResult) -> Result<(), Undecided> {
    let lines =
        branch::choices(&decision.assignment.task.config["choose"]).map_err(Undecided::Wrong)?;
    let mut record = Vec::new();
    for line in lines {
        let value = match &line.when {
            Some(when) => decision.evaluate("choose.when", when).await?,
            None => Value::Bool(true),
        };
        let chosen = truthy(&value);
        record.push(
            json!({ "when": line.when, "value": value, "then": line.then, "chosen": chosen }),
        );
        if chosen {
            result.xcoms.insert("return_value".to_owned(), json!(line.then));
            result.chosen = Some(line.then);
            break;
        }
    }
    result.rendered = Some(json!({ "choose": record }));
    if result.chosen.is_none() {
        result.chosen = Some(Vec::new());
        result.reason =
            Some("no line of `choose` was true; everything downstream is skipped".to_owned());
    }
    Ok(())
}

/// A decision under way: what was asked so far stays answered.
struct Decision<'a> {
    shared: &'a Shared,
    assignment: &'a Assignment,
    lookups: Lookups,
}

impl Decision<'_> {
    async fn evaluate(&mut self, name: &str, text: &str) -> Result<Value, Undecided> {
        let context = self.assignment.context(self.shared.clock.now());
        let name = format!("{}.{name}", self.assignment.task.task_id);
        for _ in 0..ROUNDS_MAX {
            let scope = Scope::new(context.clone(), self.lookups.clone());
            match self.shared.renderer.eval_expression(&name, text, &scope) {
                Ok(value) => return Ok(value),
                Err(RenderError::Needs(wanted)) => {
                    let place = Place { run: self.assignment.run.id };
                    let mut secrets = Vec::new();
                    let found =
                        lookups::answers(&self.shared.current, &place, &wanted, &mut secrets)
                            .await
                            .map_err(|error| Undecided::Unavailable(error.to_string()))?;
                    for lookup in wanted {
                        if let Some(answer) = found.get(&lookup) {
                            self.lookups.insert(lookup, answer.clone());
                        }
                    }
                }
                Err(error) => return Err(Undecided::Wrong(error.to_string())),
            }
        }
        Err(Undecided::Wrong(format!("`{name}` asks for ever more values; simplify it")))
    }
}

/// Python's truth of a JSON value: what `if` and `choose` go by.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        // A template that renders to a word for "no" is a no; Airflow's native values do the same.
        Value::String(text) => !matches!(text.as_str(), "" | "False" | "false" | "None" | "0"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Whether no later run of the schedule is due (Airflow: `LatestOnlyOperator`); a run that is not
/// of the schedule always counts as the latest.
async fn is_latest(shared: &Shared, assignment: &Assignment) -> Result<bool, Undecided> {
    use millrace_core::state::RunType;
    let run = &assignment.run;
    if !matches!(run.run_type, RunType::Scheduled | RunType::Backfill) {
        return Ok(true);
    }
    let row = millrace_store::dag::get(&shared.store, run.dag_id.as_str())
        .await
        .map_err(|error| Undecided::Unavailable(error.to_string()))?;
    let last = row.and_then(|row| row.last_interval_end);
    Ok(last.is_none_or(|last| run.run_after >= last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_pythons() {
        let check = |value: Value, expected| assert_eq!(truthy(&value), expected, "{value}");
        check(json!(null), false);
        check(json!(0), false);
        check(json!(0.0), false);
        check(json!(-1), true);
        check(json!(""), false);
        check(json!("False"), false);
        check(json!("no"), true);
        check(json!([]), false);
        check(json!([0]), true);
        check(json!({}), false);
    }
}
