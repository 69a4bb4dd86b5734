//! How rendered tasks are shown: for people with long texts as blocks, and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::rendering::{ITEMS_MAX, Rendering, Shown, TaskResult};
use crate::failure::Failure;
use crate::output::print;

/// The tasks of one date as JSON: a mapped task has `items`, each with its `map_index` and `label`.
pub(crate) fn record(rendering: &Rendering<'_>, results: &[Shown]) -> Value {
    let mut tasks = Map::new();
    for task in results {
        let value = match task.items.as_slice() {
            [(None, result)] => json_of(result),
            items => {
                let item = |(map_index, result): &(Option<u32>, TaskResult)| {
                    let mut value = json_of(result);
                    value["map_index"] = json!(map_index);
                    value
                };
                let items: Vec<Value> = items.iter().map(item).collect();
                json!({ "count": task.count, "items": items })
            }
        };
        tasks.insert(task.task_id.clone(), value);
    }
    let run = rendering.run_row();
    json!({
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "logical_date": super::runs::time(run.logical_date),
        "data_interval_start": super::runs::time(run.data_interval_start),
        "data_interval_end": super::runs::time(run.data_interval_end),
        "tasks": tasks,
    })
}

fn json_of(result: &TaskResult) -> Value {
    match result {
        TaskResult::Rendered { shown, label, placeholders } => {
            let mut value = json!({ "rendered": shown, "placeholders": placeholders });
            if let Some(label) = label {
                value["label"] = json!(label);
            }
            value
        }
        TaskResult::NeedsXCom { placeholders, error } => {
            json!({ "unknown": error, "placeholders": placeholders })
        }
        TaskResult::Wrong(error) => json!({ "error": error }),
    }
}

/// Prints the tasks of one date.
pub(crate) fn show(rendering: &Rendering<'_>, results: &[Shown]) -> Result<(), Failure> {
    let run = rendering.run_row();
    let time = |at| super::runs::time(at).unwrap_or_default();
    print(&format!(
        "dag {}  run {}\nlogical date {}  data interval {} to {}",
        run.dag_id,
        run.run_id,
        time(run.logical_date),
        time(run.data_interval_start),
        time(run.data_interval_end),
    ))?;
    let mut unknown = BTreeSet::new();
    for task in results {
        for (map_index, result) in &task.items {
            let name = task.name(*map_index);
            match result {
                TaskResult::Rendered { shown, label, placeholders } => {
                    let label = label.as_ref().map(|label| format!("  {label}"));
                    print(&format!("\n{name}{}", label.unwrap_or_default()))?;
                    print(indented(shown).trim_end_matches('\n'))?;
                    unknown.extend(placeholders.iter().cloned());
                }
                TaskResult::NeedsXCom { placeholders, error } => {
                    let names = placeholders.join(", ");
                    print(&format!("\n{name}\n  known only in a run ({names}): {error}"))?;
                }
                TaskResult::Wrong(error) => print(&format!("\n{name}\n  error: {error}"))?,
            }
        }
        if let Some(note) = note(task) {
            print(&note)?;
        }
    }
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.into_iter().collect();
        print(&format!(
            "\nplaceholders: {}; give them by --var, --xcom or the environment",
            names.join(", ")
        ))?;
    }
    print("")
}

/// What should be known about the items of a mapped task that are not shown.
fn note(task: &Shown) -> Option<String> {
    let name = &task.task_id;
    match (task.count, task.items.as_slice()) {
        (Some(0), _) => Some(format!("\n{name}\n  it has no items: the task is skipped")),
        (Some(count), [_, _, ..]) if task.is_cut() => Some(format!(
            "\n{name} has {count} items; the first {ITEMS_MAX} are shown, --map-index N shows another"
        )),
        (None, [(Some(_), _)]) => Some(format!(
            "  how many items \"{name}\" has is known only in a run; give what it is expanded over by --xcom"
        )),
        _ => None,
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Fields as YAML shows them: long texts as blocks.
fn indented(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        match value {
            Value::String(block) if block.contains('\n') => {
                push(&mut text, format_args!("  {name}: |"));
                for line in block.lines() {
                    push(&mut text, format_args!("    {line}"));
                }
            }
            Value::String(line) => push(&mut text, format_args!("  {name}: {line}")),
            Value::Object(map) if !map.is_empty() => {
                push(&mut text, format_args!("  {name}:"));
                for line in indented(map).lines() {
                    push(&mut text, format_args!("  {line}"));
                }
            }
            other => push(&mut text, format_args!("  {name}: {other}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_blocks() {
        let Value::Object(fields) = json!({"a": "x\ny", "b": 1, "env": {"K": "v\nw"}}) else {
            panic!("an object")
        };
        let expected = "  a: |\n    x\n    y\n  b: 1\n  env:\n    K: |\n      v\n      w\n";
        assert_eq!(indented(&fields), expected);
    }
}
