//! The names a template sees: one object that answers each name when it is asked for.
//!
//! Owns the mapping of Airflow's context names to the data of `context` and `lookup`, and the
//! record of lookups that a render missed. It builds nothing that is not asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::mapping::Item;

use super::assets;
use super::context::TemplateContext;
use super::lookup::{Answer, Lookup, Lookups};
use super::macros::Callable;
use super::names::{Connections, EnumWord, Record, Variables};
use super::response::ResponseView;
use super::temporal::fault;
use super::temporal::moment::Moment;
use super::temporal::strftime::strftime;
use super::value::from_json;
use super::xcom;

/// How deep DAG macros may use each other.
const MAX_MACRO_DEPTH: usize = 16;

/// Names that are always there, for suggestions and lints.
pub(crate) const NAMES: &[&str] = &[
    "conn",
    "dag",
    "dag_run",
    "data_interval_end",
    "data_interval_start",
    "ds",
    "ds_nodash",
    "env",
    "expanded_ti_count",
    "inlet_events",
    "inlets",
    "logical_date",
    "macros",
    "map_index_template",
    "metrics",
    "outlet_events",
    "outlets",
    "params",
    "partition_date",
    "partition_key",
    "prev_data_interval_end_success",
    "prev_data_interval_start_success",
    "prev_end_date_success",
    "prev_start_date_success",
    "run_id",
    "task",
    "task_instance",
    "task_instance_key_str",
    "task_reschedule_count",
    "test_mode",
    "ti",
    "triggering_asset_events",
    "try_number",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "var",
    "xcom",
];

/// A task instance's context and lookups, prepared once for all its templates.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(crate) data: Arc<ScopeData>,
}

#[derive(Clone, Debug)]
pub(crate) struct ScopeData {
    pub(crate) context: TemplateContext,
    pub(crate) lookups: Lookups,
    /// The texts that templates may include, by name.
    pub(crate) files: Arc<BTreeMap<String, String>>,
    /// What the instance of a mapped task gets.
    item: Option<Arc<Item>>,
    /// Names beyond JSON (an HTTP response), by name.
    objects: BTreeMap<String, Value>,
}

impl Scope {
    /// Prepares a context and its lookups for rendering.
    pub fn new(context: TemplateContext, lookups: Lookups) -> Scope {
        let (files, objects) = (Arc::default(), BTreeMap::new());
        Scope { data: Arc::new(ScopeData { context, lookups, files, item: None, objects }) }
    }

    /// The same scope with the files that `{% include %}` and `{% import %}` may name.
    #[must_use]
    pub fn with_files(self, files: Arc<BTreeMap<String, String>>) -> Scope {
        self.changed(|data| data.files = files)
    }

    /// The same scope with further answers.
    #[must_use]
    pub fn with_lookups(self, lookups: Lookups) -> Scope {
        self.changed(|data| data.lookups = lookups)
    }

    /// The same scope for the instance of a mapped task that gets `item`; its names are there for
    /// templates, as input: a shell sees them quoted.
    #[must_use]
    pub fn with_item(self, item: Item) -> Scope {
        self.changed(|data| {
            data.context.extra.extend(item.names());
            data.item = Some(Arc::new(item));
        })
    }

    /// The same scope with further attributes of `task`.
    #[must_use]
    pub fn with_task(self, attributes: serde_json::Map<String, serde_json::Value>) -> Scope {
        self.changed(|data| data.context.task.extend(attributes))
    }

    /// What the instance of a mapped task gets.
    pub fn item(&self) -> Option<&Item> {
        self.data.item.as_deref()
    }

    /// The same scope with the name `response` (`response_check`, `response_filter`).
    #[must_use]
    pub fn with_response(self, response: ResponseView) -> Scope {
        self.changed(|data| {
            data.objects.insert("response".to_string(), response.into_value());
        })
    }

    /// The same scope with one more name (`value`, `row` and `rows` of a `sql` sensor).
    #[must_use]
    pub fn with_name(self, name: &str, value: &serde_json::Value) -> Scope {
        self.changed(|data| {
            data.objects.insert(name.to_string(), from_json(value));
        })
    }

