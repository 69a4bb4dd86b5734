//! The outline of a DAG: which tasks there are, in which groups, under which names.
//!
//! Tasks may be a map or a list, stand in the DAG or in a group, and name their group; afterwards
//! they are one list of drafts. Must not read a task's own keys.

use std::collections::HashMap;

use crate::dag::TaskGroup;
use crate::ids::TaskId;

use super::fields::{self, Fields, Owner};
use super::keys::GROUP_KEYS;
use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::did_you_mean;

/// The most tasks in one DAG.
pub(crate) const TASKS_MAX: usize = 5_000;

/// A task before its keys are read.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) id: TaskId,
    pub(crate) id_span: Span,
    pub(crate) entries: &'a [Entry],
    pub(crate) group: Option<usize>,
}

/// A group of tasks.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// Its whole name, `outer.inner`.
    pub(crate) id: String,
    /// Its own name.
    label: &'a str,
    pub(crate) parent: Option<usize>,
    /// What its tasks are named after: its own or the nearest prefixing parent's name and a dot.
    prefix: String,
    tooltip: Option<String>,
    pub(crate) needs: Option<&'a Node>,
    pub(crate) defaults: Option<&'a Node>,
    pub(crate) expand: Option<&'a Node>,
    pub(crate) partial: Option<&'a Node>,
}

/// All tasks and groups of a DAG.
#[derive(Debug, Default)]
pub(crate) struct Outline<'a> {
    pub(crate) drafts: Vec<Draft<'a>>,
    pub(crate) groups: Vec<Group<'a>>,
}

impl<'a> Outline<'a> {
    /// Reads `tasks` and `task_groups` of a DAG.
    pub(crate) fn read(
        report: &mut Report<'_>,
        tasks: Option<&'a Node>,
        groups: Option<&'a Node>,
    ) -> Self {
        let mut outline = Self::default();
        let mut bodies = Vec::new();
        if let Some(groups) = groups {
            outline.add_groups(report, groups, None, &mut bodies);
        }
        outline.link_parents(report, &bodies);
        if let Some(tasks) = tasks {
            outline.add_tasks(report, tasks, None);
        }
        for body in bodies {
            if let Some(tasks) = body.tasks {
                outline.add_tasks(report, tasks, Some(body.index));
            }
        }
        outline.drafts.sort_by_key(|draft| draft.id_span.start);
        outline
    }

    /// The groups around a task, innermost first.
    pub(crate) fn around(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(group, |at| self.groups[*at].parent)
    }

    /// The group of a name, whole or own.
    pub(crate) fn group(&self, name: &str) -> Option<usize> {
        let whole = self.groups.iter().position(|group| group.id == name);
        whole.or_else(|| self.groups.iter().position(|group| group.label == name))
    }

    /// The groups with their tasks; a draft's place is its task's.
    pub(crate) fn task_groups(&self) -> Vec<TaskGroup> {
        let mut groups: Vec<TaskGroup> = self
            .groups
            .iter()
            .map(|group| TaskGroup {
                group_id: group.id.clone(),
                tooltip: group.tooltip.clone(),
                tasks: Vec::new(),
            })
            .collect();
        for (task, draft) in self.drafts.iter().enumerate() {
            for group in self.around(draft.group) {
                groups[group].tasks.push(task);
            }
        }
        groups
    }

    fn add_groups(
        &mut self,
        report: &mut Report<'_>,
        node: &'a Node,
        parent: Option<usize>,
        bodies: &mut Vec<Body<'a>>,
    ) {
        for (name, name_span, entries) in
            members(report, node, "task_groups", &["group_id", "group_name", "id"])
        {
            let owner = Owner { kind: "task group", name };
            let fields = fields::read(report, entries, GROUP_KEYS, owner);
            if let Err(error) = TaskId::new(name) {
                let message = error.to_string().replace("task_id", "the task group");
                report.error(name_span, "bad-id", message).help("people read its `tooltip`");
                continue;
            }
            let outer = parent.map_or("", |at| self.groups[at].prefix.as_str());
            let id = format!("{outer}{name}");
            if self.groups.iter().any(|group| group.id == id) {
                let message = format!("a second task group \"{id}\"");
                report.error(name_span, "duplicate-id", message).help("give it another name");
                continue;
            }
            let index = self.groups.len();
            let prefixes = fields
                .value("prefix_group_id")
                .and_then(|node| value::truth(report, "prefix_group_id", node))
                .unwrap_or(true);
            self.groups.push(Group {
                prefix: if prefixes { format!("{id}.") } else { outer.to_owned() },
                id,
                label: name,
                parent,
                tooltip: fields
                    .value("tooltip")
                    .and_then(|node| value::text(report, "tooltip", node)),
                needs: fields.node("needs"),
                defaults: fields.node("default_args"),
                expand: fields.node("expand"),
                partial: fields.node("partial"),
            });
            bodies.push(Body {
                index,
                prefixes,
                tasks: fields.node("tasks"),
                parent: parent_name(report, &fields),
            });
            if let Some(inner) = fields.node("task_groups") {
                self.add_groups(report, inner, Some(index), bodies);
            }
        }
    }

