//! `triggering_asset_events`, `inlet_events`, `inlets` and `outlets`.
//!
//! Owns their attributes; the events are looked up. Keys are names or URIs, and also the asset
//! itself, as in `inlet_events[inlets[0]]`.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::Value as Json;

use super::lookup::{Answer, Lookup};
use super::names::Record;
use super::scope::Run;
use super::temporal::fault;
use super::temporal::moment::Moment;
use super::value::from_json;

/// `inlets` and `outlets`: the assets of the task, in file order.
pub(crate) fn list(assets: Option<&Json>) -> Value {
    let assets = assets.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    assets.iter().map(asset_value).collect()
}

/// One asset; as text it is its URI.
fn asset_value(asset: &Json) -> Value {
    let field = |name: &str| (name.to_string(), from_json(&asset[name]));
    let text = asset["uri"].as_str().unwrap_or_default().to_string();
    let fields = ["name", "uri", "group", "extra"].map(field).to_vec();
    Value::from_object(Record { text, fields })
}

/// One event of an asset.
fn event_value(asset: &Value, event: &Json) -> Value {
    let at = event["timestamp"].as_str().and_then(|text| text.parse().ok());
    let at = at.map_or(Value::from(()), |at| Moment::utc(at).into());
    let mut fields = vec![("timestamp".to_string(), at), ("asset".to_string(), asset.clone())];
    for name in ["name", "uri"] {
        fields.push((name.to_string(), asset.get_attr(name).unwrap_or_default()));
    }
    for name in
        ["id", "extra", "source_dag_id", "source_run_id", "source_task_id", "source_map_index"]
    {
        fields.push((name.to_string(), from_json(&event[name])));
    }
    Value::from_object(Record { text: format!("<AssetEvent {}>", event["id"]), fields })
}

fn events(asset: &Value, found: &Json) -> Value {
    let events = found["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().map(|event| event_value(asset, event)).collect()
}

/// `triggering_asset_events`: what the run consumed, a list of events for each asset.
pub(crate) fn triggering(run: &Arc<Run>) -> Value {
    match run.answer(&Lookup::TriggeringEvents) {
        Ok(Answer::Value(Json::Array(found))) => {
            let entry = |found: &Json| {
                let asset = asset_value(found);
                let events = events(&asset, found);
                (asset, events)
            };
            Value::from_object(Consumed(found.iter().map(entry).collect()))
        }
        Ok(_) => Value::from_object(Consumed(Vec::new())),
        Err(error) => Value::from(error),
    }
}

/// The name or URI that a key means.
fn key_text(key: &Value) -> Option<String> {
    match key.as_str() {
        Some(text) => Some(text.to_string()),
        None => key.get_attr("name").ok()?.as_str().map(str::to_string),
    }
}

fn is_called(asset: &Value, text: &str) -> bool {
    ["name", "uri"]
        .iter()
        .any(|field| asset.get_attr(field).is_ok_and(|value| value.as_str() == Some(text)))
}

/// A map of assets to events; iterating gives the names.
struct Consumed(Vec<(Value, Value)>);

impl fmt::Debug for Consumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.iter().map(|(asset, events)| (asset.to_string(), events));
        f.debug_map().entries(entries).finish()
    }
}

impl Object for Consumed {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let text = key_text(key)?;
        let found = self.0.iter().find(|(asset, _)| is_called(asset, &text));
        found.map(|(_, events)| events.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.iter().map(|(asset, _)| asset.get_attr("name").unwrap_or_default());
        Enumerator::Values(names.collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (method, args) {
            // Airflow: the keys are assets.
            ("keys", []) => Ok(self.0.iter().map(|(asset, _)| asset.clone()).collect()),
            ("values", []) => Ok(self.0.iter().map(|(_, events)| events.clone()).collect()),
            ("items", []) => {
                let pair = |(asset, events): &(Value, Value)| {
                    Value::from(vec![asset.clone(), events.clone()])
                };
                Ok(self.0.iter().map(pair).collect())
            }
            ("get", [key]) => Ok(self.get_value(key).unwrap_or_default()),
            ("get", [key, default]) => Ok(self.get_value(key).unwrap_or_else(|| default.clone())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `inlet_events`: the newest events of an inlet, oldest first.
pub(crate) fn inlet_events(run: &Arc<Run>) -> Value {
    Value::from_object(InletEvents(Arc::clone(run)))
}

struct InletEvents(Arc<Run>);

impl InletEvents {
    fn inlets(&self) -> Value {
        list(self.0.scope.context.extra.get("inlets"))
    }

    fn find(&self, key: &Value) -> Result<Value, Error> {
        let inlets: Vec<Value> = self.inlets().try_iter()?.checked().collect::<Result<_, _>>()?;
        let asset = match (key.as_i64(), key_text(key)) {
            (Some(index), _) => usize::try_from(index).ok().and_then(|index| inlets.get(index)),
            (None, Some(text)) => inlets.iter().find(|inlet| is_called(inlet, &text)),
            (None, None) => None,
        };
        let Some(asset) = asset else {
            let text = key_text(key).unwrap_or_else(|| key.to_string());
            return Err(fault(format!(
                "asset \"{text}\" is not among the inlets of this task; add it: inlets: [\"{text}\"]"
            )));
        };
        let name = key_text(asset).unwrap_or_default();
        match self.0.answer(&Lookup::AssetEvents { asset: name })? {
            Answer::Value(found) => Ok(events(asset, found)),
            Answer::Missing | Answer::Connection(_) => Ok(Value::from(Vec::<Value>::new())),
        }
    }
}

impl fmt::Debug for InletEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<inlet events>")
    }
}

impl Object for InletEvents {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.find(key).unwrap_or_else(Value::from))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
