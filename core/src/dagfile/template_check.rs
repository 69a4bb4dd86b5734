//! Templates are checked when the file is read: their syntax, and the names that they use.
//!
//! A wrong template is an error; a name that nobody knows is a warning, since only rendering can
//! tell. Places are mapped into the YAML text. Must not render anything.

use std::collections::BTreeSet;

use crate::operator::{Field, FieldKind, OperatorSpec, TextUse};
use crate::template::{TemplateError, What, context_names, removed_name, uses};

use super::Context;
use super::expand::ItemNames;
use super::fields::Fields;
use super::files;
use super::report::Report;
use super::source::{Source, Span};
use super::tree::{Kind, Node, Scalar, Style};
use super::value;
use crate::suggest::did_you_mean;

/// The names of one DAG that its templates may use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) macros: Vec<String>,
    pub(crate) params: Vec<String>,
    pub(crate) tasks: BTreeSet<String>,
    /// Those of the mapped item, while a mapped task is read.
    pub(crate) items: ItemNames,
}

/// Filters worth suggesting; which ones there are is asked of the renderer.
const FILTERS: &[&str] = &[
    "capitalize",
    "default",
    "ds",
    "ds_nodash",
    "first",
    "float",
    "format",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "replace",
    "reverse",
    "round",
    "select",
    "shellquote",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "to_datetime",
    "tojson",
    "trim",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "unique",
    "unquoted",
    "upper",
    "urlencode",
];

/// What expressions over an answer see of it: `http`, and the `sql` sensor.
const ANSWER_NAMES: &[&str] = &["response", "value", "row", "rows"];

/// How a text is read.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Template,
    /// May be bare, without `{{ }}`.
    Expression,
}

/// Checks every template of a task.
pub(crate) fn check_task(
    report: &mut Report<'_>,
    context: &Context<'_>,
    fields: &Fields<'_>,
    spec: &'static OperatorSpec,
) {
    for field in spec.fields {
        let Some(node) = fields.value(field.name) else { continue };
        match (field.kind, field.text) {
            (FieldKind::Choose, _) => check_choose(report, context, node),
            (_, TextUse::Expression) => {
                check(report, context, node, How::Expression, ANSWER_NAMES);
            }
            _ => check_field(report, context, field, node),
        }
    }
    if let Some(node) = fields.value("when") {
        check(report, context, node, How::Expression, &[]);
    }
    for key in ["env", "map_index_template"] {
        if let Some(node) = fields.value(key) {
            check(report, context, node, How::Template, &[]);
        }
    }
    if let Some(node) = fields.value("expand") {
        check_expand(report, context, node);
    }
    for key in ["on_execute", "on_success", "on_failure", "on_retry", "on_skipped"] {
        if let Some(node) = fields.value(&format!("{key}_callback")) {
            check(report, context, node, How::Template, &["exception", "reason"]);
        }
    }
}

/// Checks the texts of the elements that stand in the file.
fn check_expand(report: &mut Report<'_>, context: &Context<'_>, node: &Node) {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries.iter().filter(|entry| entry.value.text().is_none()) {
                check(report, context, &entry.value, How::Template, &[]);
            }
        }
        Kind::List(_) => check(report, context, node, How::Template, &[]),
        _ => {}
    }
}

/// Checks the templates of the DAG itself: macros and callbacks.
pub(crate) fn check_dag(report: &mut Report<'_>, context: &Context<'_>, fields: &Fields<'_>) {
    if let Some(node) = fields.value("macros") {
        check(report, context, node, How::Template, &["exception", "reason"]);
    }
    for key in ["on_success_callback", "on_failure_callback"] {
        if let Some(node) = fields.value(key) {
            check(report, context, node, How::Template, &["exception", "reason"]);
        }
    }
    if let Some(node) = fields.value("deadline") {
        check(report, context, node, How::Template, &["deadline", "exception", "reason"]);
    }
}

