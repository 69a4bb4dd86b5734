//! `ti`, and the functions that read what other tasks left: `xcom`, `metrics`, `env`.
//!
//! Owns how their arguments become lookups; the answers come from the scope.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::args::Args;
use super::context::TemplateContext;
use super::lookup::{Answer, Lookup};
use super::scope::Run;
use super::temporal::fault;
use super::temporal::moment::Moment;
use super::value::from_json;

/// The key of a task's own result.
pub(crate) const RETURN_VALUE: &str = "return_value";

/// `ti` and `task_instance`.
pub(crate) fn task_instance(run: &Arc<Run>) -> Value {
    Value::from_object(TaskInstance(Arc::clone(run)))
}

/// `xcom('task', key='return_value', map_index=none)`. Of a task in the same mapped task group the
/// value of the same item (as Airflow's `task.output` there), else the list of a mapped task.
pub(crate) fn xcom_function(run: &Arc<Run>) -> Value {
    let run = Arc::clone(run);
    function(move |values| {
        let mut args = Args::new("xcom", values)?;
        let task_id = args.require_text("task_id")?;
        let key = args.text("key")?.unwrap_or_else(|| RETURN_VALUE.to_string());
        let map_index = args.int("map_index")?;
        args.finish()?;
        let context = &run.scope.context;
        let own = || context.siblings.contains(&task_id).then_some(context.map_index);
        let map_index = map_index.or_else(own);
        pull_one(&run, &Pull { key, ..Pull::default() }, &task_id, map_index)
    })
}

/// `metrics('task')`: what the task wrote to `$MILLRACE_METRICS`; an empty map when nothing.
pub(crate) fn metrics_function(run: &Arc<Run>) -> Value {
    let run = Arc::clone(run);
    function(move |values| {
        let mut args = Args::new("metrics", values)?;
        let task_id = args.require_text("task_id")?;
        args.finish()?;
        Ok(match run.answer(&Lookup::Metrics { task_id })? {
            Answer::Value(value) => from_json(value),
            _ => from_json(&serde_json::json!({})),
        })
    })
}

/// `env('NAME', default)`: a variable of the environment that the shell passed.
pub(crate) fn env_function(run: &Arc<Run>) -> Value {
    let run = Arc::clone(run);
    function(move |values| {
        let mut args = Args::new("env", values)?;
        let name = args.require_text("name")?;
        let default = args.take("default")?;
        args.finish()?;
        match (run.scope.lookups.env(&name), default) {
            (Some(value), _) => Ok(Value::from(value)),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(fault(format!(
                "environment variable \"{name}\" is not set; give a default: env('{name}', '…')"
            ))),
        }
    })
}

/// A function that reads its own arguments, so that they may be named.
fn function(body: impl Fn(&[Value]) -> Result<Value, Error> + Send + Sync + 'static) -> Value {
    Value::from_object(Function(body))
}

struct Function<F>(F);

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<function>")
    }
}

impl<F> Object for Function<F>
where
    F: Fn(&[Value]) -> Result<Value, Error> + Send + Sync + 'static,
{
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        (self.0)(args)
    }
}

struct TaskInstance(Arc<Run>);

impl fmt::Debug for TaskInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &self.0.scope.context;
        write!(
            f,
            "<TaskInstance: {}.{} {} [{}]>",
            context.dag_id,
            context.task_id,
            context.run_id,
            state_word(context)
        )
    }
}

