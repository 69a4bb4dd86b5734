//! Compiles and evaluates templates with minijinja under limits.
//!
//! Owns the environment (filters, functions, strictness, fuel) and the three ways to evaluate:
//! text, shell text, value. It reads no files and keeps nothing between renders but the
//! environment.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use minijinja::machinery::ast::Stmt;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::error::{Origin, RenderError, TemplateFault};
use super::lookups_of::lookups_of;
use super::rewrite::{Rewritten, parse_bounded, readable, rewrite};
use super::scope::{Root, Run, Scope};
use super::temporal::fault;
use super::work::metered;
use super::{
    Limits, containers, filters, growth, native, ops, ranges, sequences, shell, tags, turns, value,
    wrapping,
};

/// Brackets and pipes of a template that cannot overflow an ordinary stack.
const MAX_SHALLOW_NESTS: usize = 400;
/// Address space of the stack for other templates; memory is used only as deep as they nest.
const DEEP_STACK_BYTES: usize = 256 * 1024 * 1024;

/// Renders templates; one for a process is enough, and cheap to share.
#[derive(Clone, Debug)]
pub struct Renderer {
    env: Environment<'static>,
    limits: Limits,
}

impl Default for Renderer {
    fn default() -> Renderer {
        Renderer::new(Limits::default())
    }
}

impl Renderer {
    /// A renderer with the given limits.
    pub fn new(limits: Limits) -> Renderer {
        let mut env = Environment::new();
        minijinja_contrib::add_to_environment(&mut env);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_formatter(value::write_python);
        env.set_fuel(Some(limits.fuel));
        env.set_recursion_limit(limits.recursion);
        env.set_debug(true);
        // It would print the whole context, secrets included.
        env.remove_global("debug");
        ops::register(&mut env);
        containers::register(&mut env);
        filters::register(&mut env);
        ranges::register(&mut env);
        growth::register(&mut env);
        sequences::register(&mut env);
        tags::register(&mut env);
        turns::register(&mut env);
        wrapping::register(&mut env);
        shell::register(&mut env);
        Renderer { env, limits }
    }

    /// Whether there is a filter of this name.
    pub(crate) fn has_filter(&self, name: &str) -> bool {
        let found = self.env.empty_state().apply_filter(name, &[Value::UNDEFINED]);
        !matches!(found, Err(error) if error.kind() == ErrorKind::UnknownFilter)
    }

    /// Whether there is a test of this name.
    pub(crate) fn has_test(&self, name: &str) -> bool {
        let found = self.env.empty_state().perform_test(name, &[Value::UNDEFINED]);
        !matches!(found, Err(error) if error.kind() == ErrorKind::UnknownTest)
    }

    /// Whether there is a function or another value of this name in every template.
    pub(crate) fn has_global(&self, name: &str) -> bool {
        self.env.globals().any(|(known, _)| known == name)
    }

    /// Renders `text`; `name` is what errors call it (`dags/x.yaml: tasks.load.sql`).
    pub fn render(&self, name: &str, text: &str, scope: &Scope) -> Result<String, RenderError> {
        let text = &*readable(text);
        if !is_template(text) {
            return Ok(without_final_newline(text).to_string());
        }
        self.check_size(name, text)?;
        on_stack_for(name, text, || {
            let run = self.run(scope);
            let rewritten = rewrite(name, text);
            self.render_rewritten(name, text, rewritten, &run)
        })
    }

    /// Renders a shell command: what comes from the run's input is quoted for its place, unless
    /// the template says `| unquoted`.
    pub fn render_shell(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
    ) -> Result<String, RenderError> {
        let text = &*readable(text);
        if !is_template(text) {
            return Ok(without_final_newline(text).to_string());
        }
        self.check_size(name, text)?;
        let marked = on_stack_for(name, text, || {
            let run = self.run_in(scope, true);
            let rewritten = shell::rewrite_marked(name, text, &scope.data, false);
            self.render_rewritten(name, text, rewritten, &run)
        })?;
        shell::resolve(&marked).map_err(|fault| {
            let (line, message) = (fault.line, fault.message);
            let mut error = RenderError::whole(TemplateFault::UnsafeShell, name, message);
            if let RenderError::Template(error) = &mut error {
                error.line = line;
            }
            error
        })
    }

