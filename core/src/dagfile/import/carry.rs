//! A DAG of another dialect → the same in canonical keys, with all places kept.
//!
//! What has no meaning here is reported where it stands. Whether the values are right is left to
//! the reader of DAG files.

use super::super::keys::{self, DAG_KEYS, GROUP_KEYS, Key, Support, TASK_KEYS};
use super::super::report::Report;
use super::super::source::Span;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::Dialect;
use super::marks::Values;
use crate::operator::{self, OperatorSpec};
use crate::suggest::did_you_mean;

/// Keys of the other dialects that say nothing about a run.
const IDLE: &[&str] = &["$schema", "compatibility_date", "file_path"];

/// Spellings of dag-factory that are not among the aliases.
const RESPELT: &[(&str, &str)] = &[
    ("dagrun_timeout_sec", "dagrun_timeout"),
    ("execution_timeout_secs", "execution_timeout"),
    ("retry_delay_secs", "retry_delay"),
    ("group_name", "group_id"),
];

/// What a task that cannot be carried over becomes.
pub(super) const PLACEHOLDER: &str = "empty";

/// Rewrites a DAG.
pub(super) fn dag(
    report: &mut Report<'_>,
    dialect: Dialect,
    dag_id: &str,
    at: Span,
    body: &Node,
) -> Node {
    let mut names = Vec::new();
    task_names(body, &mut names);
    let values = Values { report, dialect, tasks: &names, inputs: Vec::new() };
    let mut carrier = Carrier { values };
    let mut entries = vec![entry("dag_id", at, scalar(at, dag_id))];
    for old in body.map().unwrap_or_default() {
        match old.key.as_str() {
            "dag_id" => {}
            "schedule" | "schedule_interval" => {
                let value = carrier.schedule(&old.value);
                add(&mut entries, entry("schedule", old.key_span, value));
            }
            "tasks" => add(&mut entries, entry("tasks", old.key_span, carrier.tasks(&old.value))),
            "task_groups" => {
                let groups = carrier.groups(&old.value);
                add(&mut entries, entry("task_groups", old.key_span, groups));
            }
            "default_args" => {
                let args = carrier.default_args(&old.value);
                add(&mut entries, entry("default_args", old.key_span, args));
            }
            "templates" => {
                let members = old.value.map().unwrap_or_default().iter();
                let templates = members
                    .map(|member| {
                        entry(&member.key, member.key_span, carrier.task(&member.value, &[]))
                    })
                    .collect();
                let map = Node { span: old.value.span, kind: Kind::Map(templates) };
                add(&mut entries, entry("templates", old.key_span, map));
            }
            _ => carrier.known(&mut entries, old, DAG_KEYS, "the DAG"),
        }
    }
    let order = |entry: &Entry| DAG_KEYS.iter().position(|key| key.name == entry.key);
    entries.sort_by_key(order);
    Node { span: body.span, kind: Kind::Map(entries) }
}

/// The names of all tasks, also of those in groups.
fn task_names(node: &Node, names: &mut Vec<String>) {
    match node.get("tasks").map(|tasks| &tasks.kind) {
        Some(Kind::Map(tasks)) => names.extend(tasks.iter().map(|task| task.key.clone())),
        Some(Kind::List(tasks)) => names.extend(
            tasks.iter().filter_map(|task| Some(name_of(task, &["task_id", "id"])?.0.to_owned())),
        ),
        _ => {}
    }
    let groups = node.get("task_groups").map(|groups| &groups.kind);
    match groups {
        Some(Kind::Map(groups)) => groups.iter().for_each(|g| task_names(&g.value, names)),
        Some(Kind::List(groups)) => groups.iter().for_each(|group| task_names(group, names)),
        _ => {}
    }
}

fn name_of<'n>(node: &'n Node, words: &[&str]) -> Option<(&'n str, Span)> {
    let found = words.iter().find_map(|word| node.get(word))?;
    Some((found.text()?, found.span))
}

struct Carrier<'r, 'a, 'n> {
    values: Values<'r, 'a, 'n>,
}

