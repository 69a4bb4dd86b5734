//! References between tasks → edges: names resolved, cycles named, branches checked, priorities.
//!
//! Must not read YAML.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};

use crate::dag::{Task, TaskIndex};
use crate::mapping::Mapping;
use crate::state::{TriggerRule, WeightRule};

use super::expand::Drafted;
use super::groups::Outline;
use super::report::Report;
use super::source::Span;
use super::task::Built;
use super::value;
use crate::suggest::did_you_mean;

/// The names of a DAG's tasks and groups, and the edges so far.
pub(crate) struct Wiring<'o, 'a> {
    outline: &'o Outline<'a>,
    /// In order, so that suggestions do not depend on chance.
    index: BTreeMap<String, TaskIndex>,
    /// upstream → downstream, with the place of the word that says so.
    edges: HashMap<(TaskIndex, TaskIndex), Span>,
    downstream: Vec<Vec<TaskIndex>>,
}

impl<'o, 'a> Wiring<'o, 'a> {
    /// Resolves what tasks and groups need.
    pub(crate) fn new(
        report: &mut Report<'_>,
        outline: &'o Outline<'a>,
        built: &[Built],
        mapped: &[Option<Drafted>],
    ) -> Self {
        let index = built
            .iter()
            .enumerate()
            .map(|(at, b)| (b.task.task_id.as_str().to_owned(), at))
            .collect();
        let mut wiring = Self {
            outline,
            index,
            edges: HashMap::new(),
            downstream: vec![Vec::new(); built.len()],
        };
        let mut later = Vec::new();
        for (at, task) in built.iter().enumerate() {
            for (name, span) in &task.needs {
                match wiring.resolve(name, task.group) {
                    Some(Target::Task(upstream)) => wiring.need(report, built, upstream, at, *span),
                    Some(Target::Group(group)) => {
                        let depth = outline.around(task.group).count();
                        later.push((depth, Downstream::Task(at), group, *span));
                    }
                    None => wiring.unknown(report, task, name, *span),
                }
            }
            for (name, span) in &task.setups {
                match wiring.resolve(name, task.group) {
                    Some(Target::Task(setup)) => wiring.teardown(report, built, setup, at, *span),
                    _ => wiring.unknown(report, task, name, *span),
                }
            }
        }
        for (at, task) in built.iter().enumerate() {
            for (name, span) in task.mapped.iter().flat_map(|mapped| &mapped.from) {
                match wiring.resolve(name, task.group) {
                    Some(Target::Task(upstream)) => {
                        wiring.map_over(report, built, upstream, at, *span);
                    }
                    Some(Target::Group(_)) => map_over_group(report, name, *span),
                    None => wiring.unknown_source(report, name, *span),
                }
            }
        }
        wiring.needs_of_groups(report, built, mapped, later);
        wiring
    }

    /// Resolves needs of and on groups. What a group needs, its first tasks need; needing a group
    /// is needing its last tasks. Which those are depends on the edges inside, so the innermost
    /// come first.
    fn needs_of_groups(
        &mut self,
        report: &mut Report<'_>,
        built: &[Built],
        mapped: &[Option<Drafted>],
        mut later: Vec<(usize, Downstream, usize, Span)>,
    ) {
        let mut on_tasks = Vec::new();
        for (group, body) in self.outline.groups.iter().enumerate() {
            let Some(node) = body.needs else { continue };
            let depth = self.outline.around(body.parent).count();
            for (name, item) in value::texts(report, "needs", node).unwrap_or_default() {
                match self.resolve(&name, body.parent) {
                    Some(Target::Task(upstream)) => {
                        on_tasks.push((depth, group, upstream, item.span));
                    }
                    Some(Target::Group(other)) => {
                        later.push((depth, Downstream::Group(group), other, item.span));
                    }
                    None => self.unknown_to_group(report, &body.id, &name, item.span),
                }
            }
        }
        let sources = self.sources_of_groups(report, mapped);
        let deepest = self.outline.groups.len();
        for depth in (0..=deepest).rev() {
            for (_, group, upstream, span) in sources.iter().filter(|source| source.0 == depth) {
                for at in self.ends(built, *group, true) {
                    self.map_over(report, built, *upstream, at, *span);
                }
            }
            for (_, group, upstream, span) in on_tasks.iter().filter(|need| need.0 == depth) {
                for at in self.ends(built, *group, true) {
                    self.need(report, built, *upstream, at, *span);
                }
            }
            for (_, below, group, span) in later.iter().filter(|need| need.0 == depth) {
                let below = match below {
                    Downstream::Task(at) => vec![*at],
                    Downstream::Group(group) => self.ends(built, *group, true),
                };
                for upstream in self.ends(built, *group, false) {
                    for at in &below {
                        self.need(report, built, upstream, *at, *span);
                    }
                }
            }
        }
    }