    /// Renders every string inside a JSON value; keys of maps stay as they are.
    pub fn render_value(
        &self,
        name: &str,
        json: &serde_json::Value,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        walk_json(name, json, &mut |name, text| {
            self.render(name, text, scope).map(serde_json::Value::String)
        })
    }

    /// As [`Renderer::render_value`], with values instead of text (`render_template_as_native_obj`).
    pub fn render_value_native(
        &self,
        name: &str,
        json: &serde_json::Value,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        walk_json(name, json, &mut |name, text| self.render_native(name, text, scope))
    }

    /// Renders to a value: a single `{{ … }}` keeps its type, text that is a Python literal
    /// becomes its value (Airflow: `NativeEnvironment`).
    pub fn render_native(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        let json = self.evaluate(name, text, scope)?;
        Ok(match json {
            serde_json::Value::String(found)
                if found.is_empty() && may_write_nothing(name, text) =>
            {
                serde_json::Value::Null
            }
            serde_json::Value::String(text) => {
                native::literal(&text).unwrap_or(serde_json::Value::String(text))
            }
            other => other,
        })
    }

    /// Evaluates an expression, bare or as `{{ … }}`, to JSON; a template with text around it
    /// gives its text.
    pub fn eval_expression(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        let text = &*readable(text);
        if is_template(text) {
            return self.evaluate(name, text, scope);
        }
        self.check_size(name, text)?;
        on_stack_for(name, text, || {
            let run = self.run(scope);
            let wrapped = format!("{{{{{text}}}}}");
            let found = evaluate_source(&run, name, &wrapped, self.limits.output_bytes)
                .and_then(|value| value::to_json(&value));
            finished(found, &run, &origin_of(name, text, 2, &run))
        })
    }

    /// Evaluates a condition (`when`): Python's truth of the value; text must say true or false.
    pub fn eval_condition(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
    ) -> Result<bool, RenderError> {
        Ok(match self.eval_expression(name, text, scope)? {
            serde_json::Value::Null => false,
            serde_json::Value::Bool(flag) => flag,
            serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
            serde_json::Value::Array(items) => !items.is_empty(),
            serde_json::Value::Object(map) => !map.is_empty(),
            serde_json::Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => true,
                "" | "false" | "0" | "no" | "none" => false,
                _ => {
                    let message = "the condition gives text that is neither true nor false; compare it, for example {{ x == 'value' }}";
                    return Err(RenderError::whole(TemplateFault::Failed, name, message));
                }
            },
        })
    }

    fn evaluate(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        let text = &*readable(text);
        if !is_template(text) {
            return Ok(serde_json::Value::String(without_final_newline(text).to_string()));
        }
        self.check_size(name, text)?;
        on_stack_for(name, text, || {
            let run = self.run(scope);
            let found = evaluate_source(&run, name, text, self.limits.output_bytes)
                .and_then(|value| value::to_json(&value));
            finished(found, &run, &origin_of(name, text, 0, &run))
        })
    }

    fn render_rewritten(
        &self,
        name: &str,
        text: &str,
        rewritten: Result<Rewritten, Error>,
        run: &Arc<Run>,
    ) -> Result<String, RenderError> {
        let found = rewritten.and_then(|rewritten| {
            render_text(run, name, &rewritten.text, self.limits.output_bytes)
        });
        finished(found, run, &origin_of(name, text, 0, run))
    }

    fn run(&self, scope: &Scope) -> Arc<Run> {
        self.run_in(scope, false)
    }

    /// A render; in a shell command the included files are marked as the command is.
    fn run_in(&self, scope: &Scope, shell: bool) -> Arc<Run> {
        let mut env = self.env.clone();
        if !scope.data.files.is_empty() {
            let data = Arc::clone(&scope.data);
            env.set_loader(move |name| {
                let Some(text) = data.files.get(name) else { return Ok(None) };
                let text = &*readable(text);
                let rewritten = if shell {
                    shell::rewrite_marked(name, text, &data, true)
                } else {
                    rewrite(name, text)
                };
                rewritten.map(|rewritten| Some(rewritten.text))
            });
        }
        Run::new(scope, env)
    }

    fn check_size(&self, name: &str, text: &str) -> Result<(), RenderError> {
        if text.len() <= self.limits.source_bytes {
            return Ok(());
        }
        let limit = self.limits.source_bytes;
        let message =
            format!("the template has {} bytes, more than the limit of {limit}", text.len());
        Err(RenderError::whole(TemplateFault::Limit, name, message))
    }
}

