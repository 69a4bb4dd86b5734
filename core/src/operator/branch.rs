//! `branch`: chooses which of its direct downstream tasks go on (Airflow: branching).

use serde::Deserialize;
use serde_json::Value;

use super::bash::SCRIPT_ENDINGS;
use super::{Field, FieldKind, OperatorSpec, TextUse, one_of, worker_if_command};

/// The line of `branch` in the table of operators.
pub const SPEC: OperatorSpec = OperatorSpec {
    name: "branch",
    class_names: &["BranchPythonOperator", "BranchOperator", "BranchBashOperator"],
    fields: &[
        Field::new("choose", FieldKind::Choose),
        Field::new("bash_command", FieldKind::Text)
            .aliases(&["command"])
            .text(TextUse::Shell(SCRIPT_ENDINGS)),
        Field::new("cwd", FieldKind::Text),
        Field::new("skip_on_exit_code", FieldKind::IntList),
    ],
    place: worker_if_command,
    check: |config| one_of(config, "choose", "bash_command"),
};

/// One line of `choose`; the first whose `when` is true decides.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Choice {
    /// The expression; absent in the last line, `else`.
    #[serde(default)]
    pub when: Option<String>,
    /// The chosen task ids; none skips every direct downstream task.
    pub then: Vec<String>,
}

/// Reads the normalised `choose` of a task's config: `[{when, then: [ids]}, {then: [ids]}]`.
///
/// # Errors
/// The text of the first line that is not such a map.
pub fn choices(choose: &Value) -> Result<Vec<Choice>, String> {
    let lines = choose.as_array().ok_or("`choose` is a list of {when, then} and a last {else}")?;
    lines
        .iter()
        .map(|line| {
            Choice::deserialize(line).map_err(|error| format!("`choose` line {line}: {error}"))
        })
        .collect()
}

/// The task ids that a branch command printed: its last line, an id or a JSON list of ids.
pub fn chosen_ids(output: &Value) -> Result<Vec<String>, String> {
    match output {
        Value::Null => Ok(Vec::new()),
        Value::String(id) if id.is_empty() => Ok(Vec::new()),
        Value::String(id) => Ok(vec![id.clone()]),
        Value::Array(ids) => ids
            .iter()
            .map(|id| {
                id.as_str().map(str::to_owned).ok_or_else(|| format!("{id} is not a task id"))
            })
            .collect(),
        other => Err(format!(
            "the last line must be a task id or a JSON list of task ids, it is {other}"
        )),
    }
}
