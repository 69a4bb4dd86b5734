//! Shell commands: what comes from a run's input is quoted for its place in the command.
//!
//! Owns the rule "input never becomes shell text silently": `taint` finds which emitted
//! expressions derive from input, `mark` has their text marked, `lexer` knows the place of
//! each mark in the command, and `quote` writes it so that the shell sees it as data. What cannot
//! be quoted (a script for another shell, arithmetic, a NUL byte) is refused. Nothing here runs a
//! shell.

use minijinja::{Environment, Error, Value};

use super::rewrite::{Rewritten, apply, operator_edits, parse_bounded};
use super::scope::ScopeData;
use super::temporal::fault;

mod assigned;
mod command;
mod insert;
mod lexer;
mod mark;
mod quote;
mod taint;

pub(crate) use assigned::assigned_names;
pub(crate) use lexer::resolve;
pub(crate) use quote::quote_text;

/// Begins a part that derives from input. The marks are Unicode noncharacters: no text has them.
const INPUT: char = '\u{FDD0}';
/// Begins a part that the author passed through `| shellquote`.
const QUOTED: char = '\u{FDD1}';
/// Ends a part.
const END: char = '\u{FDD2}';

/// A command that cannot be made safe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShellFault {
    /// The line of the rendered command.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// Adds the marking functions.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("__mr_mark", |value: Value| marked(INPUT, value));
    env.add_filter("__mr_mark", |value: Value| marked(INPUT, value));
    env.add_function("__mr_mark_quoted", |value: Value| marked(QUOTED, value));
    env.add_function("__mr_plain", plain);
}

/// Rewrites a shell template: operators become calls, and emitted input is marked.
pub(crate) fn rewrite_marked(
    name: &str,
    text: &str,
    scope: &ScopeData,
    included: bool,
) -> Result<Rewritten, Error> {
    if text.contains([INPUT, QUOTED, END]) {
        return Err(fault("the template contains a Unicode noncharacter (U+FDD0 to U+FDD2)"));
    }
    let parsed = parse_bounded(name, text)?;
    let marks = mark::marks(&parsed, scope, included);
    if let Some(message) = marks.refused {
        return Err(fault(message));
    }
    let mut edits = marks.outer_starts;
    edits.extend(marks.inner_ends);
    edits.extend(operator_edits(&parsed));
    edits.extend(marks.inner_starts);
    edits.extend(marks.outer_ends);
    Ok(apply(text, edits))
}

fn marked(kind: char, value: Value) -> Result<Value, Error> {
    // An undefined value goes on as it is: printing it names it.
    if value.is_undefined() {
        return Ok(value);
    }
    let text = super::python_text::text(&value);
    let text = without_marks(&text);
    if text.contains([INPUT, QUOTED, END]) {
        return Err(fault("a value from the run's input contains a Unicode noncharacter"));
    }
    Ok(Value::from(format!("{kind}{text}{END}")))
}

/// Takes the marks out of a captured text that is used as a value.
fn plain(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.contains([INPUT, QUOTED, END]) => {
            Value::from(text.replace([INPUT, QUOTED, END], ""))
        }
        _ => value,
    }
}

/// A captured text may hold whole marks of its own; anything else stays and is refused.
fn without_marks(text: &str) -> String {
    let starts = text.matches([INPUT, QUOTED]).count();
    if starts > 0 && starts == text.matches(END).count() {
        text.replace([INPUT, QUOTED, END], "")
    } else {
        text.to_string()
    }
}