fn finished<T>(
    found: Result<T, Error>,
    run: &Arc<Run>,
    origin: &Origin<'_>,
) -> Result<T, RenderError> {
    match found {
        // A template may swallow the error of a missing lookup (`is defined`).
        Ok(value) if run.needs().is_empty() => Ok(value),
        Ok(_) => Err(needed(run, origin)),
        Err(error) => match RenderError::from_engine(&error, Some(run), origin) {
            RenderError::Needs(_) => Err(needed(run, origin)),
            other @ RenderError::Template(_) => Err(other),
        },
    }
}

/// All lookups known to be missing: those met, and those that the text names.
fn needed(run: &Run, origin: &Origin<'_>) -> RenderError {
    let mut wanted = run.needs();
    wanted.extend(lookups_of([origin.text], &run.scope.context, origin.files));
    RenderError::Needs(run.scope.lookups.missing_of(wanted))
}

fn origin_of<'a>(name: &'a str, text: &'a str, prefix: usize, run: &'a Arc<Run>) -> Origin<'a> {
    Origin { name, text, prefix, files: &run.scope.files, scope: Some(&run.scope) }
}

/// Runs a render where its values cannot overflow the stack. The engine prints and drops nested
/// values by recursion: a hostile template that nests them as deep as its fuel allows must not end
/// the process.
fn on_stack_for<T: Send>(
    name: &str,
    text: &str,
    render: impl FnOnce() -> Result<T, RenderError> + Send,
) -> Result<T, RenderError> {
    let failed = |message: &str| RenderError::whole(TemplateFault::Failed, name, message);
    let broken = || failed("the template engine failed on this template");
    let render = || metered(render);
    if !needs_deep_stack(text) {
        // A fault of the engine ends this render, never the process. A render shares nothing that
        // it could leave half changed.
        return catch_unwind(AssertUnwindSafe(render)).unwrap_or_else(|_| Err(broken()));
    }
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        match thread.spawn_scoped(threads, render) {
            Ok(handle) => handle.join().unwrap_or_else(|_| Err(broken())),
            Err(_) => Err(failed("there is no memory to render a template of this size")),
        }
    })
}

/// Whether a template could nest values deeper than an ordinary stack holds: each bracket nests
/// by one, `namespace` carries a value through a loop, and other files are not counted.
fn needs_deep_stack(text: &str) -> bool {
    let nests =
        text.bytes().filter(|byte| matches!(byte, b'[' | b'(' | b'|' | b':' | b'~')).count();
    nests > MAX_SHALLOW_NESTS
        || ["namespace", "include", "import", "extends"].iter().any(|word| text.contains(word))
}

/// Evaluates a macro of the DAG: one `{{ … }}` keeps its type, anything else gives text.
pub(crate) fn evaluate_macro(run: &Arc<Run>, name: &str, text: &str) -> Result<Value, Error> {
    if needs_deep_stack(text) {
        return Err(fault(format!("macro \"{name}\" is too large; compute the value in a task")));
    }
    let limit = Limits::default().output_bytes;
    evaluate_source(run, name, text, limit).map_err(|error| {
        let origin =
            Origin { name, text, prefix: 0, files: &run.scope.files, scope: Some(&run.scope) };
        match RenderError::from_engine(&error, None, &origin) {
            RenderError::Template(inner) if !inner.message.starts_with("macro \"") => {
                fault(format!("macro \"{name}\": {}", inner.message))
            }
            _ => error,
        }
    })
}

