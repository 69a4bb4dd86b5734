//! Assets in a DAG file: `inlets`, `outlets`, and the condition of a schedule.
//!
//! Must not know which other DAGs name the same assets; the engine joins them.

use serde_json::Value;

use crate::asset::{self, AssetCondition, AssetRef, EXTRA_BYTES_MAX};
use crate::dag::Task;

use super::asset_text;
use super::fields::Fields;
use super::report::Report;
use super::tree::{Entry, Kind, Node};
use super::value;
use crate::suggest::did_you_mean;

/// The forms of one asset, for messages.
const ONE: &str = "write `model://name`, or {asset: name, uri: \"s3://…\"}";

/// The forms of a condition, for messages.
const CONDITION: &str =
    "write a list (all of them), {any: [a, b]}, {all: [a, {any: [b, c]}]} or \"a & (b | c)\"";

/// The keys of one asset.
const KEYS: &[&str] = &["asset", "uri", "group", "extra"];

/// Keys that make a map an asset, not a condition; the latter ones are other tools' spellings.
const NAMING: &[&str] = &["asset", "name", "dataset", "uri"];

/// The assets of `inlets` or `outlets`.
pub(crate) fn list(report: &mut Report<'_>, fields: &Fields<'_>, key: &str) -> Vec<AssetRef> {
    let Some(node) = fields.value(key) else { return Vec::new() };
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| one(report, key, item)).collect()
}

/// One asset: a text, or a map.
fn one(report: &mut Report<'_>, key: &str, node: &Node) -> Option<AssetRef> {
    if let Some(entries) = node.map() {
        return spelt_out(report, key, node, entries);
    }
    let Some(text) = node.text().filter(|_| !node.is_null()) else {
        value::wrong(report, key, node, "a list of names or maps", ONE);
        return None;
    };
    is_good(report, node, text).then(|| AssetRef::plain(text))
}

fn spelt_out(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    entries: &[Entry],
) -> Option<AssetRef> {
    let mut found = AssetRef::plain("");
    let mut is_well = true;
    for Entry { key: word, key_span, value: given } in entries {
        match word.as_str() {
            "asset" | "name" | "dataset" if !found.name.is_empty() => {
                let message = format!("`{word}` names the asset a second time");
                report.error(*key_span, "duplicate-key", message).help("keep one of them");
            }
            "asset" | "name" | "dataset" => {
                found.name = value::text(report, word, given)?;
                is_well &= is_good(report, given, &found.name);
            }
            "uri" => {
                let uri = value::text(report, word, given)?;
                is_well &= is_good(report, given, &uri);
                found.uri = Some(uri);
            }
            "group" => found.group = value::text(report, word, given),
            "extra" => found.extra = extra(report, given),
            // dag-factory names the class of an object.
            "__type__" => {}
            _ => {
                let hint = did_you_mean(word, KEYS.iter().copied());
                let message = format!("unknown key \"{word}\" in an asset{hint}");
                report.error(*key_span, "unknown-key", message).help(ONE);
            }
        }
    }
    if found.name.is_empty() {
        match found.uri.take() {
            Some(uri) => found.name = uri,
            None if !is_well => {}
            None => value::wrong(report, key, node, "an asset with a name", ONE),
        }
    }
    found.uri = found.uri.filter(|uri| *uri != found.name);
    (is_well && !found.name.is_empty()).then_some(found)
}

fn extra(report: &mut Report<'_>, node: &Node) -> Option<serde_json::Map<String, Value>> {
    let read = node.to_json();
    let bytes = read.to_string().len();
    match read {
        Value::Object(map) if bytes <= EXTRA_BYTES_MAX => Some(map),
        Value::Object(_) => {
            let message =
                format!("`extra` has {bytes} bytes; at most {EXTRA_BYTES_MAX} are allowed");
            report
                .error(value::value_span(node), "too-large", message)
                .help("keep the data elsewhere and its address here");
            None
        }
        _ => {
            value::wrong(report, "extra", node, "a map", "write `extra: {owner: ml}`");
            None
        }
    }
}

fn is_good(report: &mut Report<'_>, node: &Node, text: &str) -> bool {
    let Err(complaint) = asset::check_name(text) else { return true };
    let (message, help) = value::advice(&complaint);
    report
        .error(value::value_span(node), "bad-asset", message)
        .help(help.unwrap_or_else(|| ONE.to_owned()));
    false
}

