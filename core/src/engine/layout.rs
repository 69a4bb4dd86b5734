//! What follows from one version of a DAG once and for all: neighbours, leaves, who may skip whom,
//! what is mapped over what.
//!
//! Made when a version is first used and shared by its runs, so that no step walks a graph. All of
//! it is by task; which instances a mapped task has, only its run knows. Must not know any run.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dag::{Dag, Task, TaskIndex};
use crate::ids::TaskId;
use crate::mapping::{Mapping, Source};
use crate::operator::{Place, approval};
use crate::record::VersionKey;

/// One version of a DAG, ready for the engine.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) version: VersionKey,
    /// The file it was read from.
    pub(super) file: String,
    pub(super) dag: Arc<Dag>,
    /// The tasks, upstreams before downstreams.
    pub(super) order: Vec<u32>,
    /// By task index.
    pub(super) nodes: Vec<Node>,
    index: HashMap<TaskId, u32>,
    pub(super) profiles: Vec<Profile>,
    /// What is expanded together.
    pub(super) units: Vec<Unit>,
    /// What units are expanded over, each once.
    pub(super) sources: Vec<MapSource>,
    /// Whether some task has `depends_on_past` or `wait_for_downstream`.
    pub(super) looks_back: bool,
}

/// One task of a version.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) upstream: Vec<u32>,
    pub(super) downstream: Vec<u32>,
    /// Decision tasks that may skip it.
    pub(super) deciders: Vec<u32>,
    /// Tasks that its decision may skip.
    pub(super) decides: Vec<u32>,
    /// Setup tasks further up whose scope it is in.
    pub(super) setups: Vec<u32>,
    /// Tasks in whose `setups` it is.
    pub(super) setup_for: Vec<u32>,
    /// For a teardown: the tasks between its setups and it.
    pub(super) scope: Vec<u32>,
    /// Teardowns in whose `scope` it is.
    pub(super) scope_of: Vec<u32>,
    /// Whether its state decides the state of the run.
    pub(super) is_leaf: bool,
    /// Its place in [`Layout::profiles`] when it goes to a worker, else 0.
    pub(super) profile: u16,
    /// What it decides, if it is a decision task.
    pub(super) decision: Option<Decision>,
    /// Whether it succeeds without anybody doing anything.
    pub(super) is_instant: bool,
    /// Its place in [`Layout::units`], if it is mapped.
    pub(super) unit: Option<u32>,
    /// The mapped task group that it is in, by unit: instances of one item belong together.
    pub(super) scope_unit: Option<u32>,
    /// Whether some unit is expanded over what it gives.
    pub(super) is_source: bool,
    /// Whether all its instances look at the same others: it has no neighbour in its mapped group.
    pub(super) is_uniform: bool,
}

/// Mapped tasks that are expanded together: one, or all of a mapped group.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) mapping: Arc<Mapping>,
    pub(super) tasks: Vec<u32>,
}

/// A task over whose output some unit is expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MapSource {
    pub(super) task: u32,
    pub(super) key: String,
}

/// A task that may skip others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Skips its direct downstream tasks that were not chosen.
    Branch,
    /// Skips everything downstream.
    CutAll,
    /// Skips its direct downstream tasks; `latest_only`, and `short_circuit` without
    /// `ignore_downstream_trigger_rules`.
    CutDirect,
}

/// Which limits a task instance needs to pass; those with the same profile pass or wait together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) pools: Vec<(String, u32)>,
    /// The task, when it has `max_active_tis_per_dag`.
    pub(super) limited: Option<TaskId>,
    /// The task, when it has `max_active_tis_per_dagrun`.
    pub(super) limited_in_run: Option<TaskId>,
    /// It may wait without a slot: only pools with `include_deferred` count it.
    pub(super) is_deferred: bool,
}

/// The operators that become `deferred`. A question (`awaiting_input`) counts in no pool (Airflow).
const DEFERRED: &[&str] = &["sensor", "trigger_dag"];

/// The profile of what is decided in the scheduler: it passes no limits.
pub(super) const DECISION_PROFILE: u16 = 0;