impl Carrier<'_, '_, '_> {
    fn lost(&mut self, old: &Entry, owner: &str, help: &str) {
        let message = format!("`{}` of {owner} cannot be carried over", old.key);
        self.values.report.warning(old.key_span, "not-carried", message).help(help);
    }

    /// Takes a key over under its canonical name, or says why not.
    fn known(&mut self, to: &mut Vec<Entry>, old: &Entry, table: &'static [Key], owner: &str) {
        let word = RESPELT.iter().find(|(word, _)| *word == old.key);
        let word = word.map_or(old.key.as_str(), |(_, canonical)| canonical);
        if IDLE.contains(&word) || word.starts_with("x-") {
            return;
        }
        let Some(key) = keys::find(table, word) else {
            let hint = did_you_mean(word, keys::names(table));
            self.lost(old, owner, &format!("there is no such key{hint}"));
            return;
        };
        match key.support {
            Support::Silent => {}
            Support::Foreign(instead) => self.lost(old, owner, instead),
            Support::Later | Support::Read => {
                let value = self.values.value(&old.value);
                add(to, entry(key.name, old.key_span, value));
            }
        }
    }

    /// A list of addresses is a schedule by assets.
    fn schedule(&mut self, node: &Node) -> Node {
        let assets = match &node.kind {
            Kind::List(_) => Some(node),
            Kind::Map(_) => node.get("datasets").or_else(|| node.get("assets")),
            _ => None,
        };
        match assets {
            Some(assets) => {
                let value = self.values.value(assets);
                let entries = vec![entry("assets", node.span.head(), value)];
                Node { span: node.span, kind: Kind::Map(entries) }
            }
            None => self.values.value(node),
        }
    }

    fn default_args(&mut self, node: &Node) -> Node {
        let mut args = Vec::new();
        for old in node.map().unwrap_or_default() {
            let is_dags = ["start_date", "end_date", "timezone"].contains(&old.key.as_str());
            let is_operators = operator::OPERATORS
                .iter()
                .flat_map(|spec| spec.fields)
                .any(|field| field.name == old.key || field.aliases.contains(&old.key.as_str()));
            if is_dags || (is_operators && keys::find(TASK_KEYS, &old.key).is_none()) {
                add(&mut args, Entry { value: self.values.value(&old.value), ..old.clone() });
            } else {
                self.known(&mut args, old, TASK_KEYS, "default_args");
            }
        }
        self.values.inputs.clear();
        Node { span: node.span, kind: Kind::Map(args) }
    }

    /// Tasks by name; as a list where two groups have a task of the same name.
    fn tasks(&mut self, node: &Node) -> Node {
        let Kind::List(items) = &node.kind else {
            let members = node.map().unwrap_or_default().iter();
            let tasks = members
                .map(|member| entry(&member.key, member.key_span, self.task(&member.value, &[])))
                .collect();
            return Node { span: node.span, kind: Kind::Map(tasks) };
        };
        let mut tasks: Vec<Entry> = Vec::new();
        let mut is_unique = true;
        for item in items {
            let (name, at) =
                name_of(item, &["task_id", "id"]).unwrap_or(("task", item.span.head()));
            let task = self.task(item, &["task_id", "id"]);
            is_unique &= tasks.iter().all(|other| other.key != name);
            tasks.push(entry(name, at, task));
        }
        if is_unique {
            return Node { span: node.span, kind: Kind::Map(tasks) };
        }
        let listed = |task: Entry| {
            let mut entries =
                vec![entry("task_id", task.key_span, scalar(task.key_span, &task.key))];
            entries.extend(task.value.map().unwrap_or_default().iter().cloned());
            Node { span: task.value.span, kind: Kind::Map(entries) }
        };
        Node { span: node.span, kind: Kind::List(tasks.into_iter().map(listed).collect()) }
    }

    /// The keys of a task, without those in `named`.
    fn task(&mut self, node: &Node, named: &[&str]) -> Node {
        self.values.inputs.clear();
        let entries = node.map().unwrap_or_default();
        let word = entries.iter().find(|e| ["operator", "type", "uses"].contains(&e.key.as_str()));
        let spec = word.and_then(|word| operator::find(word.value.text()?));
        let mut task = Vec::new();
        if let Some(word) = word {
            let name = spec.map(|spec| scalar(word.value.span, spec.name));
            let value = name.unwrap_or_else(|| word.value.clone());
            add(&mut task, entry("operator", word.key_span, value));
        }
        for old in entries.iter().filter(|old| !named.contains(&old.key.as_str())) {
            match (old.key.as_str(), &old.value.kind) {
                ("operator" | "type" | "uses", _) => {}
                ("with", Kind::Map(inner)) => {
                    for old in inner {
                        self.task_key(&mut task, old, spec);
                    }
                }
                ("run" | "decorator" | "python_callable", _) if word.is_none() => {
                    self.lost(old, "a task", "Python functions cannot be called from here; write a `bash` or `python` task");
                    if task.iter().all(|own| own.key != "operator") {
                        let value = scalar(old.value.span, PLACEHOLDER);
                        task.insert(0, entry("operator", old.key_span, value));
                    }
                }
                _ => self.task_key(&mut task, old, spec),
            }
        }
        self.add_inputs(&mut task, node.span.head());
        Node { span: node.span, kind: Kind::Map(task) }
    }

    fn task_key(&mut self, to: &mut Vec<Entry>, old: &Entry, spec: Option<&'static OperatorSpec>) {
        let field = spec.and_then(|spec| {
            spec.fields
                .iter()
                .find(|field| field.name == old.key || field.aliases.contains(&old.key.as_str()))
        });
        match field {
            Some(field) if keys::find(TASK_KEYS, &old.key).is_none() => {
                let value = self.values.value(&old.value);
                add(to, entry(field.name, old.key_span, value));
            }
            _ if spec.is_none() && keys::find(TASK_KEYS, &old.key).is_none() => {
                // Nobody knows the operator: the whole task will be replaced.
                add(to, old.clone());
            }
            _ => self.known(to, old, TASK_KEYS, "a task"),
        }
    }

    /// Whoever takes a task's result comes after it.
    fn add_inputs(&mut self, task: &mut Vec<Entry>, at: Span) {
        let inputs = std::mem::take(&mut self.values.inputs);
        if inputs.is_empty() {
            return;
        }
        let mut needs: Vec<Node> = Vec::new();
        if let Some(own) = task.iter().find(|entry| entry.key == "needs") {
            match &own.value.kind {
                Kind::List(items) => needs.extend(items.iter().cloned()),
                _ => needs.push(own.value.clone()),
            }
        }
        for input in inputs {
            if !needs.iter().any(|need| need.text() == Some(&input)) {
                needs.push(scalar(at, &input));
            }
        }
        task.retain(|entry| entry.key != "needs");
        let place = task.len().min(1);
        task.insert(place, entry("needs", at, Node { span: at, kind: Kind::List(needs) }));
    }

    fn groups(&mut self, node: &Node) -> Node {
        const NAMES: [&str; 3] = ["group_id", "group_name", "id"];
        let mut groups = Vec::new();
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    let (name, at) = name_of(item, &NAMES).unwrap_or(("group", item.span.head()));
                    groups.push(entry(name, at, self.group(item, &NAMES)));
                }
            }
            _ => {
                for member in node.map().unwrap_or_default() {
                    groups.push(entry(
                        &member.key,
                        member.key_span,
                        self.group(&member.value, &[]),
                    ));
                }
            }
        }
        Node { span: node.span, kind: Kind::Map(groups) }
    }

    fn group(&mut self, node: &Node, named: &[&str]) -> Node {
        let mut group = Vec::new();
        for old in node.map().unwrap_or_default() {
            match old.key.as_str() {
                key if named.contains(&key) => {}
                "tasks" => add(&mut group, entry("tasks", old.key_span, self.tasks(&old.value))),
                "task_groups" => {
                    let inner = self.groups(&old.value);
                    add(&mut group, entry("task_groups", old.key_span, inner));
                }
                "default_args" => {
                    let args = self.default_args(&old.value);
                    add(&mut group, entry("default_args", old.key_span, args));
                }
                _ => self.known(&mut group, old, GROUP_KEYS, "a task group"),
            }
        }
        Node { span: node.span, kind: Kind::Map(group) }
    }
}

fn entry(key: &str, key_span: Span, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_span, value }
}

fn scalar(span: Span, text: &str) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: text.to_owned(), style: Style::Quoted }) }
}

/// Of two spellings of one key the first counts, as it stands.
fn add(to: &mut Vec<Entry>, new: Entry) {
    if to.iter().all(|entry| entry.key != new.key) {
        to.push(new);
    }
}
