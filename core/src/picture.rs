//! A DAG's graph as text, DOT, Mermaid and JSON.
//!
//! Pure text making; must not decide anything about runs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::dag::{Dag, Task, TaskIndex};
use crate::operator::branch;
use crate::state::TriggerRule;

/// A line for each task, upstreams first: its depth, its operator, what it comes after.
pub fn text(dag: &Dag) -> String {
    let (levels, order) = levels(dag);
    let widest = |of: &dyn Fn(&Task) -> usize| dag.tasks.iter().map(of).max().unwrap_or(0);
    let name_width = widest(&|task| task.task_id.as_str().chars().count());
    let operator_width = widest(&|task| task.operator.chars().count());
    let edges = dag.graph.edge_count();
    let depth = levels.iter().max().map_or(0, |level| level + 1);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}: {} tasks, {edges} edges, {depth} deep", dag.dag_id, dag.tasks.len());
    for at in order {
        let task = &dag.tasks[at];
        let mut notes = Vec::new();
        if let Some(rule) = unusual_rule(task) {
            notes.push(rule.to_string());
        }
        let needs = names(dag, &dag.upstream(at));
        if !needs.is_empty() {
            notes.push(format!("after {}", needs.join(", ")));
        }
        if let Some(chooses) = chooses(task) {
            notes.push(format!("chooses {}", chooses.join(" | ")));
        }
        if task.when.is_some() {
            notes.push("only `when`".to_owned());
        }
        let line = format!(
            "{:>3}  {:name_width$}  {:operator_width$}  {}",
            levels[at],
            task.task_id.as_str(),
            task.operator,
            notes.join("; ")
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Graphviz.
pub fn dot(dag: &Dag) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out =
        format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quote(dag.dag_id.as_str()));
    for task in &dag.tasks {
        let mut label = format!("{}\\n{}", task.task_id, task.operator);
        if let Some(rule) = unusual_rule(task) {
            let _ = write!(label, "\\n{rule}");
        }
        let shape = if is_decision(task) { ", shape=diamond" } else { "" };
        let id = quote(task.task_id.as_str());
        let _ = writeln!(out, "  {id} [label=\"{label}\"{shape}];");
    }
    for (up, down) in edges(dag) {
        let (up, down) = (&dag.tasks[up].task_id, &dag.tasks[down].task_id);
        let _ = writeln!(out, "  {} -> {};", quote(up.as_str()), quote(down.as_str()));
    }
    out.push_str("}\n");
    out
}

/// Mermaid, as Markdown pages show it.
pub fn mermaid(dag: &Dag) -> String {
    let mut out = String::from("flowchart LR\n");
    for (at, task) in dag.tasks.iter().enumerate() {
        let mut label = task.task_id.to_string();
        if let Some(rule) = unusual_rule(task) {
            let _ = write!(label, "<br/>{rule}");
        }
        let _ = if is_decision(task) {
            writeln!(out, "  t{at}{{\"{label}\"}}")
        } else {
            writeln!(out, "  t{at}[\"{label}\"]")
        };
    }
    for (up, down) in edges(dag) {
        let _ = writeln!(out, "  t{up} --> t{down}");
    }
    out
}

/// Tasks and edges, for programs.
pub fn json(dag: &Dag) -> Value {
    let (levels, _) = levels(dag);
    let tasks: Vec<Value> = dag
        .tasks
        .iter()
        .enumerate()
        .map(|(at, task)| {
            json!({
                "task_id": task.task_id,
                "operator": task.operator,
                "trigger_rule": task.trigger_rule,
                "level": levels[at],
                "needs": names(dag, &dag.upstream(at)),
                "chooses": chooses(task),
                "when": task.when,
            })
        })
        .collect();
    let edges: Vec<Value> = edges(dag)
        .into_iter()
        .map(|(up, down)| json!([dag.tasks[up].task_id, dag.tasks[down].task_id]))
        .collect();
    json!({ "dag_id": dag.dag_id, "tasks": tasks, "edges": edges })
}

