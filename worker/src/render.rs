//! Turns a task's templates into the operator's config and the task's variables, asking the
//! scheduler for whatever they need.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use millrace_core::connection::{Connection, is_secret_name};
use millrace_core::operator::{self, Config, TextUse};
use millrace_core::render::{RenderTaskError, render_task, with_item};
use millrace_core::template::{
    Answer, Lookup, Lookups, RenderError, Renderer, ResponseView, Scope, TemplateFault,
};
use millrace_core::wire::{Assignment, Found, Link, LookUp, ProtocolError};
use serde_json::Value;

use crate::clock::Clock;
use crate::environment::{self, Variables};
use crate::log::AttemptLog;
use crate::report::Failure;

/// What one answer makes a template ask next; deeper chains are a mistake.
const ROUNDS_MAX: usize = 8;

/// A template file is text that a person wrote.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long a scheduler that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(15);

/// A rendered task.
pub(crate) struct Rendered {
    /// The operator's keys.
    pub(crate) config: Config,
    /// The task's variables.
    pub(crate) variables: Variables,
    /// The `env_file`, rendered.
    pub(crate) env_file: Option<String>,
    /// What people see of it: secrets masked.
    pub(crate) shown: Value,
    /// The label of a mapped instance, secrets masked.
    pub(crate) label: Option<String>,
    /// What later expressions see.
    pub(crate) templates: Templates,
}

/// Registering every filter for each attempt would cost more than rendering does.
static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);

/// Evaluates the templates of one attempt.
pub(crate) struct Templates {
    renderer: &'static Renderer,
    scope: Scope,
    source: Source,
}

/// Where answers come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) link: Link,
    pub(crate) assignment: Arc<Assignment>,
    pub(crate) log: AttemptLog,
}

/// Renders every template of a task.
pub(crate) async fn render(source: Source, clock: &dyn Clock) -> Result<Rendered, Failure> {
    let assignment = Arc::clone(&source.assignment);
    let task = &assignment.task;
    let mut templates = Templates::new(source, clock);
    templates.load_item().await?;
    let native = assignment.dag.render_template_as_native_obj;
    let folder = assignment.dag.folder.clone();
    let rendered = templates
        .complete(|renderer, scope| {
            let mut read = |name: &str| read_file(Path::new(&folder), name);
            render_task(renderer, scope, task, native, &mut read)
        })
        .await?;
    let env_file = match &task.env_file {
        Some(file) => Some(templates.text("env_file", file).await?),
        None => None,
    };
    let log = &templates.source.log;
    log.add_secrets(private_texts(&task.operator, &rendered.config, &rendered.env));
    let mut shown = Value::Object(rendered.shown);
    log.redactor().redact_value(&mut shown);
    let label = rendered.label.map(|label| log.redactor().redact(&label).into_owned());
    Ok(Rendered {
        config: rendered.config,
        variables: rendered.env,
        env_file,
        shown,
        label,
        templates,
    })
}

impl Templates {
    /// The templates of an attempt, with the answers that came with its assignment.
    pub(crate) fn new(source: Source, clock: &dyn Clock) -> Self {
        let assignment = &source.assignment;
        let mut lookups = assignment.lookups.clone();
        for (name, value) in environment::public() {
            lookups.insert_env(name, value);
        }
        let files = assignment.task.files.clone().into_iter().collect();
        let scope =
            Scope::new(assignment.context(clock.now()), lookups).with_files(Arc::new(files));
        Self { renderer: &RENDERER, scope, source }
    }

    /// The same with more names: why a notice is sent.
    pub(crate) fn with_context(
        mut self,
        change: impl FnOnce(&mut millrace_core::template::TemplateContext),
    ) -> Self {
        let mut context = self.scope.context().clone();
        change(&mut context);
        self.scope = Scope::new(context, self.scope.lookups().clone());
        self
    }

    /// Looks up what an instance of a mapped task gets, and lets templates see it.
    pub(crate) async fn load_item(&mut self) -> Result<(), Failure> {
        let assignment = Arc::clone(&self.source.assignment);
        let with = self.complete(|_, scope| with_item(scope, &assignment.task)).await?;
        self.scope = with;
        Ok(())
    }

    /// Renders one text.
    pub(crate) async fn text(&mut self, name: &str, text: &str) -> Result<String, Failure> {
        self.complete(|renderer, scope| Ok(renderer.render(name, text, scope)?)).await
    }

    /// Renders every text in a value.
    pub(crate) async fn value(&mut self, name: &str, value: &Value) -> Result<Value, Failure> {
        self.complete(|renderer, scope| Ok(renderer.render_value(name, value, scope)?)).await
    }

