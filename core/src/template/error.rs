//! Why a template could not be rendered: what, where, and what to do.
//!
//! Owns the translation of the engine's errors. No text ever quotes a value, only names.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;

use minijinja::machinery::ast;
use minijinja::{Error, ErrorKind};

use super::lookup::Lookup;
use super::rewrite::{parse_bounded, rewrite};
use super::scope::Run;
use super::walk::{for_each_child, for_each_root_expr};
use crate::suggest::nearest;

/// A render that gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Values from outside are needed first; fetch them, add them to the lookups, render again.
    #[error("the template needs {}", list(.0))]
    Needs(Vec<Lookup>),
    /// The template, or a value that it uses, is wrong.
    #[error("{0}")]
    Template(Box<TemplateError>),
}

/// What kind of mistake a [`TemplateError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateFault {
    /// Not Jinja.
    Syntax,
    /// A name, attribute, filter, test or method that does not exist.
    Undefined,
    /// An included file that is not there.
    MissingFile,
    /// Too long, too deep or too much work.
    Limit,
    /// Text that must not reach a shell.
    UnsafeShell,
    /// Everything else: wrong types, missing variables, bad dates.
    Failed,
}

/// A mistake with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The kind of mistake.
    pub fault: TemplateFault,
    /// What is wrong and what to do; no place in it.
    pub message: String,
    /// The template: a file, or `dag.task.field` as the caller named it.
    pub file: String,
    /// Line in that template, from 1; 0 when unknown.
    pub line: usize,
    /// Column in characters, from 1; 0 when unknown.
    pub column: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (line, 0) => write!(f, "{}:{line}: {}", self.file, self.message),
            (line, column) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
        }
    }
}

/// Where an error's text comes from.
pub(crate) struct Origin<'a> {
    /// The name of the main template.
    pub(crate) name: &'a str,
    /// Its text as the author wrote it.
    pub(crate) text: &'a str,
    /// Bytes that were put before the text to make it a template.
    pub(crate) prefix: usize,
    /// The files that it may include.
    pub(crate) files: &'a BTreeMap<String, String>,
    /// Whose names suggestions come from.
    pub(crate) scope: Option<&'a super::scope::ScopeData>,
}

impl Origin<'_> {
    /// The names of the context and those that the template sets.
    fn known_names(&self) -> Vec<String> {
        let mut names = self.scope.map(super::scope::ScopeData::names).unwrap_or_default();
        for text in self.files.values().map(String::as_str).chain([self.text]) {
            if let Ok(parsed) = parse_bounded(self.name, text) {
                super::shell::assigned_names(&parsed.tree, &mut names);
            }
        }
        names
    }
}

impl RenderError {
    /// A mistake of the whole template, without a place in it.
    pub(crate) fn whole(
        fault: TemplateFault,
        file: &str,
        message: impl Into<String>,
    ) -> RenderError {
        RenderError::Template(Box::new(TemplateError {
            fault,
            message: message.into(),
            file: file.to_string(),
            line: 0,
            column: 0,
        }))
    }

    /// Translates an engine error; `run` knows whether lookups were missing.
    pub(crate) fn from_engine(
        error: &Error,
        run: Option<&Run>,
        origin: &Origin<'_>,
    ) -> RenderError {
        if let Some(run) = run {
            let needs = run.needs();
            if !needs.is_empty() {
                return RenderError::Needs(needs);
            }
        }
        let error = innermost(error);
        let included = error.name().filter(|name| origin.files.contains_key(*name));
        let (file, text, prefix) = match included {
            Some(name) => (name, origin.files[name].as_str(), 0),
            None => (origin.name, origin.text, origin.prefix),
        };
        let span = error.range().filter(|_| error.line().is_some()).map(|range| {
            let (start, end) = original_span(file, text, prefix, &range);
            (start, text.get(start..end).unwrap_or_default())
        });
        let (fault, message) = explain(error, span.map(|(_, code)| code), origin);
        let (line, column) = match span {
            // A name inside the expression is a better place than the expression's start.
            Some((start, code)) => {
                let name = quoted(error.detail().unwrap_or_default());
                let inside = name.and_then(|name| code.find(name)).unwrap_or(0);
                place_of(text, start + inside)
            }
            None => (error.line().unwrap_or(0), 0),
        };
        RenderError::Template(Box::new(TemplateError {
            fault,
            message,
            file: file.to_string(),
            line,
            column,
        }))
    }

    /// The mistake, unless lookups are needed.
    pub fn template_error(&self) -> Option<&TemplateError> {
        match self {
            RenderError::Needs(_) => None,
            RenderError::Template(error) => Some(error),
        }
    }
}