impl Layout {
    pub(super) fn new(version: VersionKey, file: String, dag: Arc<Dag>) -> Self {
        let mut nodes: Vec<Node> = (0..dag.tasks.len()).map(|i| node(&dag, i)).collect();
        let graph = Reach { dag: &dag };
        link_decisions(&graph, &mut nodes);
        link_setups(&graph, &mut nodes);
        mark_leaves(&dag, &mut nodes);
        let none =
            Profile { pools: Vec::new(), limited: None, limited_in_run: None, is_deferred: false };
        let mut profiles = vec![none];
        for (node, task) in nodes.iter_mut().zip(&dag.tasks) {
            node.profile = profile_of(task, &mut profiles);
        }
        let index: HashMap<TaskId, u32> =
            dag.tasks.iter().enumerate().map(|(i, t)| (t.task_id.clone(), key(i))).collect();
        let units = units(&dag, &mut nodes);
        let sources = sources(&units, &index, &mut nodes);
        mark_uniform(&mut nodes);
        Self {
            version,
            file,
            index,
            units,
            sources,
            looks_back: dag.tasks.iter().any(|t| t.depends_on_past || t.wait_for_downstream),
            order: order(&nodes),
            nodes,
            profiles,
            dag,
        }
    }

    /// The index of a task.
    pub(super) fn find(&self, task_id: &str) -> Option<u32> {
        self.index.get(task_id).copied()
    }

    pub(super) fn task(&self, index: u32) -> &Task {
        &self.dag.tasks[index as usize]
    }

    pub(super) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    /// Whether the instances of two tasks belong together item by item: they are in the same
    /// mapped task group.
    pub(super) fn shares_item(&self, one: u32, other: u32) -> bool {
        let unit = self.node(one).scope_unit;
        unit.is_some() && unit == self.node(other).scope_unit
    }

    /// The unit of a task, if it is mapped.
    pub(super) fn unit_of(&self, task: u32) -> Option<&Unit> {
        self.units.get(self.node(task).unit? as usize)
    }

    /// The tasks over whose output a task is expanded.
    pub(super) fn sources_of(&self, task: u32) -> Vec<u32> {
        let sources = self.unit_of(task).into_iter().flat_map(|unit| unit.mapping.sources());
        let task_of = |source: &Source| match source {
            Source::XCom { task_id, .. } => self.find(task_id.as_str()),
            Source::Literal(_) => None,
        };
        sources.filter_map(task_of).collect()
    }

    /// The tasks below `from`, themselves not among them unless below another of them; ascending.
    pub(super) fn below(&self, from: &[u32]) -> Vec<u32> {
        let starts: Vec<TaskIndex> = from.iter().map(|&i| i as TaskIndex).collect();
        Reach { dag: &self.dag }.walk(&starts, Dag::downstream)
    }
}

/// A task index as kept here; the parser limits a DAG to far fewer tasks.
fn key(index: TaskIndex) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn keys(indexes: Vec<TaskIndex>) -> Vec<u32> {
    indexes.into_iter().map(key).collect()
}

/// Upstreams before downstreams, else file order.
fn order(nodes: &[Node]) -> Vec<u32> {
    let mut open: Vec<usize> = nodes.iter().map(|node| node.upstream.len()).collect();
    let mut ready: std::collections::BTreeSet<u32> =
        (0..nodes.len()).filter(|&index| open[index] == 0).map(key).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for &down in &nodes[next as usize].downstream {
            open[down as usize] -= 1;
            if open[down as usize] == 0 {
                ready.insert(down);
            }
        }
    }
    order
}

fn node(dag: &Dag, index: TaskIndex) -> Node {
    let task = &dag.tasks[index];
    let cuts_direct =
        task.config.get("ignore_downstream_trigger_rules") == Some(&serde_json::Value::Bool(false));
    Node {
        upstream: keys(dag.upstream(index)),
        downstream: keys(dag.downstream(index)),
        decision: match task.operator.as_str() {
            "branch" => Some(Decision::Branch),
            "short_circuit" if cuts_direct => Some(Decision::CutDirect),
            "short_circuit" => Some(Decision::CutAll),
            "latest_only" => Some(Decision::CutDirect),
            "approval" => approval_decision(dag, index),
            _ => None,
        },
        is_instant: task.operator == "empty" && task.when.is_none(),
        ..Node::default()
    }
}