    /// Renders the text of a shell command: run input is quoted.
    pub(crate) async fn shell(&mut self, name: &str, text: &str) -> Result<String, Failure> {
        self.complete(|renderer, scope| Ok(renderer.render_shell(name, text, scope)?)).await
    }

    /// Whether a condition over an HTTP answer holds.
    pub(crate) async fn condition(
        &mut self,
        name: &str,
        text: &str,
        response: &ResponseView,
    ) -> Result<bool, Failure> {
        let with = |scope: &Scope| scope.clone().with_response(response.clone());
        self.complete(|renderer, scope| Ok(renderer.eval_condition(name, text, &with(scope))?))
            .await
    }

    /// Whether a condition over some values holds.
    pub(crate) async fn truth(
        &mut self,
        name: &str,
        text: &str,
        values: &[(&str, &Value)],
    ) -> Result<bool, Failure> {
        let with = |scope: &Scope| {
            let scope = scope.clone();
            values.iter().fold(scope, |scope, (name, value)| scope.with_name(name, value))
        };
        self.complete(|renderer, scope| Ok(renderer.eval_condition(name, text, &with(scope))?))
            .await
    }

    /// The value of an expression over an HTTP answer.
    pub(crate) async fn expression(
        &mut self,
        name: &str,
        text: &str,
        response: &ResponseView,
    ) -> Result<Value, Failure> {
        let with = |scope: &Scope| scope.clone().with_response(response.clone());
        self.complete(|renderer, scope| Ok(renderer.eval_expression(name, text, &with(scope))?))
            .await
    }

    /// Tries until every lookup has been answered.
    async fn complete<T>(
        &mut self,
        mut attempt: impl FnMut(&Renderer, &Scope) -> Result<T, RenderTaskError>,
    ) -> Result<T, Failure> {
        for _ in 0..ROUNDS_MAX {
            match attempt(self.renderer, &self.scope) {
                Ok(value) => return Ok(value),
                Err(RenderTaskError::Template(RenderError::Needs(wanted))) => {
                    let lookups = answers(&self.source, &self.scope, wanted).await?;
                    self.scope = self.scope.clone().with_lookups(lookups);
                }
                Err(error) => return Err(failure(&error)),
            }
        }
        Err(Failure::for_good(format!(
            "templates asked for further values {ROUNDS_MAX} times; use fewer computed names"
        )))
    }
}

async fn answers(source: &Source, scope: &Scope, wanted: Vec<Lookup>) -> Result<Lookups, Failure> {
    let found = look_up(source, wanted.clone(), Vec::new()).await?;
    let mut lookups = scope.lookups().clone();
    for lookup in wanted {
        let answer = found.lookups.get(&lookup).cloned().unwrap_or(Answer::Missing);
        lookups.insert(lookup, answer);
    }
    Ok(lookups)
}

/// Asks the scheduler; what must be masked is masked from then on.
pub(crate) async fn look_up(
    source: &Source,
    wanted: Vec<Lookup>,
    connections: Vec<String>,
) -> Result<Found, Failure> {
    let started = tokio::time::Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let request = LookUp {
            key: source.assignment.key,
            wanted: wanted.clone(),
            connections: connections.clone(),
        };
        match source.link.look_up(request).await {
            Ok(found) => {
                let secrets = found.secrets.iter().map(|secret| secret.0.clone());
                let of_connections = found.connections.values();
                let of_connections = of_connections.flat_map(Connection::secret_values);
                source.log.add_secrets(secrets.chain(of_connections));
                return Ok(found);
            }
            Err(ProtocolError::Unavailable { .. }) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            Err(error @ ProtocolError::Invalid { .. }) => {
                return Err(Failure::failed(error.to_string()));
            }
            Err(error) => return Err(Failure::lost(error.to_string())),
        }
    }
}

fn failure(error: &RenderTaskError) -> Failure {
    let text = format!("template {error}");
    match error {
        RenderTaskError::Template(RenderError::Template(error))
            if error.fault != TemplateFault::Failed =>
        {
            Failure::for_good(text)
        }
        _ => Failure::failed(text),
    }
}

/// The text of a template file, relative to the DAG's folder.
fn read_file(folder: &Path, name: &str) -> Result<String, String> {
    let path = folder.join(name);
    let meta = std::fs::metadata(&path).map_err(|error| error.to_string())?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(&path).map_err(|error| error.to_string())
}

/// What the author marked as private: secret fields, and variables with a secret's name.
fn private_texts(operator: &str, config: &Config, env: &Variables) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(spec) = operator::find(operator) {
        for field in spec.fields.iter().filter(|field| field.text == TextUse::Secret) {
            config.get(field.name).into_iter().for_each(|value| collect(value, &mut texts));
        }
    }
    let named = env.iter().filter(|(name, _)| is_secret_name(name));
    texts.extend(named.map(|(_, value)| value.clone()));
    texts
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect(item, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}
