//! Renders a whole task: every template of its operator's keys and of its environment.
//!
//! The one rule of how a field is rendered (text, shell text, file, secret, expression), shared by
//! the worker before an attempt and by everybody who shows what a date would give. Reads no file:
//! one whose name is itself a template is asked for through a function of the caller's.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::dag::Task;
use crate::mapping::NoItem;
use crate::operator::{Config, Field, OperatorSpec, TextUse, find};
use crate::template::{RenderError, Renderer, Scope};

/// What stands for a secret wherever people look.
pub const MASK: &str = "***";

/// A rendered task.
#[derive(Debug, Clone)]
pub struct RenderedTask {
    /// The operator's keys.
    pub config: Config,
    /// The variables of its process.
    pub env: IndexMap<String, String>,
    /// What people may see of it: private fields masked. Values of secrets that templates put
    /// into other fields are the redactor's business.
    pub shown: Map<String, Value>,
    /// What `map_index_template` gave, for an instance of a mapped task.
    pub label: Option<String>,
}

/// Why a task could not be rendered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RenderTaskError {
    /// See [`RenderError`].
    #[error(transparent)]
    Template(#[from] RenderError),
    /// There is nothing for this instance of a mapped task.
    #[error("{0}")]
    Item(String),
    /// A file that the task names is not there.
    #[error("{field}: the file \"{file}\" cannot be read: {reason}")]
    File {
        /// The key.
        field: String,
        /// The file's name, rendered.
        file: String,
        /// Why.
        reason: String,
    },
}

/// The text of a file by the name that a task gives it.
pub type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Renders a task. `native` keeps the types of values (`render_template_as_native_obj`).
///
/// # Errors
/// [`RenderError::Needs`] with every lookup that is missing; a wrong template with its place; a
/// file that is not there.
pub fn render_task(
    renderer: &Renderer,
    scope: &Scope,
    task: &Task,
    native: bool,
    read: ReadFile<'_>,
) -> Result<RenderedTask, RenderTaskError> {
    let spec = find(&task.operator);
    let mut pass = Pass { renderer, scope, task, native, read, needs: Vec::new() };
    let mut config = Config::new();
    let mut shown = Map::new();
    for (key, value, is_template) in keys_of(task, scope, spec)? {
        let field = spec.and_then(|spec| field_of(spec, key));
        let text = field.map_or(TextUse::Plain, |field| field.text);
        let rendered =
            if is_template { pass.field(key, value, text)? } else { Some(value.clone()) };
        let Some(rendered) = rendered else { continue };
        let visible = if text == TextUse::Secret { masked(&rendered) } else { rendered.clone() };
        shown.insert(key.clone(), visible);
        config.insert(key.clone(), rendered);
    }
    let mut env = IndexMap::new();
    for (name, value, is_template) in variables_of(task, scope)? {
        if !is_template {
            env.insert(name.clone(), plain_text(&value));
            continue;
        }
        let key = format!("env.{name}");
        if let Some(Value::String(text)) = pass.field(&key, &value, TextUse::Plain)? {
            env.insert(name.clone(), text);
        }
    }
    if !env.is_empty() {
        shown.insert("env".to_owned(), serde_json::to_value(&env).unwrap_or_default());
    }
    if !pass.needs.is_empty() {
        return Err(RenderError::Needs(pass.needs).into());
    }
    let label = label(renderer, scope, task, &shown)?;
    Ok(RenderedTask { config, env, shown, label })
}

/// The scope of an instance of a mapped task, with what it gets; any other scope as it is.
///
/// # Errors
/// [`RenderError::Needs`] with the elements to look up; [`RenderTaskError::Item`] when there are
/// none for it.
pub fn with_item(scope: &Scope, task: &Task) -> Result<Scope, RenderTaskError> {
    let index = u32::try_from(scope.context().map_index).ok();
    let (Some(mapping), Some(index)) = (&task.mapping, index) else { return Ok(scope.clone()) };
    match mapping.item(index, scope.lookups()) {
        Ok(item) => Ok(scope.clone().with_item(item)),
        Err(NoItem::Needs(wanted)) => Err(RenderError::Needs(wanted).into()),
        Err(NoItem::Gone(text)) => Err(RenderTaskError::Item(text)),
    }
}

/// The keys of a task and of its item, with whether their texts are templates.
fn keys_of<'a>(
    task: &'a Task,
    scope: &'a Scope,
    spec: Option<&'static OperatorSpec>,
) -> Result<Vec<(&'a String, &'a Value, bool)>, RenderTaskError> {
    let mut keys: Vec<_> = task.config.iter().map(|(key, value)| (key, value, true)).collect();
    let Some(item) = scope.item().filter(|item| item.is_own) else { return Ok(keys) };
    for (key, value) in item.values.iter().filter(|(key, _)| *key != "env") {
        let field = spec.and_then(|spec| field_of(spec, key));
        let may_vary = field.is_some_and(|field| field.text != TextUse::Expression);
        if !may_vary {
            return Err(RenderTaskError::Item(format!(
                "the item has a key \"{key}\", which `{}` does not take from a map",
                task.operator
            )));
        }
        keys.retain(|(known, ..)| *known != key);
        keys.push((key, value, item.is_template(key)));
    }
    Ok(keys)
}