fn approval_decision(dag: &Dag, index: TaskIndex) -> Option<Decision> {
    let config = &dag.tasks[index].config;
    let below = dag.downstream(index);
    let below: Vec<&str> = below.iter().map(|&down| dag.tasks[down].task_id.as_str()).collect();
    let cuts_all = config.get("ignore_downstream_trigger_rules") == Some(&true.into());
    match approval::effect(config, &below) {
        approval::Effect::Branch => Some(Decision::Branch),
        approval::Effect::Gate if cuts_all => Some(Decision::CutAll),
        approval::Effect::Gate => Some(Decision::CutDirect),
        approval::Effect::Input => None,
    }
}

struct Reach<'a> {
    dag: &'a Dag,
}

impl Reach<'_> {
    fn walk(&self, from: &[TaskIndex], next: fn(&Dag, TaskIndex) -> Vec<TaskIndex>) -> Vec<u32> {
        let mut seen = vec![false; self.dag.tasks.len()];
        let mut stack: Vec<TaskIndex> = from.iter().flat_map(|&i| next(self.dag, i)).collect();
        while let Some(task) = stack.pop() {
            if !std::mem::replace(&mut seen[task], true) {
                stack.extend(next(self.dag, task));
            }
        }
        (0..seen.len()).filter(|&i| seen[i]).map(key).collect()
    }

    fn below(&self, task: TaskIndex) -> Vec<u32> {
        self.walk(&[task], Dag::downstream)
    }

    fn above(&self, task: TaskIndex) -> Vec<u32> {
        self.walk(&[task], Dag::upstream)
    }
}

fn link_decisions(graph: &Reach<'_>, nodes: &mut [Node]) {
    for index in 0..nodes.len() {
        let decided = match nodes[index].decision {
            None => continue,
            Some(Decision::Branch) => nodes[index].downstream.clone(),
            Some(Decision::CutDirect) => {
                spare_teardowns(graph.dag, nodes[index].downstream.clone())
            }
            Some(Decision::CutAll) => spare_teardowns(graph.dag, graph.below(index)),
        };
        for &task in &decided {
            nodes[task as usize].deciders.push(key(index));
        }
        nodes[index].decides = decided;
    }
}

/// Airflow: a short circuit never skips a teardown.
fn spare_teardowns(dag: &Dag, mut tasks: Vec<u32>) -> Vec<u32> {
    tasks.retain(|&task| !dag.tasks[task as usize].is_teardown);
    tasks
}

/// Which setups a task must wait for although it does not name them, and what a teardown must wait
/// for between its setups and itself (Airflow: `get_upstreams_only_setups`, teardown scope).
fn link_setups(graph: &Reach<'_>, nodes: &mut [Node]) {
    let tasks = &graph.dag.tasks;
    if !tasks.iter().any(|task| task.is_setup || task.is_teardown) {
        return;
    }
    for index in 0..nodes.len() {
        let above = graph.above(index);
        if tasks[index].is_teardown {
            let setups: Vec<TaskIndex> = graph.dag.upstream(index);
            let setups: Vec<_> = setups.into_iter().filter(|&s| tasks[s].is_setup).collect();
            let under = graph.walk(&setups, Dag::downstream);
            nodes[index].scope = above.into_iter().filter(|task| under.contains(task)).collect();
        } else {
            let below = graph.below(index);
            let direct = nodes[index].upstream.clone();
            let in_scope = |setup: u32| {
                let mut teardowns = nodes[setup as usize]
                    .downstream
                    .iter()
                    .filter(|&&down| tasks[down as usize].is_teardown)
                    .peekable();
                teardowns.peek().is_none() || teardowns.any(|teardown| below.contains(teardown))
            };
            let found = above
                .into_iter()
                .filter(|&up| tasks[up as usize].is_setup && !direct.contains(&up) && in_scope(up));
            nodes[index].setups = found.collect();
        }
    }
    for index in 0..nodes.len() {
        for setup in nodes[index].setups.clone() {
            nodes[setup as usize].setup_for.push(key(index));
        }
        for task in nodes[index].scope.clone() {
            nodes[task as usize].scope_of.push(key(index));
        }
    }
}