    /// Hangs groups that name their parent (dag-factory) below it, and renames them.
    fn link_parents(&mut self, report: &mut Report<'_>, bodies: &[Body<'a>]) {
        for body in bodies {
            let Some((name, span)) = body.parent.clone() else { continue };
            let index = body.index;
            let Some(parent) = self.group(&name).filter(|parent| *parent != index) else {
                let hint = did_you_mean(&name, self.groups.iter().map(|group| group.id.as_str()));
                report
                    .error(
                        span,
                        "unknown-group",
                        format!("there is no task group \"{name}\"{hint}"),
                    )
                    .help("name a group of `task_groups`");
                continue;
            };
            if self.around(Some(parent)).any(|above| above == index) {
                let message = format!(
                    "the task groups \"{name}\" and \"{}\" contain each other",
                    self.groups[index].label
                );
                report.error(span, "group-cycle", message).help("remove one `parent_group_name`");
                continue;
            }
            self.groups[index].parent = Some(parent);
        }
        for body in bodies {
            let order: Vec<usize> = self.around(Some(body.index)).collect();
            let mut prefix = String::new();
            for at in order.into_iter().rev() {
                let id = format!("{prefix}{}", self.groups[at].label);
                let prefixes = bodies.iter().any(|body| body.index == at && body.prefixes);
                if prefixes {
                    prefix = format!("{id}.");
                }
                self.groups[at].id = id;
                self.groups[at].prefix.clone_from(&prefix);
            }
        }
    }

    fn add_tasks(&mut self, report: &mut Report<'_>, node: &'a Node, group: Option<usize>) {
        let mut seen: HashMap<String, Span> =
            self.drafts.iter().map(|draft| (draft.id.as_str().to_owned(), draft.id_span)).collect();
        for (name, id_span, entries) in members(report, node, "tasks", &["task_id", "id"]) {
            let group = named_group(report, self, entries).or(group);
            let prefix = group.map_or("", |at| self.groups[at].prefix.as_str());
            let already = !prefix.is_empty() && name.starts_with(prefix);
            let id = if already { name.to_owned() } else { format!("{prefix}{name}") };
            let id = match TaskId::new(&id) {
                Ok(id) => id,
                Err(error) => {
                    report
                        .error(id_span, "bad-id", error.to_string())
                        .help("for people write `task_display_name`, where any text may stand");
                    continue;
                }
            };
            if let Some(first) = seen.get(id.as_str()) {
                let (line, _) = report.source.position(first.start);
                report
                    .error(id_span, "duplicate-id", format!("a second task \"{id}\""))
                    .help(format!("the first is at line {line}; give one of them another name"));
                continue;
            }
            if self.drafts.len() >= TASKS_MAX {
                report
                    .error(
                        id_span,
                        "too-many-tasks",
                        format!("more than {TASKS_MAX} tasks in one DAG"),
                    )
                    .help("split the DAG");
                return;
            }
            seen.insert(id.as_str().to_owned(), id_span);
            self.drafts.push(Draft { id, id_span, entries, group });
        }
    }
}

/// A group that is being read.
struct Body<'a> {
    index: usize,
    prefixes: bool,
    tasks: Option<&'a Node>,
    parent: Option<(String, Span)>,
}

fn parent_name(report: &mut Report<'_>, fields: &Fields<'_>) -> Option<(String, Span)> {
    let node = fields.value("parent_group_name")?;
    Some((value::text(report, "parent_group_name", node)?, node.span))
}

/// The group that a task names itself.
fn named_group(report: &mut Report<'_>, outline: &Outline<'_>, entries: &[Entry]) -> Option<usize> {
    let words = ["task_group_name", "task_group", "task_group_id"];
    let entry = entries.iter().find(|entry| words.contains(&entry.key.as_str()))?;
    if entry.value.is_null() {
        return None;
    }
    let name = value::text(report, &entry.key, &entry.value)?;
    let found = outline.group(&name);
    if found.is_none() {
        let hint = did_you_mean(&name, outline.groups.iter().map(|group| group.id.as_str()));
        report
            .error(
                entry.value.span,
                "unknown-group",
                format!("there is no task group \"{name}\"{hint}"),
            )
            .help("add it to `task_groups`, or remove the key");
    }
    found
}

/// Name, its place, and keys of each member of a map by name or of a list whose members say theirs.
fn members<'a>(
    report: &mut Report<'_>,
    node: &'a Node,
    key: &str,
    id_keys: &[&str],
) -> Vec<(&'a str, Span, &'a [Entry])> {
    let mut found = Vec::new();
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                match &entry.value.kind {
                    Kind::Map(body) => found.push((entry.key.as_str(), entry.key_span, &body[..])),
                    _ if entry.key.starts_with("x-") => {}
                    _ => {
                        let message = format!(
                            "\"{}\" in `{key}` must be a map of keys, not {}",
                            entry.key,
                            entry.value.describe()
                        );
                        report
                            .error(entry.key_span, "wrong-type", message)
                            .help("write its keys indented below it, at least `operator: …`");
                    }
                }
            }
        }
        Kind::List(items) => {
            for item in items {
                let id = item.map().and_then(|body| {
                    body.iter().find(|entry| id_keys.contains(&entry.key.as_str()))
                });
                match (
                    item.map(),
                    id.and_then(|entry| entry.value.text().map(|text| (text, entry))),
                ) {
                    (Some(body), Some((name, entry))) => found.push((name, entry.value.span, body)),
                    (Some(_), None) => {
                        report
                            .error(
                                item.span.head(),
                                "missing-key",
                                format!("an item of `{key}` has no `{}`", id_keys[0]),
                            )
                            .help(format!("add `{}: name`", id_keys[0]));
                    }
                    _ => value::wrong(
                        report,
                        key,
                        item,
                        "a list of maps",
                        "write the keys of each item below it",
                    ),
                }
            }
        }
        _ if node.is_null() => {}
        _ => value::wrong(
            report,
            key,
            node,
            "a map by name, or a list",
            "write `name: {operator: …}`",
        ),
    }
    found
}