/// The variables of a task and of its item, with whether they are templates.
fn variables_of(task: &Task, scope: &Scope) -> Result<Vec<(String, Value, bool)>, RenderTaskError> {
    let own = task.env.iter();
    let mut all: Vec<_> =
        own.map(|(name, text)| (name.clone(), Value::from(text.as_str()), true)).collect();
    let item = scope.item().filter(|item| item.is_own);
    let Some(env) = item.and_then(|item| item.values.get("env")) else { return Ok(all) };
    let Value::Object(map) = env else {
        return Err(RenderTaskError::Item(format!("`env` of the item is {env}, not a map")));
    };
    let is_template = item.is_some_and(|item| item.is_template("env"));
    for (name, value) in map {
        all.retain(|(known, ..)| known != name);
        all.push((name.clone(), value.clone(), is_template));
    }
    Ok(all)
}

/// A value as the text of a variable: texts as they are, anything else as JSON.
fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The longest label (Airflow: `rendered_map_index`).
const LABEL_CHARS_MAX: usize = 250;

/// The label of an instance of a mapped task; its template sees the rendered keys as attributes of
/// `task` (Airflow: `map_index_template="{{ task.bash_command }}"`).
fn label(
    renderer: &Renderer,
    scope: &Scope,
    task: &Task,
    shown: &Map<String, Value>,
) -> Result<Option<String>, RenderTaskError> {
    let Some(template) = task.map_index_template.as_ref().filter(|_| scope.item().is_some()) else {
        return Ok(None);
    };
    let name = format!("{}.map_index_template", task.task_id);
    let text = renderer.render(&name, template, &scope.clone().with_task(shown.clone()))?;
    Ok(Some(text.chars().take(LABEL_CHARS_MAX).collect()))
}

fn field_of(spec: &'static OperatorSpec, key: &str) -> Option<&'static Field> {
    spec.fields.iter().find(|field| field.name == key)
}

/// Every text in a value replaced by the mask; keys stay, so that people see what was set.
fn masked(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), masked(value))).collect())
        }
        Value::Null => Value::Null,
        _ => Value::String(MASK.to_owned()),
    }
}

/// One walk over a task's fields; what is missing gathers, so that it is asked for at once.
struct Pass<'a> {
    renderer: &'a Renderer,
    scope: &'a Scope,
    task: &'a Task,
    native: bool,
    read: ReadFile<'a>,
    needs: Vec<crate::template::Lookup>,
}