fn evaluate_source(
    run: &Arc<Run>,
    name: &str,
    text: &str,
    output_bytes: usize,
) -> Result<Value, Error> {
    let parsed = parse_bounded(name, text)?;
    let rewritten = super::rewrite::apply(text, super::rewrite::operator_edits(&parsed));
    let Some(expression) = single_expression(&parsed.tree, &rewritten.text) else {
        return render_text(run, name, &rewritten.text, output_bytes).map(Value::from);
    };
    let root = Value::from_object(Root(Arc::clone(run)));
    let value = run.env().compile_expression(&expression)?.eval(root)?;
    if value.is_undefined() {
        // Printing names what is undefined; an expression alone does not.
        return render_text(run, name, &rewritten.text, output_bytes).map(Value::from);
    }
    Ok(value)
}

/// Whether a template may end without writing anything: native rendering gives none then.
fn may_write_nothing(name: &str, text: &str) -> bool {
    let text = &*readable(text);
    if !is_template(text) {
        return false;
    }
    let Ok(parsed) = parse_bounded(name, text) else { return false };
    let Stmt::Template(template) = &parsed.tree else { return false };
    !template.children.iter().any(|part| matches!(part, Stmt::EmitExpr(_) | Stmt::EmitRaw(_)))
}

/// The expression of a template that is nothing but `{{ … }}`, with blanks for what surrounds it
/// so that its columns stay.
fn single_expression(tree: &Stmt<'_>, text: &str) -> Option<String> {
    let Stmt::Template(template) = tree else { return None };
    let [Stmt::EmitExpr(_)] = template.children.as_slice() else { return None };
    let start = text.find("{{")? + 2;
    let end = text.rfind("}}")?;
    let inner = text.get(start..end)?;
    let skipped = usize::from(inner.starts_with(['-', '+']));
    let inner = inner[skipped..].strip_suffix('-').unwrap_or(&inner[skipped..]);
    Some(format!("{}{inner}", " ".repeat(start + skipped)))
}

fn render_text(run: &Arc<Run>, name: &str, text: &str, limit: usize) -> Result<String, Error> {
    let mut out = Bounded { bytes: Vec::with_capacity(text.len()), limit, exceeded: false };
    let root = Value::from_object(Root(Arc::clone(run)));
    let template = run.env().template_from_named_str(name, text)?;
    let rendered = template.render_captured_to(root, &mut out).map(|_| ());
    if out.exceeded {
        return Err(Error::new(
            ErrorKind::OutOfFuel,
            format!("the text is longer than the limit of {limit} bytes"),
        ));
    }
    rendered?;
    String::from_utf8(out.bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "the text is not UTF-8"))
}

/// Collects output up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.limit {
            self.exceeded = true;
            return Err(io::Error::other("output limit"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a text has anything to render; YAML is full of text that has not.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Jinja drops one newline at the end, in plain text too.
fn without_final_newline(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

fn walk_json(
    name: &str,
    json: &serde_json::Value,
    render: &mut dyn FnMut(&str, &str) -> Result<serde_json::Value, RenderError>,
) -> Result<serde_json::Value, RenderError> {
    Ok(match json {
        serde_json::Value::String(text) => render(name, text)?,
        serde_json::Value::Array(items) => serde_json::Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| walk_json(&format!("{name}[{index}]"), item, render))
                .collect::<Result<_, _>>()?,
        ),
        serde_json::Value::Object(map) => {
            let mut rendered = serde_json::Map::new();
            for (key, item) in map {
                rendered.insert(key.clone(), walk_json(&format!("{name}.{key}"), item, render)?);
            }
            serde_json::Value::Object(rendered)
        }
        other => other.clone(),
    })
}