/// Checks the texts of a field, or of the files that it names.
fn check_field(report: &mut Report<'_>, context: &Context<'_>, field: &Field, node: &Node) {
    let endings = files::endings(field.text);
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for node in nodes {
        let name = match &node.kind {
            Kind::Scalar(scalar) => files::file_name(&scalar.text, endings),
            _ => None,
        };
        match name.map(|name| (name, context.files.get(name))) {
            None => check(report, context, node, How::Template, &[]),
            Some((name, Some(Ok(text)))) => check_file(report, context, name, text),
            Some(_) => {}
        }
    }
}

fn check_choose(report: &mut Report<'_>, context: &Context<'_>, node: &Node) {
    let Kind::List(items) = &node.kind else { return };
    for entry in items.iter().filter_map(Node::map).flatten() {
        let is_condition = matches!(entry.key.as_str(), "when" | "if");
        let how = if is_condition { How::Expression } else { How::Template };
        check(report, context, &entry.value, how, &[]);
    }
}

/// Checks every text inside a value; keys are no templates.
fn check(report: &mut Report<'_>, context: &Context<'_>, node: &Node, how: How, more: &[&str]) {
    match &node.kind {
        Kind::Raw(_) => {}
        Kind::List(items) => {
            for item in items {
                check(report, context, item, how, more);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                check(report, context, &entry.value, how, more);
            }
        }
        Kind::Scalar(scalar) => {
            let found = findings(context, &scalar.text, how, more);
            for finding in found {
                let span = place(report, node, scalar, finding.line, finding.column);
                add(report, &finding, span);
            }
        }
    }
}

fn add(report: &mut Report<'_>, finding: &Finding, span: Span) {
    let (message, help) = value::advice(&finding.message);
    let added = if finding.is_error {
        report.error(span, finding.code, message)
    } else {
        report.warning(span, finding.code, message)
    };
    if let Some(help) = help {
        added.help(help);
    }
}

/// Checks a file; its findings stand at its own lines.
fn check_file(report: &mut Report<'_>, context: &Context<'_>, name: &str, text: &str) {
    let folder = report.source.name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let relative = name.strip_prefix("./").unwrap_or(name);
    let path = if folder.is_empty() || relative.starts_with('/') {
        relative.to_owned()
    } else {
        format!("{folder}/{relative}")
    };
    let found = findings(context, text, How::Template, &[]);
    if found.is_empty() {
        return;
    }
    let source = Source::new(&path, text);
    let mut inner = Report::new(&source);
    for finding in found {
        let span = span_at(&source, finding.line, finding.column);
        add(&mut inner, &finding, span);
    }
    for diagnostic in inner.found {
        report.add(diagnostic);
    }
}

/// Something wrong with a template, at a place in it.
struct Finding {
    is_error: bool,
    code: &'static str,
    message: String,
    line: usize,
    column: usize,
}

fn findings(context: &Context<'_>, text: &str, how: How, more: &[&str]) -> Vec<Finding> {
    let read = uses(text, how == How::Expression, |found| {
        let judged = found.into_iter().filter_map(|used| {
            let (code, message) = judge(context, used.what, more)?;
            let is_error = matches!(used.what, What::Filter(_) | What::Test(_));
            Some(Finding { is_error, code, message, line: used.line, column: used.column })
        });
        judged.collect::<Vec<_>>()
    });
    match read {
        Ok(found) => found.unwrap_or_default(),
        Err(error) => vec![wrong(&error)],
    }
}

fn wrong(error: &TemplateError) -> Finding {
    Finding {
        is_error: true,
        code: "bad-template",
        message: format!("{}; templates are Jinja: {{{{ ds }}}}, {{% if … %}}", error.message),
        line: error.line.max(1),
        column: error.column.max(1),
    }
}