/// The replacement for a name that Airflow 3 removed; `None` for any other name.
pub fn removed_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "execution_date" => "logical_date",
        "next_execution_date" => "data_interval_end",
        "prev_execution_date" => {
            "data_interval_start.subtract(days=1), or prev_data_interval_start_success"
        }
        "prev_execution_date_success" => "prev_data_interval_start_success",
        "next_ds" => "data_interval_end | ds",
        "next_ds_nodash" => "data_interval_end | ds_nodash",
        "prev_ds" => "macros.ds_add(ds, -1), or prev_data_interval_start_success | ds",
        "prev_ds_nodash" => "prev_data_interval_start_success | ds_nodash",
        "yesterday_ds" => "macros.ds_add(ds, -1)",
        "yesterday_ds_nodash" => "logical_date.subtract(days=1) | ds_nodash",
        "tomorrow_ds" => "macros.ds_add(ds, 1)",
        "tomorrow_ds_nodash" => "logical_date.add(days=1) | ds_nodash",
        "conf" => "dag_run.conf (the run's conf)",
        _ => return None,
    })
}

fn innermost(error: &Error) -> &Error {
    let mut current = error;
    while let Some(inner) = current.source().and_then(|source| source.downcast_ref::<Error>()) {
        current = inner;
    }
    current
}

fn explain(error: &Error, used_in: Option<&str>, origin: &Origin<'_>) -> (TemplateFault, String) {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            (TemplateFault::Undefined, undefined_text(detail, used_in, origin))
        }
        _ if detail.ends_with("` is undefined)") => {
            (TemplateFault::Undefined, undefined_text(detail, used_in, origin))
        }
        ErrorKind::SyntaxError => (TemplateFault::Syntax, format!("not valid Jinja: {detail}")),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            (TemplateFault::Undefined, format!("{detail}; see the list of names in the docs"))
        }
        ErrorKind::UnknownMethod => {
            let text = if detail.is_empty() { "the value has no such method" } else { detail };
            (TemplateFault::Undefined, text.to_string())
        }
        ErrorKind::TemplateNotFound => {
            let text = format!("{detail}; include files by their path from the DAG file's folder");
            (TemplateFault::MissingFile, text)
        }
        ErrorKind::OutOfFuel if !detail.is_empty() => (TemplateFault::Limit, detail.to_string()),
        ErrorKind::OutOfFuel => (
            TemplateFault::Limit,
            "the template does too much work; shorten its loops, or compute it in a task"
                .to_string(),
        ),
        kind if detail.is_empty() => (TemplateFault::Failed, kind.to_string()),
        _ if detail.contains("recursion") => (TemplateFault::Limit, detail.to_string()),
        _ => (TemplateFault::Failed, detail.to_string()),
    }
}

fn undefined_text(detail: &str, used_in: Option<&str>, origin: &Origin<'_>) -> String {
    let names = origin.known_names();
    let known = |name: &str| names.iter().any(|known| known == name);
    if let Some(expression) = quoted(detail)
        // What a call gave has no name; the expression's own text says more.
        && !(used_in.is_some() && expression.starts_with(['.', '[', '(']))
    {
        let name = expression.split(['.', '[', '(']).next().unwrap_or(expression);
        if !known(name) {
            return unknown_name(name, &names);
        }
        return format!(
            "\"{expression}\" is undefined; check its name, or give a default: | default(…)"
        );
    }
    let Some(code) = used_in else {
        return "an undefined value is used; check its name, or | default(…)".to_string();
    };
    match names_in(code).into_iter().find(|name| !known(name)) {
        Some(name) => unknown_name(&name, &names),
        None => {
            format!("an undefined value is used in \"{code}\"; check its names, or | default(…)")
        }
    }
}

fn unknown_name(name: &str, names: &[String]) -> String {
    if let Some(replacement) = removed_name(name) {
        return format!("\"{name}\" was removed in Airflow 3; use {replacement}");
    }
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("\"{name}\" is undefined; did you mean \"{near}\"?"),
        None => format!("\"{name}\" is undefined"),
    }
}

/// The variables of an expression, in text order.
fn names_in(code: &str) -> Vec<String> {
    fn collect(expr: &ast::Expr<'_>, found: &mut Vec<String>) {
        if let ast::Expr::Var(var) = expr {
            found.push(var.id.to_string());
        }
        for_each_child(expr, &mut |child| collect(child, found));
    }
    let template = format!("{{{{{code}}}}}");
    let mut found = Vec::new();
    if let Ok(parsed) = parse_bounded("", &template) {
        for_each_root_expr(&parsed.tree, &mut |expr| collect(expr, &mut found));
    }
    found
}

/// The first text between backticks.
fn quoted(detail: &str) -> Option<&str> {
    let start = detail.find('`')? + 1;
    let length = detail[start..].find('`')?;
    Some(&detail[start..start + length])
}

/// Where a span of the rewritten text is in the author's text, in bytes.
fn original_span(
    file: &str,
    text: &str,
    prefix: usize,
    range: &std::ops::Range<usize>,
) -> (usize, usize) {
    // An expression is wrapped to make it a template; rewriting is repeated only on this cold path.
    let wrapped = if prefix == 0 { text.to_string() } else { format!("{{{{{text}}}}}") };
    let rewritten = rewrite(file, &wrapped);
    let original = |offset: usize| {
        let offset =
            rewritten.as_ref().map_or(offset, |rewritten| rewritten.original_offset(offset));
        offset.saturating_sub(prefix).min(text.len())
    };
    (original(range.start), original(range.end))
}

/// Line and column, from 1, of a byte offset.
fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn list(lookups: &[Lookup]) -> String {
    lookups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