/// The tasks that decide a run's state: those without downstream, where teardowns do not count
/// (Airflow: effective leaves), and the teardowns that say `on_failure_fail_dagrun`. There Airflow
/// takes such a teardown for the only leaf, so that a failed task above it goes unseen; here it
/// counts besides.
fn mark_leaves(dag: &Dag, nodes: &mut [Node]) {
    let is_teardown = |index: u32| dag.tasks[index as usize].is_teardown;
    for (node, task) in nodes.iter_mut().zip(&dag.tasks) {
        let is_last = node.downstream.iter().all(|&down| is_teardown(down));
        node.is_leaf = if task.is_teardown { task.on_failure_fail_dagrun } else { is_last };
    }
    if nodes.iter().all(|node| !node.is_leaf) {
        // A DAG of teardowns only.
        for node in nodes.iter_mut() {
            node.is_leaf = node.downstream.is_empty();
        }
    }
}

/// What is expanded together, noted at the tasks.
fn units(dag: &Dag, nodes: &mut [Node]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut groups: HashMap<&str, u32> = HashMap::new();
    for (index, task) in dag.tasks.iter().enumerate() {
        let Some(mapping) = &task.mapping else { continue };
        let fresh = key(units.len());
        let group = mapping.group.as_ref().map(|group| group.id.as_str());
        let at = group.map_or(fresh, |group| *groups.entry(group).or_insert(fresh));
        match units.get_mut(at as usize) {
            Some(unit) => unit.tasks.push(key(index)),
            None => units.push(Unit { mapping: Arc::clone(mapping), tasks: vec![key(index)] }),
        }
        nodes[index].unit = Some(at);
        nodes[index].scope_unit = group.map(|_| at);
    }
    units
}

/// What units are expanded over, noted at the tasks that give it.
fn sources(units: &[Unit], index: &HashMap<TaskId, u32>, nodes: &mut [Node]) -> Vec<MapSource> {
    let mut found: Vec<MapSource> = Vec::new();
    for source in units.iter().flat_map(|unit| unit.mapping.sources()) {
        let Source::XCom { task_id, key } = source else { continue };
        let Some(&task) = index.get(task_id) else { continue };
        let source = MapSource { task, key: key.clone() };
        if !found.contains(&source) {
            nodes[task as usize].is_source = true;
            found.push(source);
        }
    }
    found
}

fn mark_uniform(nodes: &mut [Node]) {
    let is_uniform = |node: &Node| {
        let related = [&node.upstream, &node.deciders, &node.setups, &node.scope];
        let mut related = related.into_iter().flatten();
        let unit = node.scope_unit;
        unit.is_none() || related.all(|&other| nodes[other as usize].scope_unit != unit)
    };
    let uniform: Vec<bool> = nodes.iter().map(is_uniform).collect();
    for (node, is_uniform) in nodes.iter_mut().zip(uniform) {
        node.is_uniform = is_uniform;
    }
}

fn profile_of(task: &Task, profiles: &mut Vec<Profile>) -> u16 {
    let is_deferred = task.place == Place::Scheduler;
    if is_deferred && !DEFERRED.contains(&task.operator.as_str()) {
        return DECISION_PROFILE;
    }
    let name = |limit: Option<u32>| limit.filter(|_| !is_deferred).map(|_| task.task_id.clone());
    let profile = Profile {
        pools: task.pools.iter().map(|(name, &slots)| (name.clone(), slots)).collect(),
        limited: name(task.max_active_tis_per_dag),
        limited_in_run: name(task.max_active_tis_per_dagrun),
        is_deferred,
    };
    // The first is the decisions' own, even if a task has no pool.
    let found = profiles.iter().skip(1).position(|known| *known == profile).map(|at| at + 1);
    let at = found.unwrap_or_else(|| {
        profiles.push(profile);
        profiles.len() - 1
    });
    u16::try_from(at).unwrap_or(u16::MAX)
}