/// What is doubtful about a name, if anything.
fn judge(context: &Context<'_>, what: What<'_>, more: &[&str]) -> Option<(&'static str, String)> {
    let names = &context.names;
    match what {
        What::Name(name) => {
            let known = context_names().contains(&name)
                || names.macros.iter().any(|known| known == name)
                || names.items.known.iter().any(|known| known == name)
                || names.items.is_open
                || more.contains(&name)
                || context.renderer.has_global(name);
            if known {
                return None;
            }
            if let Some(instead) = removed_name(name) {
                let message = format!("\"{name}\" was removed in Airflow 3; use `{instead}`");
                return Some(("removed-name", message));
            }
            let all =
                context_names().iter().copied().chain(names.macros.iter().map(String::as_str));
            let hint = did_you_mean(name, all.chain(more.iter().copied()));
            Some((
                "undefined-name",
                format!(
                    "\"{name}\" is undefined in templates{hint}; define it in `macros`, or write `| default(…)`"
                ),
            ))
        }
        What::Param(name) if !names.params.iter().any(|known| known == name) => {
            let hint = did_you_mean(name, names.params.iter().map(String::as_str));
            Some((
                "unknown-param",
                format!(
                    "the DAG has no param \"{name}\"{hint}; add it to `params`, or write `| default(…)`"
                ),
            ))
        }
        What::Task(name) if !names.tasks.contains(name) => {
            let hint = did_you_mean(name, names.tasks.iter().map(String::as_str));
            Some((
                "unknown-task",
                format!(
                    "there is no task \"{name}\" to take an XCom from{hint}; name a task of this DAG"
                ),
            ))
        }
        What::Filter(name) if !context.renderer.has_filter(name) => {
            let hint = did_you_mean(name, FILTERS.iter().copied());
            let help = "see the DAG reference for the filters there are";
            Some(("unknown-filter", format!("unknown filter \"{name}\"{hint}; {help}")))
        }
        What::Test(name) if !context.renderer.has_test(name) => Some((
            "unknown-filter",
            format!("unknown test \"is {name}\"; see the DAG reference for the tests there are"),
        )),
        _ => None,
    }
}

/// The place in the file of a place in a scalar's text. Where the text is not written as it is
/// (escapes, folded lines), the scalar's own place.
fn place(report: &Report<'_>, node: &Node, scalar: &Scalar, line: usize, column: usize) -> Span {
    let slice = report.source.slice(node.span);
    match scalar.style {
        Style::Plain | Style::Quoted => {
            let quote = usize::from(scalar.style == Style::Quoted && slice != scalar.text);
            let inner = slice.get(quote..slice.len().saturating_sub(quote)).unwrap_or_default();
            if line == 1 && inner == scalar.text {
                let before: usize = inner.chars().take(column - 1).map(char::len_utf8).sum();
                let start = node.span.start + quote + before;
                return Span::new(start, start + word_len(&report.source.text[start..]));
            }
            value::value_span(node)
        }
        Style::Literal => {
            let lead = |text: &str| text.chars().take_while(|c| *c == '\n').count();
            let skipped = lead(&scalar.text).saturating_sub(lead(slice));
            let (first, indent) = report.source.position(node.span.start);
            let Some(number) = (line - 1).checked_sub(skipped) else {
                return value::value_span(node);
            };
            let number = first + u32::try_from(number).unwrap_or(0);
            let start_column = indent as usize + column - 1;
            let source_line = report.source.line(number);
            let before: usize =
                source_line.chars().take(start_column - 1).map(char::len_utf8).sum();
            let start = report.source.line_start(number) + before;
            Span::new(start, start + word_len(&source_line[before..]))
        }
        Style::Folded => value::value_span(node),
    }
}

fn span_at(source: &Source<'_>, line: usize, column: usize) -> Span {
    let number = u32::try_from(line).unwrap_or(1);
    let text = source.line(number);
    let before: usize = text.chars().take(column - 1).map(char::len_utf8).sum();
    let start = source.line_start(number) + before;
    Span::new(start, start + word_len(&text[before..]))
}

/// The bytes of the word that a text starts with, at least one character.
fn word_len(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if end > 0 { end } else { text.chars().next().map_or(0, char::len_utf8) }
}