    /// The context.
    pub fn context(&self) -> &TemplateContext {
        &self.data.context
    }

    /// The lookups.
    pub fn lookups(&self) -> &Lookups {
        &self.data.lookups
    }

    /// Every name that a template of this scope may use.
    pub fn names(&self) -> Vec<String> {
        self.data.names()
    }

    fn changed(mut self, change: impl FnOnce(&mut ScopeData)) -> Scope {
        change(Arc::make_mut(&mut self.data));
        self
    }
}

impl ScopeData {
    /// Every name that a template may use.
    pub(crate) fn names(&self) -> Vec<String> {
        NAMES
            .iter()
            .map(ToString::to_string)
            .chain(self.context.macros.keys().cloned())
            .chain(self.context.extra.keys().cloned())
            .chain(self.objects.keys().cloned())
            .collect()
    }
}

/// One render of one template: the scope, and what the render found missing.
pub(crate) struct Run {
    pub(crate) scope: Arc<ScopeData>,
    env: Environment<'static>,
    needs: Mutex<Vec<Lookup>>,
    macro_values: Mutex<BTreeMap<String, Value>>,
    macro_depth: AtomicUsize,
    draws: AtomicU64,
}

impl Run {
    pub(crate) fn new(scope: &Scope, env: Environment<'static>) -> Arc<Run> {
        Arc::new(Run {
            scope: Arc::clone(&scope.data),
            env,
            needs: Mutex::default(),
            macro_values: Mutex::default(),
            macro_depth: AtomicUsize::new(0),
            draws: AtomicU64::new(0),
        })
    }

    /// The environment of this render.
    pub(crate) fn env(&self) -> &Environment<'static> {
        &self.env
    }

    /// The answer to a lookup; without one the lookup is noted and the render ends.
    pub(crate) fn answer(&self, lookup: &Lookup) -> Result<&Answer, Error> {
        self.scope.lookups.get(lookup).ok_or_else(|| {
            let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
            if !needs.contains(lookup) {
                needs.push(lookup.clone());
            }
            Error::new(ErrorKind::InvalidOperation, format!("{lookup} has not been looked up"))
        })
    }

    /// The lookups that were missing.
    pub(crate) fn needs(&self) -> Vec<Lookup> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number that differs from draw to draw, the same for the same attempt of the same task:
    /// `macros.random()` and `macros.uuid.uuid4()` must not make a render unrepeatable.
    pub(crate) fn draw(&self) -> u128 {
        use sha2::{Digest, Sha256};
        let context = &self.scope.context;
        let count = self.draws.fetch_add(1, Ordering::Relaxed);
        let mut hash = Sha256::new();
        for part in [&context.dag_id, &context.run_id, &context.task_id] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(context.map_index.to_be_bytes());
        hash.update(context.try_number.to_be_bytes());
        hash.update(count.to_be_bytes());
        let digest = hash.finalize();
        digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// "Now", where the caller gave it.
    pub(crate) fn now(&self) -> Result<Moment, Error> {
        self.scope
            .context
            .now
            .map(Moment::utc)
            .ok_or_else(|| fault("the current time is not known in this render"))
    }

    /// A macro of the DAG, rendered once a render.
    fn dag_macro(self: &Arc<Self>, name: &str) -> Option<Value> {
        let text = self.scope.context.macros.get(name)?;
        let cached = |run: &Run| {
            run.macro_values.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
        };
        if let Some(value) = cached(self) {
            return Some(value);
        }
        if self.macro_depth.fetch_add(1, Ordering::Relaxed) >= MAX_MACRO_DEPTH {
            return Some(Value::from(fault(format!(
                "macro \"{name}\" uses itself, or macros are nested deeper than {MAX_MACRO_DEPTH}"
            ))));
        }
        let value = super::engine::evaluate_macro(self, name, text);
        self.macro_depth.fetch_sub(1, Ordering::Relaxed);
        match value {
            Ok(value) => {
                let mut values = self.macro_values.lock().unwrap_or_else(PoisonError::into_inner);
                values.insert(name.to_string(), value.clone());
                Some(value)
            }
            Err(error) => Some(Value::from(error)),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<run>")
    }
}

/// "Now" for a method that is called without the run at hand.
pub(crate) fn now_of(state: &State<'_, '_>) -> Result<Moment, Error> {
    let root = state.lookup("__mr_run");
    match root.as_ref().and_then(|value| value.downcast_object_ref::<RunHandle>()) {
        Some(handle) => handle.0.now(),
        None => Err(fault("the current time is not known in this render")),
    }
}

/// A number that differs from draw to draw, for a filter; see [`Run::draw`].
pub(crate) fn draw_of(state: &State<'_, '_>) -> Result<u128, Error> {
    let root = state.lookup("__mr_run");
    match root.as_ref().and_then(|value| value.downcast_object_ref::<RunHandle>()) {
        Some(handle) => Ok(handle.0.draw()),
        None => Err(fault("this render has no attempt to draw for")),
    }
}

/// Carries the run to [`now_of`] through the context.
#[derive(Debug)]
struct RunHandle(Arc<Run>);

impl Object for RunHandle {}

/// The root object of a render.
#[derive(Debug)]
pub(crate) struct Root(pub(crate) Arc<Run>);

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let run = &self.0;
        if name == "__mr_run" {
            return Some(Value::from_object(RunHandle(Arc::clone(run))));
        }
        if let Some(value) = run.scope.objects.get(name) {
            return Some(value.clone());
        }
        date_name(run, name)
            .or_else(|| object_name(run, name))
            .or_else(|| run.dag_macro(name))
            .or_else(|| run.scope.context.extra.get(name).map(from_json))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(NAMES)
    }
}

