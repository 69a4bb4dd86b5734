//! Decisions without a process: `when`, `choose`, `condition`, `latest_only`; what to
//! wait for stands in `demand`.
//!
//! They are templates over data, evaluated with the engine's fuel and size limits; nothing that a
//! DAG author wrote is executed. The one rule for the scheduler and for the tests in a DAG file:
//! what a template asks for is returned to the caller, who answers and decides again.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::operator::branch;
use crate::render::{RenderTaskError, with_item};
use crate::template::{Lookup, Lookups, RenderError, Renderer, Scope};
use crate::wire::{Assignment, AttemptResult, Outcome};

/// Why there is no decision yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Undecided {
    /// A template asks for these; put the answers into the lookups and decide again.
    Needs(Vec<Lookup>),
    /// `latest_only` asks whether no later run of the schedule is due.
    NeedsLatest,
    /// The template or its outcome is wrong.
    Wrong(String),
}

/// What a decision is made of.
#[derive(Debug)]
pub struct Decision<'a> {
    /// Evaluates the expressions.
    pub renderer: &'a Renderer,
    /// The attempt that decides.
    pub assignment: &'a Assignment,
    /// What was answered so far.
    pub lookups: &'a Lookups,
    /// For `latest_only`: whether no later run of the schedule is due.
    pub is_latest: Option<bool>,
    /// The instant of the decision.
    pub now: Timestamp,
}

impl Decision<'_> {
    /// The result of a task that the scheduler decides; one that decides nothing succeeds.
    ///
    /// # Errors
    /// What is missing, or wrong.
    pub fn decide(&self) -> Result<AttemptResult, Undecided> {
        if let Some(skipped) = self.skipped_by_when()? {
            return Ok(skipped);
        }
        let task = &self.assignment.task;
        if let Some(result) = self.demand()? {
            return Ok(result);
        }
        let mut result = AttemptResult::new(self.assignment.key, Outcome::Success);
        if let (Some(_), Some(template)) = (&task.mapping, &task.map_index_template) {
            let name = format!("{}.map_index_template", task.task_id);
            let label = self.renderer.render(&name, template, &self.scope()?);
            result.rendered_map_index = Some(label.map_err(undecided)?);
        }
        match task.operator.as_str() {
            "branch" if task.config.contains_key("choose") => self.choose(&mut result)?,
            "short_circuit" if task.config.contains_key("condition") => {
                let text = task.config["condition"].as_str().unwrap_or_default();
                let value = self.evaluate("condition", text)?;
                result.go_on = Some(truthy(&value));
                result.rendered = Some(json!({ "condition": value }));
                result.xcoms.insert("return_value".to_owned(), value);
            }
            "latest_only" => {
                let latest = self.is_latest.ok_or(Undecided::NeedsLatest)?;
                result.go_on = Some(latest);
                result.xcoms.insert("return_value".to_owned(), Value::Bool(latest));
            }
            _ => {}
        }
        Ok(result)
    }

    /// The result of a task whose `when` is not true; none when it may go on.
    ///
    /// # Errors
    /// What is missing, or wrong.
    pub fn skipped_by_when(&self) -> Result<Option<AttemptResult>, Undecided> {
        let Some(when) = &self.assignment.task.when else { return Ok(None) };
        let value = self.evaluate("when", when)?;
        if truthy(&value) {
            return Ok(None);
        }
        let mut result = AttemptResult::new(self.assignment.key, Outcome::Skipped);
        result.reason = Some(format!("`when` is {value}: {when}"));
        Ok(Some(result))
    }

    /// The first line of `choose` whose `when` is true; the value of each line looked at is
    /// recorded.
    fn choose(&self, result: &mut AttemptResult) -> Result<(), Undecided> {
        let lines =
            branch::choices(&self.assignment.task.config["choose"]).map_err(Undecided::Wrong)?;
        let mut record = Vec::new();
        for line in lines {
            let value = match &line.when {
                Some(when) => self.evaluate("choose.when", when)?,
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

    fn evaluate(&self, name: &str, text: &str) -> Result<Value, Undecided> {
        let name = format!("{}.{name}", self.assignment.task.task_id);
        self.renderer.eval_expression(&name, text, &self.scope()?).map_err(undecided)
    }

    /// What its templates see, the mapped item included.
    fn scope(&self) -> Result<Scope, Undecided> {
        let scope = Scope::new(self.assignment.context(self.now), self.lookups.clone());
        with_item(&scope, &self.assignment.task).map_err(|error| match error {
            RenderTaskError::Template(error) => undecided(error),
            error => Undecided::Wrong(error.to_string()),
        })
    }
}

fn undecided(error: RenderError) -> Undecided {
    match error {
        RenderError::Needs(wanted) => Undecided::Needs(wanted),
        error @ RenderError::Template(_) => Undecided::Wrong(error.to_string()),
    }
}

/// Python's truth of a JSON value: what `if` and `choose` go by.
pub fn truthy(value: &Value) -> bool {
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
