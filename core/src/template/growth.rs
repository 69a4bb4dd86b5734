//! Bounds on how fast values may grow: fuel counts instructions, not what one of them makes.
//!
//! Owns the checks before text is joined, repeated, replaced or formatted. A value that
//! passes may be combined once more without endangering the process.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands values over by value")]

use minijinja::filters;
use minijinja::value::{Kwargs, StringInput, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::args::{Args, Given};
use super::python_text;
use super::temporal::fault;
use super::value::check_shape;
use super::work;

/// The longest text that may become a part of another, in bytes.
const MAX_PART_BYTES: usize = 256 * 1024;
/// The longest text that replacing may make, in bytes.
const MAX_REPLACED_BYTES: usize = 4 * 1024 * 1024;
/// The widest field, indent or row.
const MAX_WIDTH: usize = 999;

/// Adds `__mr_part`, which `~` puts around its operands, `__mr_work` and `__mr_work_of_text`, of
/// which one stands before every filter, and bounded forms of filters.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("__mr_part", |value: Value| part(&value));
    env.add_filter("__mr_work", |value: Value| work::look_at(&value).map(|()| value));
    env.add_filter("__mr_work_of_text", |value: Value| work::look_at_text(&value).map(|()| value));
    env.add_filter("string", |state: &State<'_, '_>, value: Value| {
        let value = part(&value)?;
        filters::string(state, &value)
    });
    env.add_filter("pprint", |value: Value| bounded(&value).map(|()| python_text::repr(&value)));
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("indent", indent);
    env.add_filter(
        "batch",
        |state: &State<'_, '_>, value: Value, count: usize, fill: Option<Value>| {
            check_width(count)?;
            super::sequences::items(&value, "batch")?;
            filters::batch(state, value, count, fill)
        },
    );
    env.add_filter(
        "slice",
        |state: &State<'_, '_>, value: Value, count: usize, fill: Option<Value>| {
            check_width(count)?;
            super::sequences::items(&value, "slice")?;
            filters::slice(state, value, count, fill)
        },
    );
}

/// A value that becomes a part of a text: what Python prints in its own way is text already.
fn part(value: &Value) -> Result<Value, Error> {
    bounded(value)?;
    let is_float = value.kind() == ValueKind::Number && !value.is_integer();
    if is_float || python_text::is_container(value) {
        return Ok(Value::from(python_text::text(value)));
    }
    Ok(value.clone())
}

/// Refuses a value that is too large to become a part of a text.
pub(crate) fn bounded(value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if text.len() > MAX_PART_BYTES => {
            Err(fault(format!("a text of more than {MAX_PART_BYTES} bytes cannot be combined")))
        }
        Some(_) => work::look_at(value),
        None => check_shape(value),
    }
}

/// Refuses a replacement that would make too much text.
pub(crate) fn check_replacement(text: &str, from: &str, to: &str) -> Result<(), Error> {
    let places = if from.is_empty() { text.len() + 1 } else { text.matches(from).count() };
    if text.len() + places.saturating_mul(to.len()) > MAX_REPLACED_BYTES {
        return Err(fault(format!("replace would make more than {MAX_REPLACED_BYTES} bytes")));
    }
    Ok(())
}

/// Refuses a text that grows beyond what replacing may make, in bytes.
pub(crate) fn check_growth(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_REPLACED_BYTES {
        return Err(fault(format!("format would make more than {MAX_REPLACED_BYTES} bytes")));
    }
    Ok(())
}

fn check_width(width: usize) -> Result<(), Error> {
    if width > MAX_WIDTH {
        return Err(fault(format!("a count or width of more than {MAX_WIDTH} is refused")));
    }
    Ok(())
}

fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    named: Kwargs,
) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::String) {
        super::sequences::items(value, "join")?;
    }
    let long = joiner.as_ref().is_some_and(|joiner| joiner.as_str().len() > MAX_WIDTH);
    if long {
        return Err(fault(format!("a separator of more than {MAX_WIDTH} bytes is refused")));
    }
    bounded(value)?;
    filters::join(state, value, joiner, attribute, named)
}

/// `replace(old, new, count=none)`; everything is text first.
fn replace(
    state: &mut State<'_, '_>,
    value: StringInput<'_>,
    given: Given,
) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("replace", &values)?;
    let from = python_text::text(&args.require("old")?);
    let to = python_text::text(&args.require("new")?);
    let count = args.int("count")?;
    args.finish()?;
    check_replacement(value.as_str(), &from, &to)?;
    if let Some(count) = count.and_then(|count| usize::try_from(count).ok()) {
        return Ok(Value::from(value.as_str().replacen(&from, &to, count)));
    }
    let (from, to) = (Value::from(from), Value::from(to));
    let (from, to) = (StringInput::new(state, &from)?, StringInput::new(state, &to)?);
    filters::replace(state, value, from, to)
}

/// `indent(width=4, first=false, blank=false)`; the width may be the text to put in front.
fn indent(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("indent", &values)?;
    let width = args.take("width")?.unwrap_or_else(|| Value::from(4));
    let first = args.flag("first", false)?;
    let blank = args.flag("blank", false)?;
    args.finish()?;
    let Some(text) = value.as_str() else {
        let kind = super::ops::type_name(&value);
        return Err(fault(format!(
            "filter \"indent\" takes text, not {kind}; make it text first: | string"
        )));
    };
    bounded(&value)?;
    let indention = if let Some(indention) = width.as_str() {
        indention.to_owned()
    } else {
        let count = usize::try_from(width)
            .map_err(|_| fault("indent(): \"width\" must be a whole number or a text"))?;
        check_width(count)?;
        " ".repeat(count)
    };
    check_width(indention.len())?;
    Ok(Value::from(indented(text, &indention, first, blank)))
}

fn indented(text: &str, indention: &str, first: bool, blank: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        // The first line is indented even where it is empty.
        let is_indented = if index == 0 { first } else { blank || !line.is_empty() };
        if is_indented {
            out.push_str(indention);
        }
        out.push_str(line);
    }
    out
}