/// The longest way to each task, and the tasks by it, then in file order.
fn levels(dag: &Dag) -> (Vec<usize>, Vec<TaskIndex>) {
    let mut levels = vec![0; dag.tasks.len()];
    for node in petgraph::algo::toposort(&dag.graph, None).unwrap_or_default() {
        let at = node.index();
        levels[at] = dag.upstream(at).into_iter().map(|up| levels[up] + 1).max().unwrap_or(0);
    }
    let mut order: Vec<TaskIndex> = (0..dag.tasks.len()).collect();
    order.sort_by_key(|&at| (levels[at], at));
    (levels, order)
}

fn edges(dag: &Dag) -> Vec<(TaskIndex, TaskIndex)> {
    let below = |at: TaskIndex| dag.downstream(at).into_iter().map(move |down| (at, down));
    (0..dag.tasks.len()).flat_map(below).collect()
}

fn names(dag: &Dag, tasks: &[TaskIndex]) -> Vec<String> {
    tasks.iter().map(|&at| dag.tasks[at].task_id.to_string()).collect()
}

/// A rule that is worth a word.
fn unusual_rule(task: &Task) -> Option<TriggerRule> {
    let usual =
        if task.is_teardown { TriggerRule::AllDoneSetupSuccess } else { TriggerRule::AllSuccess };
    Some(task.trigger_rule).filter(|rule| *rule != usual)
}

fn is_decision(task: &Task) -> bool {
    matches!(task.operator.as_str(), "branch" | "short_circuit" | "latest_only")
}

/// The literal choices of a branch, in order, without repetition.
fn chooses(task: &Task) -> Option<Vec<String>> {
    let lines = branch::choices(task.config.get("choose")?).ok()?;
    let mut found: Vec<String> = Vec::new();
    for line in lines {
        let set = if line.then.is_empty() { "nothing".to_owned() } else { line.then.join(" and ") };
        if !found.contains(&set) {
            found.push(set);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dagfile::{Known, SourceFile, read};
    use crate::timetable::Zones;

    const FLOW: &str = "dag_id: flow
schedule: null
tasks:
  a: {operator: bash, bash_command: echo}
  pick: {operator: branch, needs: [a], choose: [{when: 'true', then: b}, {else: [c]}]}
  b: {operator: bash, needs: [pick], bash_command: echo}
  c: {operator: empty, needs: [pick], when: 'true'}
  end: {operator: empty, needs: [b, c], trigger_rule: none_failed_min_one_success}
";

    fn dag() -> Dag {
        let zones = Zones::bundled();
        let file = SourceFile { name: "f".into(), text: FLOW.into(), files: BTreeMap::new() };
        read(&file, &Known::new(&zones)).remove(0).dag.expect("it loads")
    }

    #[test]
    fn a_graph_has_four_forms() {
        assert_eq!(
            text(&dag()),
            "flow: 5 tasks, 5 edges, 4 deep
  0  a     bash
  1  pick  branch  after a; chooses b | c
  2  b     bash    after pick
  2  c     empty   after pick; only `when`
  3  end   empty   none_failed_min_one_success; after b, c
"
        );
        assert_eq!(
            mermaid(&dag()),
            "flowchart LR
  t0[\"a\"]
  t1{\"pick\"}
  t2[\"b\"]
  t3[\"c\"]
  t4[\"end<br/>none_failed_min_one_success\"]
  t0 --> t1
  t1 --> t2
  t1 --> t3
  t2 --> t4
  t3 --> t4
"
        );
        let dot = dot(&dag());
        assert!(dot.contains("  \"pick\" [label=\"pick\\nbranch\", shape=diamond];\n"), "{dot}");
        assert!(dot.contains("  \"b\" -> \"end\";\n") && dot.ends_with("}\n"), "{dot}");
        let json = json(&dag());
        assert_eq!(json["edges"][0], serde_json::json!(["a", "pick"]));
        assert_eq!(json["tasks"][1]["chooses"], serde_json::json!(["b", "c"]));
        assert_eq!(json["tasks"][4]["level"], 3);
    }
}