/// The condition of a schedule. A list means all of its parts, as in Airflow.
pub(crate) fn condition(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
) -> Option<AssetCondition<AssetRef>> {
    match &node.kind {
        Kind::List(items) => joined(report, key, node, items, AssetCondition::All),
        Kind::Map(entries) if entries.iter().any(|e| NAMING.contains(&e.key.as_str())) => {
            one(report, key, node).map(AssetCondition::One)
        }
        Kind::Map(entries) => operator(report, key, node, entries),
        _ => text(report, key, node),
    }
}

fn text(report: &mut Report<'_>, key: &str, node: &Node) -> Option<AssetCondition<AssetRef>> {
    let Some(written) = node.text().filter(|text| asset_text::is_condition(text)) else {
        // One asset is a list of one, which is how Airflow shows it.
        return one(report, key, node).map(|asset| AssetCondition::All(vec![asset.into()]));
    };
    match asset_text::parse(written) {
        Ok(condition) => {
            let names_are_good =
                condition.assets().into_iter().all(|name| is_good(report, node, name));
            names_are_good.then(|| condition.map(&mut |name| AssetRef::plain(name)))
        }
        Err(reason) => {
            let message = format!("`{key}` cannot be read: {reason}");
            report.error(value::value_span(node), "bad-asset", message).help(CONDITION);
            None
        }
    }
}

/// `{any: […]}` and `{all: […]}`, also as `or` and `and`.
fn operator(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    entries: &[Entry],
) -> Option<AssetCondition<AssetRef>> {
    let [entry] = entries else {
        value::wrong(report, key, node, "one condition over assets", CONDITION);
        return None;
    };
    let join = match entry.key.as_str() {
        "any" | "or" | "__or__" => AssetCondition::Any,
        "all" | "and" | "__and__" => AssetCondition::All,
        word => {
            let hint = did_you_mean(word, ["any", "all", "asset"]);
            let message = format!("unknown key \"{word}\" in a condition over assets{hint}");
            report.error(entry.key_span, "unknown-key", message).help(CONDITION);
            return None;
        }
    };
    let Kind::List(items) = &entry.value.kind else {
        value::wrong(report, &entry.key, &entry.value, "a list of assets", CONDITION);
        return None;
    };
    joined(report, &entry.key, &entry.value, items, join)
}

fn joined(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    items: &[Node],
    join: fn(Vec<AssetCondition<AssetRef>>) -> AssetCondition<AssetRef>,
) -> Option<AssetCondition<AssetRef>> {
    if items.is_empty() {
        value::wrong(report, key, node, "a list with at least one asset", CONDITION);
        return None;
    }
    let parts: Vec<_> = items
        .iter()
        .filter_map(|item| match &item.kind {
            Kind::Scalar(_) | Kind::Raw(_)
                if !item.text().is_some_and(asset_text::is_condition) =>
            {
                one(report, key, item).map(AssetCondition::One)
            }
            _ => condition(report, key, item),
        })
        .collect();
    (parts.len() == items.len()).then(|| join(parts))
}

/// A DAG that writes what starts it runs for ever; that may be meant.
pub(crate) fn warn_of_circle(
    report: &mut Report<'_>,
    fields: &Fields<'_>,
    condition: Option<&AssetCondition<AssetRef>>,
    tasks: &[Task],
) {
    let (Some(condition), Some(field)) = (condition, fields.field("schedule")) else { return };
    let read = condition.assets();
    let own = tasks.iter().find_map(|task| {
        let written = |outlet: &&AssetRef| read.iter().any(|asset| asset.is_called(&outlet.name));
        Some((&task.task_id, &task.outlets.iter().find(written)?.name))
    });
    if let Some((task_id, name)) = own {
        let message =
            format!("the DAG is started by \"{name}\", which its own task \"{task_id}\" writes");
        report
            .warning(field.key_span, "asset-circle", message)
            .help("every run starts the next one; remove the outlet unless that is meant");
    }
}

impl From<AssetRef> for AssetCondition<AssetRef> {
    fn from(asset: AssetRef) -> Self {
        Self::One(asset)
    }
}
