//! What a task takes from its surroundings: pools, resources, connections.
//!
//! Must not know how much of them there is; only their names, where the caller knows them.

use indexmap::IndexMap;

use crate::dag::DEFAULT_POOL;

use super::Context;
use super::fields::Fields;
use super::report::Report;
use super::source::Span;
use super::tree::{Kind, Node};
use super::value;
use crate::suggest::did_you_mean;

/// The pools of a task with the slots that it takes; never empty.
pub(crate) fn pools(
    report: &mut Report<'_>,
    context: &Context<'_>,
    fields: &Fields<'_>,
) -> IndexMap<String, u32> {
    let mut pools = IndexMap::new();
    let slots = fields
        .value("pool_slots")
        .and_then(|node| slot_count(report, "pool_slots", node))
        .unwrap_or(1);
    match fields.value("pool") {
        None => {}
        Some(Node { kind: Kind::Map(entries), .. }) => {
            for entry in entries {
                known_pool(report, context, &entry.key, entry.key_span);
                if let Some(slots) = slot_count(report, &entry.key, &entry.value) {
                    pools.insert(entry.key.clone(), slots);
                }
            }
            if let Some(field) = fields.field("pool_slots") {
                report
                    .error(field.key_span, "bad-value", "`pool_slots` beside a map of pools")
                    .help("say the slots in the map: `pool: {gpu: 1, db: 2}`");
            }
        }
        Some(node) => {
            for (name, item) in value::texts(report, "pool", node).unwrap_or_default() {
                known_pool(report, context, &name, item.span);
                pools.insert(name, slots);
            }
        }
    }
    if pools.is_empty() {
        pools.insert(DEFAULT_POOL.to_owned(), slots);
    }
    pools
}

fn slot_count(report: &mut Report<'_>, key: &str, node: &Node) -> Option<u32> {
    value::int(report, key, node, (1, 1_000_000)).and_then(|slots| u32::try_from(slots).ok())
}

fn known_pool(report: &mut Report<'_>, context: &Context<'_>, name: &str, span: Span) {
    let Some(known) = context.known.pools else { return };
    if name == DEFAULT_POOL || known.contains(name) {
        return;
    }
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    report
        .warning(span, "unknown-pool", format!("there is no pool \"{name}\"{hint}"))
        .help("the task will wait until somebody makes it: `millrace pools set NAME SLOTS`");
}

/// Warns of literal `conn_id`s that nobody has defined, of the task, its callbacks and deadlines.
pub(crate) fn connections(report: &mut Report<'_>, context: &Context<'_>, fields: &Fields<'_>) {
    if let Some(node) = fields.value("conn_id") {
        known_connection(report, context, node);
    }
    for key in ["on_execute", "on_success", "on_failure", "on_retry", "on_skipped"] {
        if let Some(node) = fields.value(&format!("{key}_callback")) {
            conn_ids_in(report, context, node);
        }
    }
    if let Some(node) = fields.value("deadline") {
        conn_ids_in(report, context, node);
    }
}

fn conn_ids_in(report: &mut Report<'_>, context: &Context<'_>, node: &Node) {
    match &node.kind {
        Kind::List(items) => {
            for item in items {
                conn_ids_in(report, context, item);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                if entry.key == "conn_id" {
                    known_connection(report, context, &entry.value);
                } else {
                    conn_ids_in(report, context, &entry.value);
                }
            }
        }
        Kind::Scalar(_) | Kind::Raw(_) => {}
    }
}

fn known_connection(report: &mut Report<'_>, context: &Context<'_>, node: &Node) {
    let Some(known) = context.known.connections else { return };
    let Some(name) = node.text().filter(|text| !value::is_template(text)) else { return };
    if known.contains(name) {
        return;
    }
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    report
        .warning(
            node.span,
            "unknown-connection",
            format!("there is no connection \"{name}\"{hint}"),
        )
        .help(format!(
            "add it: `millrace connections add {name} …`, or set MILLRACE_CONN_{}",
            name.to_uppercase()
        ));
}

/// What a worker must have free. `memory` is in bytes.
pub(crate) fn resources(report: &mut Report<'_>, fields: &Fields<'_>) -> IndexMap<String, f64> {
    let mut resources = IndexMap::new();
    let Some(node) = fields.value("resources") else { return resources };
    let Some(entries) = node.map() else {
        value::wrong(report, "resources", node, "a map", "write `{cpus: 2, memory: 4g, gpus: 1}`");
        return resources;
    };
    for entry in entries {
        let (name, amount) = match entry.key.as_str() {
            "memory" | "ram" => ("memory", value::bytes(report, &entry.key, &entry.value)),
            "cpu" => ("cpus", value::number(report, &entry.key, &entry.value)),
            "gpu" => ("gpus", value::number(report, &entry.key, &entry.value)),
            name => (name, value::number(report, name, &entry.value)),
        };
        if let Some(amount) = amount {
            resources.insert(name.to_owned(), amount);
        }
    }
    resources
}
