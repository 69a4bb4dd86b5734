//! Answers what templates ask in a case: XComs of the played run, the case's variables and
//! connections. What is not there is missing, as it would be in an empty installation.

use serde_json::{Map, Value, json};

use super::Case;
use super::play::XComs;
use crate::asset::AssetRef;
use crate::mapping::{Given, Length};
use crate::record::METRICS_KEY;
use crate::template::{Answer, Lookup};

/// The answer to one question of a task's template.
pub(super) fn answer(case: &Case, xcoms: &XComs, run_id: &str, lookup: &Lookup) -> Answer {
    match lookup {
        Lookup::XCom { task_id, key, map_index, dag_id, run_id: other, .. } => {
            let is_here = dag_id.is_none() && other.as_deref().is_none_or(|id| id == run_id);
            if is_here { xcom(xcoms, task_id, key, *map_index) } else { Answer::Missing }
        }
        Lookup::Element { task_id, key, index } => Given(&given(xcoms, task_id, key))
            .element(*index)
            .map_or(Answer::Missing, Answer::Value),
        Lookup::Length { task_id, key } => match Given(&given(xcoms, task_id, key)).length() {
            Length::Elements { count, .. } => Answer::Value(Value::from(count)),
            Length::Missing | Length::Wrong(_) => Answer::Missing,
        },
        Lookup::Metrics { task_id } => xcom(xcoms, task_id, METRICS_KEY, None),
        Lookup::TriggeringEvents if case.assets.is_empty() => Answer::Missing,
        Lookup::TriggeringEvents => {
            Answer::Value(case.assets.iter().enumerate().map(consumed).collect())
        }
        Lookup::AssetEvents { asset: name } => {
            let mut events = case.assets.iter().enumerate();
            let found = events.find(|(_, (asset, _))| asset.is_called(name)).map(consumed);
            found.map_or(Answer::Missing, Answer::Value)
        }
        Lookup::Variable { key } => case
            .variables
            .get(key)
            .map_or(Answer::Missing, |text| Answer::Value(Value::String(text.clone()))),
        Lookup::Connection { conn_id } => case
            .connections
            .get(conn_id)
            .map_or(Answer::Missing, |found| Answer::Connection(Box::new(found.clone()))),
    }
}

/// An asset with its one event, as a run that it started sees it.
fn consumed((at, (asset, extra)): (usize, &(AssetRef, Map<String, Value>))) -> Value {
    json!({
        "name": asset.name, "uri": asset.uri(), "group": asset.group(), "extra": asset.extra,
        "events": [{
            "id": at + 1, "timestamp": null, "extra": extra, "source_dag_id": null,
            "source_run_id": null, "source_task_id": null, "source_map_index": -1,
        }],
    })
}

/// What a task gave under a key, by item.
pub(super) fn given<'a>(xcoms: &'a XComs, task_id: &str, key: &str) -> Vec<(i32, &'a Value)> {
    xcoms
        .iter()
        .filter(|((task, _, name), _)| *task == *task_id && name == key)
        .map(|((_, index, _), value)| (*index, value))
        .collect()
}

/// A value of a task; those of mapped items as a list in their order.
fn xcom(xcoms: &XComs, task_id: &str, key: &str, map_index: Option<i64>) -> Answer {
    let mut found = given(xcoms, task_id, key);
    if let Some(wanted) = map_index {
        found.retain(|(index, _)| i64::from(*index) == wanted);
    }
    match found.as_slice() {
        [] => Answer::Missing,
        [(index, value)] if *index < 0 || map_index.is_some() => Answer::Value((*value).clone()),
        values => Answer::Value(values.iter().map(|(_, value)| (*value).clone()).collect()),
    }
}
