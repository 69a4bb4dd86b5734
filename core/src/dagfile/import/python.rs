//! Tasks that call a Python function: they keep their place in the graph, and nothing more.
//!
//! Must not look for the function; nothing of Python is ever read.

use super::super::keys::{self, TASK_KEYS};
use super::super::tree::{Entry, Kind, Node};
use super::carry::{Carrier, PLACEHOLDER, entry, scalar};

/// The keys that name a function, in dag-factory's words and in Airflow's.
const CALLS: &[&str] =
    &["decorator", "run", "python_callable", "python_callable_name", "python_callable_file"];

/// Keys of any task that go with the function.
const WITH_IT: &[&str] = &["expand", "partial", "env", "append_env"];

/// Whether a key makes its task the call of a function.
pub(super) fn is_call(key: &str) -> bool {
    CALLS.contains(&key)
}

impl Carrier<'_, '_, '_> {
    /// A task in the place of one that calls a function: after the same tasks, also those whose
    /// results were its arguments.
    pub(super) fn python(&mut self, name: &str, node: &Node, call: &Entry, named: &[&str]) -> Node {
        let head = node.span.head();
        let mut task = vec![entry("operator", call.key_span, scalar(head, PLACEHOLDER))];
        let mut lost: Vec<&str> = Vec::new();
        for old in node.map().unwrap_or_default() {
            let key = old.key.as_str();
            if named.contains(&key) || ["operator", "type", "uses"].contains(&key) {
                continue;
            }
            let is_ours = keys::find(TASK_KEYS, key).is_some() && !WITH_IT.contains(&key);
            if is_ours {
                self.known(&mut task, old, TASK_KEYS, &format!("task \"{name}\""));
            } else {
                self.values.value(&old.value);
                lost.push(key);
            }
        }
        let lost = lost.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let message = format!(
            "task \"{name}\" (it stands as an `{PLACEHOLDER}` one) cannot be carried over: it calls a function of Python ({lost})"
        );
        self.values
            .report
            .warning(call.key_span, "not-carried", message)
            .help("write a `python` task with its own `script` or `code`, or a `bash` one that starts the program");
        self.add_inputs(&mut task, head);
        Node { span: node.span, kind: Kind::Map(task) }
    }
}
