//! `millrace render --diff`: which texts of which dates are other than they were.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use millrace_core::dag::Dag;
use serde_json::{Map, Value, json};

use super::rendering::{Rendering, TaskResult, Wanted};
use crate::failure::Failure;
use crate::local;
use crate::offline::Offline;
use crate::output::{Format, Output, print, print_json};

/// What both sides are rendered with.
pub(crate) struct Given<'a> {
    /// The file.
    pub file: &'a Path,
    /// What the run is given.
    pub conf: &'a Map<String, Value>,
    /// The answers to lookups.
    pub known: &'a Offline,
    /// The tasks.
    pub wanted: Wanted<'a>,
}

/// The dates of a DAG.
pub(crate) type Dates<'a> = &'a dyn Fn(&Dag) -> Result<Vec<Timestamp>, Failure>;

/// Task → field → what it renders to.
type Texts = BTreeMap<String, Map<String, Value>>;

/// One difference.
#[derive(Debug, PartialEq)]
struct Change {
    task_id: String,
    /// The field; none when the whole task came or went.
    field: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

/// Prints the differences of all DAGs.
pub(crate) fn show(
    given: &Given<'_>,
    (before, after): (&[Dag], &[Dag]),
    dates: Dates<'_>,
    format: Format,
) -> Result<(), Failure> {
    let mut records = Vec::new();
    let mut count = 0;
    let say = |text: &str| if format.output == Output::Table { print(text) } else { Ok(()) };
    for old in before.iter().filter(|old| !after.iter().any(|new| new.dag_id == old.dag_id)) {
        count += 1;
        say(&format!("- dag {}", old.dag_id))?;
        records.push(json!({ "dag_id": old.dag_id, "change": "removed" }));
    }
    for new in after {
        let Some(old) = before.iter().find(|old| old.dag_id == new.dag_id) else {
            count += 1;
            say(&format!("+ dag {}", new.dag_id))?;
            records.push(json!({ "dag_id": new.dag_id, "change": "added" }));
            continue;
        };
        for date in dates(new)? {
            let changes = differences(&texts(given, old, date)?, &texts(given, new, date)?);
            if changes.is_empty() {
                continue;
            }
            count += changes.len();
            let shown = millrace_core::time::rest(date);
            say(&format!("dag {}  logical date {shown}", new.dag_id))?;
            for change in &changes {
                say(&lines(change))?;
                records.push(json!({
                    "dag_id": new.dag_id, "logical_date": shown, "task_id": change.task_id,
                    "field": change.field, "before": change.before, "after": change.after,
                }));
            }
        }
    }
    match count {
        0 => say("nothing differs")?,
        1 => say("1 difference")?,
        count => say(&format!("{count} differences"))?,
    }
    if format.output == Output::Json { print_json(&Value::Array(records)) } else { Ok(()) }
}

fn texts(given: &Given<'_>, dag: &Dag, date: Timestamp) -> Result<Texts, Failure> {
    let params = dag.params.merge(given.conf).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Failure::wrong(lines.join("\n"))
    })?;
    let rendering = Rendering {
        dag,
        file: given.file,
        source: "",
        date,
        now: local::now(),
        conf: given.conf,
        params: &params,
        known: given.known,
    };
    let mut texts = Texts::new();
    for task in rendering.tasks(given.wanted) {
        for (map_index, result) in &task.items {
            let fields = match result {
                TaskResult::Rendered { shown, .. } => shown.clone(),
                TaskResult::NeedsXCom { error, .. } => error_field("known only in a run", error),
                TaskResult::Wrong(error) => error_field("error", error),
            };
            texts.insert(task.name(*map_index), fields);
        }
    }
    Ok(texts)
}

fn error_field(name: &str, error: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), Value::from(error))])
}

fn differences(before: &Texts, after: &Texts) -> Vec<Change> {
    let mut changes = Vec::new();
    let whole = |task_id: &String, before, after| Change {
        task_id: task_id.clone(),
        field: None,
        before,
        after,
    };
    for (task_id, fields) in before {
        let Some(now) = after.get(task_id) else {
            changes.push(whole(task_id, Some(Value::Object(fields.clone())), None));
            continue;
        };
        let names = fields.keys().chain(now.keys().filter(|name| !fields.contains_key(*name)));
        for name in names.filter(|name| fields.get(*name) != now.get(*name)) {
            changes.push(Change {
                task_id: task_id.clone(),
                field: Some(name.clone()),
                before: fields.get(name).cloned(),
                after: now.get(name).cloned(),
            });
        }
    }
    for (task_id, fields) in after.iter().filter(|(task_id, _)| !before.contains_key(*task_id)) {
        changes.push(whole(task_id, None, Some(Value::Object(fields.clone()))));
    }
    changes
}

/// A change as two stretches of lines, the same lines at their ends left out.
fn lines(change: &Change) -> String {
    let Some(field) = &change.field else {
        let sign = if change.after.is_some() { '+' } else { '-' };
        return format!("  {sign} task {}", change.task_id);
    };
    let text = |value: &Option<Value>| match value {
        None => Vec::new(),
        Some(Value::String(text)) => text.lines().map(str::to_owned).collect(),
        Some(other) => vec![other.to_string()],
    };
    let (before, after) = (text(&change.before), text(&change.after));
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before[same..].iter().rev().zip(after[same..].iter().rev());
    let tail = rest.take_while(|(a, b)| a == b).count();
    let mut out = format!("  {}.{field}", change.task_id);
    for (sign, lines) in [('-', &before), ('+', &after)] {
        for line in &lines[same..lines.len() - tail] {
            out.push_str("\n    ");
            out.push(sign);
            out.push(' ');
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: Value) -> Texts {
        serde_json::from_value(json).expect("texts")
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = texts(json!({"a": {"x": "1\n2\n3", "y": 1}, "b": {"x": "same"}, "gone": {}}));
        let after =
            texts(json!({"a": {"x": "1\nzwei\n3", "z": [1]}, "b": {"x": "same"}, "new": {}}));
        let shown: Vec<String> = differences(&before, &after).iter().map(lines).collect();
        assert_eq!(
            shown,
            [
                "  a.x\n    - 2\n    + zwei",
                "  a.y\n    - 1",
                "  a.z\n    + [1]",
                "  - task gone",
                "  + task new",
            ]
        );
    }
}