impl Pass<'_> {
    /// One field; `None` when it lacks a lookup.
    fn field(
        &mut self,
        key: &str,
        value: &Value,
        text: TextUse,
    ) -> Result<Option<Value>, RenderTaskError> {
        match self.value(key, value, text) {
            Ok(rendered) => Ok(Some(rendered)),
            Err(RenderTaskError::Template(RenderError::Needs(wanted))) => {
                for lookup in wanted {
                    if !self.needs.contains(&lookup) {
                        self.needs.push(lookup);
                    }
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn value(&mut self, key: &str, value: &Value, text: TextUse) -> Result<Value, RenderTaskError> {
        match value {
            Value::String(template) => self.text(key, template, text),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.value(&format!("{key}[{index}]"), item, text))
                .collect(),
            Value::Object(map) => {
                if let Some(raw) = raw_text(map) {
                    return Ok(Value::String(raw.to_owned()));
                }
                let entries = map.iter().map(|(name, item)| {
                    Ok((name.clone(), self.value(&format!("{key}.{name}"), item, text)?))
                });
                entries.collect::<Result<Map<_, _>, RenderTaskError>>().map(Value::Object)
            }
            other => Ok(other.clone()),
        }
    }

    fn text(&mut self, key: &str, template: &str, text: TextUse) -> Result<Value, RenderTaskError> {
        let name = format!("{}.{key}", self.task.task_id);
        let (renderer, scope) = (self.renderer, self.scope);
        Ok(match text {
            // Evaluated by the operator itself, with what it knows (`response`).
            TextUse::Expression => Value::String(template.to_owned()),
            TextUse::Plain if self.native => renderer.render_native(&name, template, scope)?,
            TextUse::Plain | TextUse::Secret => {
                Value::String(renderer.render(&name, template, scope)?)
            }
            TextUse::File(endings) => {
                let (name, text) = self.file(key, &name, template, endings)?;
                Value::String(renderer.render(&name, &text, scope)?)
            }
            TextUse::Shell(endings) => {
                let (name, text) = self.file(key, &name, template, endings)?;
                Value::String(renderer.render_shell(&name, &text, scope)?)
            }
        })
    }

    /// The template itself, or the text of the file that it names.
    fn file(
        &mut self,
        key: &str,
        name: &str,
        template: &str,
        endings: &[&str],
    ) -> Result<(String, String), RenderTaskError> {
        // As written: a blank at the end makes a command of a script's name (as in Airflow).
        let trimmed = template;
        let named = endings.iter().any(|ending| trimmed.ends_with(ending))
            && !trimmed.contains('\n')
            && endings.iter().all(|ending| trimmed != *ending);
        if !named {
            return Ok((name.to_owned(), template.to_owned()));
        }
        if let Some(text) = self.task.files.get(trimmed) {
            return Ok((trimmed.to_owned(), text.clone()));
        }
        let file = self.renderer.render(name, trimmed, self.scope)?;
        if file.contains(char::is_whitespace) {
            // A command that happens to end in a script's name.
            return Ok((name.to_owned(), template.to_owned()));
        }
        match (self.read)(&file) {
            Ok(text) => Ok((file, text)),
            Err(reason) => Err(RenderTaskError::File { field: key.to_owned(), file, reason }),
        }
    }
}

/// The text of `!raw`.
fn raw_text(map: &Map<String, Value>) -> Option<&str> {
    if map.len() == 1 { map.get("$raw").and_then(Value::as_str) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::{Lookups, TemplateContext};

    fn rendered(operator: &str, config: &Value) -> Result<RenderedTask, RenderTaskError> {
        let task = serde_json::from_value::<Task>(json!({
            "task_id": "t", "task_display_name": null, "doc_md": null, "owner": "",
            "operator": operator, "config": config, "place": "worker",
            "trigger_rule": "all_success", "retries": 0, "retry_delay_secs": 0.0,
            "retry_exponential_backoff": 0.0, "max_retry_delay_secs": null,
            "no_retry_exit_codes": [], "execution_timeout_secs": null, "depends_on_past": false,
            "wait_for_downstream": false, "pools": {"default_pool": 1}, "priority_weight": 1,
            "weight_rule": "downstream", "effective_priority": 1, "queue": "default",
            "resources": {}, "max_active_tis_per_dag": null, "env": {"DAY": "{{ ds }}"},
            "append_env": false, "env_file": null, "do_xcom_push": true, "when": null,
            "inlets": [], "outlets": [],
            "callbacks": {"on_success": [], "on_failure": [], "on_retry": [], "on_execute": [], "on_skipped": []},
            "is_setup": false, "is_teardown": false, "files": {"q.sql": "select '{{ ds }}'"},
        }))
        .expect("a task");
        let context = TemplateContext {
            dag_id: "d".into(),
            task_id: "t".into(),
            run_after: "2025-08-21T21:24:23Z".parse().expect("an instant"),
            ..TemplateContext::default()
        };
        let scope = Scope::new(context, Lookups::default());
        let mut read = |name: &str| match name {
            "/2025.sql" => Ok("select 1".to_owned()),
            _ => Err("there is no such file".to_owned()),
        };
        render_task(&Renderer::default(), &scope, &task, false, &mut read)
    }

    fn check(operator: &str, config: &Value, expected: &Value) {
        let got = rendered(operator, config).expect("it renders");
        assert_eq!(&Value::Object(got.config), expected);
    }

    #[test]
    fn fields_are_rendered_by_their_kind() {
        check(
            "sql",
            &json!({"conn_id": "c", "sql": "q.sql"}),
            &json!({"conn_id": "c", "sql": "select '2025-08-21'"}),
        );
        check(
            "sql",
            &json!({"conn_id": "c", "sql": "/{{ ds[:4] }}.sql"}),
            &json!({"conn_id": "c", "sql": "select 1"}),
        );
        check(
            "bash",
            &json!({"bash_command": "echo {{ ds }}"}),
            &json!({"bash_command": "echo 2025-08-21"}),
        );
        check("docker", &json!({"image": {"$raw": "{{ x }}"}}), &json!({"image": "{{ x }}"}));
        check(
            "http",
            &json!({"url": "u", "response_filter": "{{ response.text }}"}),
            &json!({"url": "u", "response_filter": "{{ response.text }}"}),
        );
    }

    #[test]
    fn private_fields_are_masked_and_the_environment_is_rendered() {
        let config = json!({"image": "i", "private_environment": {"PASSWORD": "geheim"}});
        let got = rendered("docker", &config).expect("it renders");
        assert_eq!(got.shown["private_environment"], json!({"PASSWORD": MASK}));
        assert_eq!(got.config["private_environment"], json!({"PASSWORD": "geheim"}));
        assert_eq!(got.env["DAY"], "2025-08-21");
    }

    #[test]
    fn everything_missing_is_asked_for_at_once() {
        let config = json!({"image": "{{ var.value.a }}", "command": ["{{ var.value.b }}"]});
        match rendered("docker", &config) {
            Err(RenderTaskError::Template(RenderError::Needs(wanted))) => {
                assert_eq!(wanted.len(), 2);
            }
            other => panic!("{other:?}"),
        }
        let gone =
            rendered("sql", &json!({"conn_id": "c", "sql": "gone.sql"})).expect_err("no file");
        assert!(gone.to_string().contains("\"gone.sql\" cannot be read"), "{gone}");
    }
}