impl Object for TaskInstance {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let context = &self.0.scope.context;
        let name = key.as_str()?;
        if let Some(value) = context.ti.get(name) {
            return Some(from_json(value));
        }
        Some(match name {
            "dag_id" => Value::from(context.dag_id.as_str()),
            "task_id" => Value::from(context.task_id.as_str()),
            "run_id" => Value::from(context.run_id.as_str()),
            "try_number" => Value::from(context.try_number),
            "max_tries" => Value::from(context.max_tries),
            "map_index" => Value::from(context.map_index),
            "state" if state_word(context) == "no_status" => Value::from(()),
            "state" => super::names::EnumWord::value("TaskInstanceState", state_word(context)),
            "start_date" => {
                context.ti_start_date.map_or(Value::from(()), |date| Moment::utc(date).into())
            }
            "end_date" => {
                context.ti_end_date.map_or(Value::from(()), |date| Moment::utc(date).into())
            }
            "duration" => duration(context).map_or(Value::from(()), Value::from),
            "logical_date" => {
                context.logical_date.map_or(Value::from(()), |date| Moment::utc(date).into())
            }
            "key" | "task_instance_key_str" => {
                return Arc::new(super::scope::Root(Arc::clone(&self.0)))
                    .get_value_by_str("task_instance_key_str");
            }
            "dag_run" | "task" => {
                return Arc::new(super::scope::Root(Arc::clone(&self.0))).get_value_by_str(name);
            }
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let root = |name: &str| {
            Arc::new(super::scope::Root(Arc::clone(&self.0)))
                .get_value_by_str(name)
                .unwrap_or_default()
        };
        match method {
            "xcom_pull" => pull(&self.0, values),
            "get_dagrun_state" => root("dag_run").get_attr("state"),
            "get_dagrun" => Ok(root("dag_run")),
            "get_template_context" | "xcom_push" => {
                Err(fault(format!("ti.{method}() is not for templates")))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// The state of the task instance; a template is usually rendered by its attempt.
fn state_word(context: &TemplateContext) -> &str {
    if context.ti_state.is_empty() { "running" } else { &context.ti_state }
}

/// Seconds from the start to the end of the attempt, once it has ended.
fn duration(context: &TemplateContext) -> Option<f64> {
    let (start, end) = (context.ti_start_date?, context.ti_end_date?);
    Some(end.duration_since(start).as_secs_f64())
}

/// The parts of a pull that are the same for all its tasks.
struct Pull {
    key: String,
    dag_id: Option<String>,
    run_id: Option<String>,
    include_prior_dates: bool,
    default: Value,
}

impl Default for Pull {
    fn default() -> Pull {
        Pull {
            key: RETURN_VALUE.to_string(),
            dag_id: None,
            run_id: None,
            include_prior_dates: false,
            default: Value::from(()),
        }
    }
}

/// `ti.xcom_pull(task_ids, dag_id, key, include_prior_dates, …)`: one value, or a list for a list.
fn pull(run: &Arc<Run>, values: &[Value]) -> Result<Value, Error> {
    let mut args = Args::new("xcom_pull", values)?;
    let task_ids = args.take("task_ids")?;
    let dag_id = args.text("dag_id")?;
    let key = args.text("key")?.unwrap_or_else(|| RETURN_VALUE.to_string());
    let include_prior_dates = args.flag("include_prior_dates", false)?;
    let map_indexes = args.take_named("map_indexes")?;
    let default = args.take_named("default")?.unwrap_or_else(|| Value::from(()));
    let run_id = args.take_named("run_id")?.map(|value| value.to_string());
    args.finish()?;
    let own = &run.scope.context;
    let pull = Pull {
        key,
        // Naming one's own DAG or run asks the same as naming none.
        dag_id: dag_id.filter(|dag_id| *dag_id != own.dag_id),
        run_id: run_id.filter(|run_id| *run_id != own.run_id),
        include_prior_dates,
        default,
    };
    let indexes = map_indexes.as_ref();
    let task_ids = task_ids.unwrap_or_default();
    if task_ids.is_none() || task_ids.is_undefined() {
        return pull_task(run, &pull, &own.task_id, indexes);
    }
    if let Some(task_id) = task_ids.as_str() {
        return pull_task(run, &pull, task_id, indexes);
    }
    let mut found = Vec::new();
    for task_id in task_ids.try_iter()?.checked() {
        let task_id = task_id?;
        let task_id = task_id
            .as_str()
            .ok_or_else(|| fault("xcom_pull(): task_ids must be text or a list of text"))?;
        found.push(pull_task(run, &pull, task_id, indexes)?);
    }
    Ok(Value::from(found))
}

fn pull_task(
    run: &Arc<Run>,
    pull: &Pull,
    task_id: &str,
    map_indexes: Option<&Value>,
) -> Result<Value, Error> {
    let Some(indexes) = map_indexes.filter(|value| !value.is_none()) else {
        return pull_one(run, pull, task_id, None);
    };
    if indexes.kind() == ValueKind::Number {
        return pull_one(run, pull, task_id, indexes.as_i64());
    }
    let mut found = Vec::new();
    for index in indexes.try_iter()?.checked() {
        found.push(pull_one(run, pull, task_id, index?.as_i64())?);
    }
    Ok(Value::from(found))
}

fn pull_one(
    run: &Arc<Run>,
    pull: &Pull,
    task_id: &str,
    map_index: Option<i64>,
) -> Result<Value, Error> {
    let lookup = Lookup::XCom {
        task_id: task_id.to_string(),
        key: pull.key.clone(),
        // -1 is Airflow's "not mapped".
        map_index: map_index.filter(|index| *index >= 0),
        dag_id: pull.dag_id.clone(),
        run_id: pull.run_id.clone(),
        include_prior_dates: pull.include_prior_dates,
    };
    Ok(match run.answer(&lookup)? {
        Answer::Value(value) => from_json(value),
        Answer::Missing | Answer::Connection(_) => pull.default.clone(),
    })
}