    /// What mapped groups are expanded over, with their depth.
    fn sources_of_groups(
        &self,
        report: &mut Report<'_>,
        mapped: &[Option<Drafted>],
    ) -> Vec<(usize, usize, TaskIndex, Span)> {
        let mut found = Vec::new();
        for (group, body) in self.outline.groups.iter().enumerate() {
            let depth = self.outline.around(body.parent).count();
            for (name, span) in mapped[group].iter().flat_map(|mapped| &mapped.from) {
                match self.resolve(name, body.parent) {
                    Some(Target::Task(upstream)) => found.push((depth, group, upstream, *span)),
                    Some(Target::Group(_)) => map_over_group(report, name, *span),
                    None => self.unknown_source(report, name, *span),
                }
            }
        }
        found
    }

    /// Who is mapped over a task needs it, whether it says so or not (as in Airflow).
    fn map_over(
        &mut self,
        report: &mut Report<'_>,
        built: &[Built],
        upstream: TaskIndex,
        task: TaskIndex,
        span: Span,
    ) {
        if upstream == task {
            let message =
                format!("task \"{}\" is mapped over its own output", built[task].task.task_id);
            report.error(span, "cycle", message).help("name a task that runs before it");
        } else if !self.edges.contains_key(&(upstream, task)) {
            self.need(report, built, upstream, task, span);
        }
    }

    fn unknown_source(&self, report: &mut Report<'_>, name: &str, span: Span) {
        let hint = did_you_mean(name, self.names());
        let message = format!("`expand` is over \"{name}\", which does not exist{hint}");
        report.error(span, "unknown-task", message).help("name a task of this DAG");
    }

    /// Gives mapped tasks their mapping, with the tasks that its names mean.
    pub(crate) fn set_mappings(&self, built: &mut [Built], mapped: &[Option<Drafted>]) {
        let resolved = |drafted: &Drafted, group: Option<usize>| {
            let meant = drafted.from.iter().filter_map(|(name, _)| {
                let Some(Target::Task(task)) = self.resolve(name, group) else { return None };
                Some(built[task].task.task_id.clone())
            });
            Arc::new(drafted.resolved(&meant.collect::<Vec<_>>()))
        };
        let of_groups: Vec<Option<Arc<Mapping>>> = mapped
            .iter()
            .zip(&self.outline.groups)
            .map(|(drafted, group)| Some(resolved(drafted.as_ref()?, group.parent)))
            .collect();
        let of_tasks: Vec<Option<Arc<Mapping>>> = built
            .iter()
            .map(|task| {
                let own = task.mapped.as_ref().map(|drafted| resolved(drafted, task.group));
                own.or_else(|| {
                    self.outline.around(task.group).find_map(|group| of_groups[group].clone())
                })
            })
            .collect();
        for (task, mapping) in built.iter_mut().zip(of_tasks) {
            task.task.mapping = mapping;
        }
    }

    fn unknown_to_group(&self, report: &mut Report<'_>, group: &str, name: &str, span: Span) {
        let hint = did_you_mean(name, self.names());
        let message =
            format!("task group \"{group}\" needs \"{name}\", which does not exist{hint}");
        report.error(span, "unknown-task", message).help("name a task or a task group of this DAG");
    }

    /// A name as seen from a group: a task beside it, further out, or by its whole name.
    fn resolve(&self, name: &str, from: Option<usize>) -> Option<Target> {
        for group in self.outline.around(from) {
            let inner = format!("{}.{name}", self.outline.groups[group].id);
            if let Some(at) = self.index.get(&inner) {
                return Some(Target::Task(*at));
            }
        }
        match self.index.get(name) {
            Some(at) => Some(Target::Task(*at)),
            None => self.outline.group(name).map(Target::Group),
        }
    }

    fn need(
        &mut self,
        report: &mut Report<'_>,
        built: &[Built],
        upstream: TaskIndex,
        task: TaskIndex,
        span: Span,
    ) {
        if upstream == task {
            let message = format!("task \"{}\" needs itself", built[task].task.task_id);
            report.error(span, "cycle", message).help("remove it from `needs`");
            return;
        }
        if self.edges.contains_key(&(upstream, task)) {
            report
                .note(
                    span,
                    "duplicate-need",
                    format!("\"{}\" is already needed", built[upstream].task.task_id),
                )
                .help("remove the repetition");
            return;
        }
        self.edges.insert((upstream, task), span);
        self.downstream[upstream].push(task);
    }

