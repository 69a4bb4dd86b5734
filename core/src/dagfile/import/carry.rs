//! A DAG of another dialect → the same in canonical keys, with all places kept.
//!
//! What has no meaning here is reported where it stands. Whether the values are right is left to
//! the reader of DAG files.

use super::super::keys::{self, DAG_KEYS, GROUP_KEYS, Key, Support, TASK_KEYS};
use super::super::report::Report;
use super::super::source::Span;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::Dialect;
use super::marks::{Values, tidy};
use super::python;
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

/// How messages name the `default_args`.
const DEFAULT_ARGS: &str = "default_args";

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
            "schedule" | "schedule_interval" | "timetable" => carrier.when(&mut entries, old, body),
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
                        let body = carrier.task(&member.key, &member.value, &[]);
                        entry(&member.key, member.key_span, body)
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

pub(super) struct Carrier<'r, 'a, 'n> {
    pub(super) values: Values<'r, 'a, 'n>,
}

impl Carrier<'_, '_, '_> {
    pub(super) fn lost(&mut self, old: &Entry, owner: &str, help: &str) {
        let message = format!("`{}` of {owner} cannot be carried over", old.key);
        self.values.report.warning(old.key_span, "not-carried", message).help(help);
    }

    /// Takes a key over under its canonical name, or says why not.
    pub(super) fn known(
        &mut self,
        to: &mut Vec<Entry>,
        old: &Entry,
        table: &'static [Key],
        owner: &str,
    ) {
        let word = RESPELT.iter().find(|(word, _)| *word == old.key);
        let word = word.map_or(old.key.as_str(), |(_, canonical)| canonical);
        if IDLE.contains(&word) || word.starts_with("x-") {
            return;
        }
        let Some(key) = keys::find(table, word) else {
            let hint = did_you_mean(word, keys::names(table));
            let is_dags = owner == DEFAULT_ARGS && keys::find(DAG_KEYS, word).is_some();
            let help = if is_dags {
                format!("`default_args` are keys of tasks; write `{word}` into the DAG itself")
            } else {
                format!("there is no such key{hint}")
            };
            self.lost(old, owner, &help);
            return;
        };
        match key.support {
            Support::Silent => {}
            Support::Foreign(instead) => self.lost(old, owner, instead),
            Support::Later | Support::Read => {
                let mut value = self.values.value(&old.value);
                if key.name == "needs" {
                    tidy_names(&mut value);
                }
                add(to, entry(key.name, old.key_span, value));
            }
        }
    }

    /// The schedule, and the DAG's keys that go with its timetable.
    fn when(&mut self, to: &mut Vec<Entry>, old: &Entry, body: &Node) {
        let found = self.values.schedule(&old.value);
        add(to, entry("schedule", old.key_span, found.schedule));
        if found.data_intervals {
            let on = Kind::Scalar(Scalar { text: "true".to_owned(), style: Style::Plain });
            add(to, entry("data_intervals", old.key_span, Node { span: old.value.span, kind: on }));
        }
        let Some(zone) = found.zone else { return };
        let of_args = body.get("default_args").and_then(|args| args.get("timezone"));
        let own = body.get("timezone").or(of_args).and_then(Node::text);
        match (own, zone.text()) {
            (Some(own), Some(other)) if own != other => {
                let message = format!("the zone {other} of the timetable cannot be carried over");
                self.values
                    .report
                    .warning(zone.span, "not-carried", message)
                    .help(format!("a DAG has one zone, and this one says {own}"));
            }
            (Some(_), _) => {}
            (None, _) => add(to, entry("timezone", old.key_span, zone)),
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
                self.known(&mut args, old, TASK_KEYS, DEFAULT_ARGS);
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
                .map(|member| {
                    let body = self.task(&member.key, &member.value, &[]);
                    entry(&self.task_id(&member.key, member.key_span), member.key_span, body)
                })
                .collect();
            return Node { span: node.span, kind: Kind::Map(tasks) };
        };
        let mut tasks: Vec<Entry> = Vec::new();
        let mut is_unique = true;
        for item in items {
            let (name, at) =
                name_of(item, &["task_id", "id"]).unwrap_or(("task", item.span.head()));
            let task = self.task(name, item, &["task_id", "id"]);
            let name = self.task_id(name, at);
            is_unique &= tasks.iter().all(|other| other.key != name);
            tasks.push(entry(&name, at, task));
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

    /// A task's name, as it may stand here.
    fn task_id(&mut self, name: &str, at: Span) -> String {
        let tidy = tidy(name);
        if tidy != name {
            self.values
                .report
                .warning(at, "not-carried", format!("the task \"{name}\" is now named \"{tidy}\""))
                .help("a task_id has letters, digits, `_`, `-` and `.`; for people write `task_display_name`");
        }
        tidy
    }

    /// The keys of a task, without those in `named`.
    fn task(&mut self, name: &str, node: &Node, named: &[&str]) -> Node {
        self.values.inputs.clear();
        let entries = node.map().unwrap_or_default();
        if let Some(call) = entries.iter().find(|entry| python::is_call(&entry.key)) {
            return self.python(name, node, call, named);
        }
        let owner = format!("task \"{name}\"");
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
                        self.task_key(&mut task, old, spec, &owner);
                    }
                }
                _ => self.task_key(&mut task, old, spec, &owner),
            }
        }
        self.add_inputs(&mut task, node.span.head());
        Node { span: node.span, kind: Kind::Map(task) }
    }

    fn task_key(
        &mut self,
        to: &mut Vec<Entry>,
        old: &Entry,
        spec: Option<&'static OperatorSpec>,
        owner: &str,
    ) {
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
                // Nobody knows the operator: the whole task will be replaced, after those whose
                // results it takes.
                let value = self.values.value(&old.value);
                add(to, Entry { value, ..old.clone() });
            }
            _ => self.known(to, old, TASK_KEYS, owner),
        }
    }

    /// Whoever takes a task's result comes after it.
    pub(super) fn add_inputs(&mut self, task: &mut Vec<Entry>, at: Span) {
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

pub(super) fn entry(key: &str, key_span: Span, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_span, value }
}

pub(super) fn scalar(span: Span, text: &str) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: text.to_owned(), style: Style::Quoted }) }
}

/// Names of tasks as they may stand here.
fn tidy_names(node: &mut Node) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(tidy_names),
        Kind::Scalar(scalar) => scalar.text = tidy(&scalar.text),
        Kind::Map(_) | Kind::Raw(_) => {}
    }
}

/// Of two spellings of one key the first counts, as it stands.
pub(super) fn add(to: &mut Vec<Entry>, new: Entry) {
    if to.iter().all(|entry| entry.key != new.key) {
        to.push(new);
    }
}