/// The names that are dates or dates' text.
fn date_name(run: &Run, name: &str) -> Option<Value> {
    let context = &run.scope.context;
    let previous = context.prev_success.as_ref();
    let layout = match name {
        "ds" => "%Y-%m-%d",
        "ds_nodash" => "%Y%m%d",
        "ts_nodash" => "%Y%m%dT%H%M%S",
        "ts_nodash_with_tz" => {
            let moment = Moment::utc(context.effective_date());
            return Some(Value::from(super::filters::ts_nodash_with_tz_text(&moment)));
        }
        "ts" => {
            let moment = Moment::utc(context.effective_date());
            return Some(Value::from(super::temporal::format::isoformat(&moment)));
        }
        "logical_date" => return Some(Moment::utc(context.effective_date()).into()),
        "data_interval_start" => {
            return Some(Moment::utc(context.effective_interval_start()).into());
        }
        "data_interval_end" => return Some(Moment::utc(context.effective_interval_end()).into()),
        "prev_data_interval_start_success" => {
            return Some(optional(previous.and_then(|run| run.data_interval_start)));
        }
        "prev_data_interval_end_success" => {
            return Some(optional(previous.and_then(|run| run.data_interval_end)));
        }
        "prev_start_date_success" => {
            return Some(optional(previous.and_then(|run| run.start_date)));
        }
        "prev_end_date_success" => return Some(optional(previous.and_then(|run| run.end_date))),
        "partition_date" => return Some(optional(context.partition_date)),
        _ => return None,
    };
    let moment = Moment::utc(context.effective_date());
    Some(strftime(&moment, layout).map_or_else(Value::from, Value::from))
}

/// The names that are objects, plain values or functions.
fn object_name(run: &Arc<Run>, name: &str) -> Option<Value> {
    let context = &run.scope.context;
    let text = |value: &Option<String>| value.as_deref().map_or(Value::from(()), Value::from);
    Some(match name {
        "params" => from_json(&serde_json::Value::Object(context.params.clone())),
        "run_id" => Value::from(context.run_id.as_str()),
        "try_number" => Value::from(context.try_number),
        "dag" => dag_value(context),
        "task" => task_value(context),
        "ti" | "task_instance" => xcom::task_instance(run),
        "dag_run" => dag_run_value(context),
        "var" => variables_value(run),
        "conn" => Value::from_object(Connections { run: Arc::clone(run) }),
        "macros" => Callable::value(run, "macros"),
        "xcom" => xcom::xcom_function(run),
        "metrics" => xcom::metrics_function(run),
        "env" => xcom::env_function(run),
        "task_instance_key_str" => Value::from(key_text(context)),
        "partition_key" => text(&context.partition_key),
        "map_index_template" => text(&context.map_index_label),
        "test_mode" => Value::from(false),
        "task_reschedule_count" | "expanded_ti_count" => {
            return context.extra.get(name).map_or_else(
                || (name == "task_reschedule_count").then(|| Value::from(0)),
                |value| Some(from_json(value)),
            );
        }
        "triggering_asset_events" => match context.extra.get(name) {
            Some(given) => from_json(given),
            None => assets::triggering(run),
        },
        "inlet_events" => assets::inlet_events(run),
        // What a task says of its outlets it writes to $MILLRACE_ASSETS; nothing is read here.
        "outlet_events" => from_json(&serde_json::json!({})),
        "inlets" | "outlets" => assets::list(context.extra.get(name)),
        "exception" => Value::from(context.exception.as_deref()?),
        "reason" => Value::from(context.reason.as_deref()?),
        _ => return None,
    })
}