    fn teardown(
        &mut self,
        report: &mut Report<'_>,
        built: &[Built],
        setup: TaskIndex,
        task: TaskIndex,
        span: Span,
    ) {
        if !built[setup].task.is_setup {
            let message = format!("task \"{}\" is not a setup task", built[setup].task.task_id);
            report.error(span, "bad-value", message).help("add `setup: true` to it");
        }
        if !self.edges.contains_key(&(setup, task)) {
            self.need(report, built, setup, task, span);
        }
    }

    fn unknown(&self, report: &mut Report<'_>, task: &Built, name: &str, span: Span) {
        let hint = did_you_mean(name, self.names());
        let message =
            format!("task \"{}\" needs \"{name}\", which does not exist{hint}", task.task.task_id);
        let several: Vec<&str> = name
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|part| !part.is_empty())
            .collect();
        let help = match several[..] {
            [_, _, ..] => format!("write a list: [{}]", several.join(", ")),
            _ => "name a task or a task group of this DAG".to_owned(),
        };
        report.error(span, "unknown-task", message).help(help);
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let groups = self.outline.groups.iter().map(|group| group.id.as_str());
        let own = |id: &'_ String| id.rsplit('.').next().map(str::len);
        let last = self.index.keys().filter_map(move |id| id.get(id.len() - own(id)?..));
        self.index.keys().map(String::as_str).chain(groups).chain(last)
    }

    /// The first tasks of a group (none of its tasks upstream of them), or its last.
    fn ends(&self, built: &[Built], group: usize, first: bool) -> Vec<TaskIndex> {
        let inside = |at: TaskIndex| self.outline.around(built[at].group).any(|g| g == group);
        let members: Vec<TaskIndex> = (0..built.len()).filter(|at| inside(*at)).collect();
        let mut inner = vec![false; built.len()];
        for (upstream, task) in self.edges.keys() {
            if inside(*upstream) && inside(*task) {
                inner[if first { *task } else { *upstream }] = true;
            }
        }
        members.into_iter().filter(|at| !inner[*at]).collect()
    }

    /// Names the first cycle at the `needs` entry that closes it. Whether there was one.
    pub(crate) fn find_cycle(&self, report: &mut Report<'_>, built: &[Built]) -> bool {
        let mut state = vec![Visit::New; built.len()];
        for start in 0..built.len() {
            if state[start] != Visit::New {
                continue;
            }
            let mut path = vec![(start, 0)];
            state[start] = Visit::Open;
            while let Some((at, next)) = path.last_mut() {
                let Some(&below) = self.downstream[*at].get(*next) else {
                    state[*at] = Visit::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                let from = *at;
                match state[below] {
                    Visit::New => {
                        state[below] = Visit::Open;
                        path.push((below, 0));
                    }
                    Visit::Done => {}
                    Visit::Open => {
                        let first = path.iter().position(|(task, _)| *task == below).unwrap_or(0);
                        let tasks: Vec<TaskIndex> =
                            path[first..].iter().map(|(task, _)| *task).collect();
                        report_cycle(report, built, &tasks, self.edges[&(from, below)]);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Checks the literal ids of `choose`, and gives them their whole names.
    pub(crate) fn check_choices(&self, report: &mut Report<'_>, built: &mut [Built]) {
        for at in 0..built.len() {
            let chosen = std::mem::take(&mut built[at].chosen);
            let mut whole_names = HashMap::new();
            for (name, span) in chosen {
                if value::is_template(&name) {
                    continue;
                }
                let targets = match self.resolve(&name, built[at].group) {
                    Some(Target::Task(task)) => vec![task],
                    Some(Target::Group(group)) => self.ends(built, group, true),
                    None => {
                        let below =
                            self.downstream[at].iter().map(|t| built[*t].task.task_id.as_str());
                        let hint = did_you_mean(&name, below.chain(self.names()));
                        report
                            .error(
                                span,
                                "unknown-task",
                                format!("`choose` names \"{name}\", which does not exist{hint}"),
                            )
                            .help("name a task directly downstream of this one");
                        continue;
                    }
                };
                let far = targets.iter().any(|task| !self.downstream[at].contains(task));
                if far {
                    let message =
                        format!("`choose` names \"{name}\", which is not directly downstream");
                    let help =
                        format!("add \"{}\" to the `needs` of \"{name}\"", built[at].task.task_id);
                    report.error(span, "bad-choose", message).help(help);
                }
                let ids: Vec<String> =
                    targets.iter().map(|task| built[*task].task.task_id.to_string()).collect();
                whole_names.insert(name, ids);
            }
            rename_choices(&mut built[at].task, &whole_names);
        }
    }

    /// The edges as a graph whose node `i` is task `i`.
    pub(crate) fn graph(&self) -> DiGraph<TaskIndex, ()> {
        let mut graph = DiGraph::with_capacity(self.downstream.len(), self.edges.len());
        for at in 0..self.downstream.len() {
            graph.add_node(at);
        }
        for (upstream, below) in self.downstream.iter().enumerate() {
            for task in below {
                graph.add_edge(NodeIndex::new(upstream), NodeIndex::new(*task), ());
            }
        }
        graph
    }

    /// Fills in the effective priorities: own weight, plus that of all descendants or ancestors,
    /// clamped to 32 bits (Airflow: weight rules).
    pub(crate) fn prioritise(&self, tasks: &mut [Task]) {
        let mut upstream = vec![Vec::new(); tasks.len()];
        for (from, below) in self.downstream.iter().enumerate() {
            for to in below {
                upstream[*to].push(from);
            }
        }
        for at in 0..tasks.len() {
            let others = match tasks[at].weight_rule {
                WeightRule::Downstream => reach(&self.downstream, at),
                WeightRule::Upstream => reach(&upstream, at),
                WeightRule::Absolute => Vec::new(),
            };
            let sum: i64 =
                others.iter().map(|other| i64::from(tasks[*other].priority_weight)).sum();
            let weight = (i64::from(tasks[at].priority_weight) + sum)
                .clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            tasks[at].effective_priority = i32::try_from(weight).unwrap_or(i32::MAX);
        }
    }
}

/// With `fail_fast` every task runs only after success (Airflow: `FailFastDagInvalidTriggerRule`).
pub(crate) fn check_fail_fast(report: &mut Report<'_>, built: &[Built]) {
    for task in built {
        let fine = task.task.trigger_rule == TriggerRule::AllSuccess || task.task.is_teardown;
        if fine {
            continue;
        }
        let message = format!(
            "task \"{}\" has the trigger rule {} in a DAG with `fail_fast`",
            task.task.task_id, task.task.trigger_rule
        );
        report
            .error(task.trigger_rule_span.unwrap_or(task.id_span), "bad-value", message)
            .help("with `fail_fast` every task has `all_success`; remove one of the two");
    }
}

fn map_over_group(report: &mut Report<'_>, name: &str, span: Span) {
    let message = format!("`expand` is over \"{name}\", which is a task group");
    report.error(span, "bad-expand", message).help("name the task whose output it is");
}

fn report_cycle(report: &mut Report<'_>, built: &[Built], tasks: &[TaskIndex], span: Span) {
    let mut names: Vec<&str> = tasks.iter().map(|at| built[*at].task.task_id.as_str()).collect();
    names.push(names[0]);
    report
        .error(span, "cycle", format!("cycle: {}", names.join(" → ")))
        .help("remove one of these `needs`");
}

/// Who needs a group.
enum Downstream {
    Task(TaskIndex),
    Group(usize),
}

enum Target {
    Task(TaskIndex),
    Group(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Everything reachable from a task, without the task.
fn reach(next: &[Vec<TaskIndex>], from: TaskIndex) -> Vec<TaskIndex> {
    let mut seen = vec![false; next.len()];
    let mut found = Vec::new();
    let mut open = vec![from];
    seen[from] = true;
    while let Some(at) = open.pop() {
        for &other in &next[at] {
            if !seen[other] {
                seen[other] = true;
                found.push(other);
                open.push(other);
            }
        }
    }
    found
}

/// Replaces the names in a task's `choose` by whole ids.
fn rename_choices(task: &mut Task, names: &HashMap<String, Vec<String>>) {
    use serde_json::Value;
    let Some(Value::Array(lines)) = task.config.get_mut("choose") else { return };
    for line in lines {
        if let Some(Value::Array(ids)) = line.get_mut("then") {
            let whole: Vec<Value> = ids
                .iter()
                .flat_map(|id| match id.as_str().and_then(|id| names.get(id)) {
                    Some(whole) => whole.iter().map(|id| Value::from(id.as_str())).collect(),
                    None => vec![id.clone()],
                })
                .collect();
            *ids = whole;
        }
    }
}