/// `{dag}__{task}__{ds_nodash}`, or with the run's id where there is no logical date.
fn key_text(context: &TemplateContext) -> String {
    let last = match context.logical_date {
        Some(date) => Moment::utc(date).date().to_string().replace('-', ""),
        None => context.run_id.clone(),
    };
    format!("{}__{}__{last}", context.dag_id, context.task_id)
}

fn optional(date: Option<Timestamp>) -> Value {
    date.map_or(Value::from(()), |date| Moment::utc(date).into())
}

fn variables_value(run: &Arc<Run>) -> Value {
    let part = |json| Value::from_object(Variables { run: Arc::clone(run), json });
    Value::from_object(Record {
        text: "<variables>".to_string(),
        fields: vec![("value".to_string(), part(false)), ("json".to_string(), part(true))],
    })
}

fn with_details(
    mut fields: Vec<(String, Value)>,
    details: &serde_json::Map<String, serde_json::Value>,
) -> Vec<(String, Value)> {
    fields.extend(details.iter().map(|(name, value)| (name.clone(), from_json(value))));
    fields
}

fn dag_value(context: &TemplateContext) -> Value {
    let fields = vec![("dag_id".to_string(), Value::from(context.dag_id.as_str()))];
    Value::from_object(Record {
        text: format!("<DAG: {}>", context.dag_id),
        fields: with_details(fields, &context.dag),
    })
}

fn task_value(context: &TemplateContext) -> Value {
    let fields = vec![
        ("task_id".to_string(), Value::from(context.task_id.as_str())),
        ("dag_id".to_string(), Value::from(context.dag_id.as_str())),
    ];
    Value::from_object(Record {
        text: format!("<Task: {}>", context.task_id),
        fields: with_details(fields, &context.task),
    })
}

fn dag_run_value(context: &TemplateContext) -> Value {
    let text = |value: &Option<String>| value.as_deref().map_or(Value::from(()), Value::from);
    let state = if context.run_state.is_empty() { "running" } else { &context.run_state };
    let fields = vec![
        ("dag_id".to_string(), Value::from(context.dag_id.as_str())),
        ("run_id".to_string(), Value::from(context.run_id.as_str())),
        ("run_type".to_string(), EnumWord::value("DagRunType", &context.run_type)),
        ("state".to_string(), EnumWord::value("DagRunState", state)),
        ("logical_date".to_string(), optional(context.logical_date)),
        ("data_interval_start".to_string(), Moment::utc(context.effective_interval_start()).into()),
        ("data_interval_end".to_string(), Moment::utc(context.effective_interval_end()).into()),
        ("run_after".to_string(), Moment::utc(context.run_after).into()),
        ("start_date".to_string(), optional(context.dag_run_start_date)),
        ("end_date".to_string(), Value::from(())),
        ("conf".to_string(), from_json(&context.conf)),
        ("note".to_string(), text(&context.note)),
        ("triggering_user_name".to_string(), text(&context.triggering_user_name)),
        ("partition_key".to_string(), text(&context.partition_key)),
        ("partition_date".to_string(), optional(context.partition_date)),
        ("clear_number".to_string(), Value::from(0)),
    ];
    Value::from_object(Record { text: format!("<DagRun {}>", context.run_id), fields })
}
