//! Bounds on how fast values may grow: fuel counts instructions, not what one of them makes.
//!
//! Owns the checks before text is joined, repeated, replaced, formatted or padded. A value that
//! passes may be combined once more without endangering the process.

use minijinja::filters;
use minijinja::value::{Kwargs, StringInput, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::python_text;
use super::temporal::fault;
use super::value::check_shape;

/// The longest text that may become a part of another, in bytes.
const MAX_PART_BYTES: usize = 256 * 1024;
/// The longest text that replacing may make, in bytes.
const MAX_REPLACED_BYTES: usize = 4 * 1024 * 1024;
/// The widest field, indent or row.
const MAX_WIDTH: usize = 999;

/// Adds `__mr_part`, which `~` puts around its operands, and bounded forms of filters.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("__mr_part", |value: Value| part(&value));
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
            filters::batch(state, value, count, fill)
        },
    );
    env.add_filter(
        "slice",
        |state: &State<'_, '_>, value: Value, count: usize, fill: Option<Value>| {
            check_width(count)?;
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
        Some(_) => Ok(()),
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

/// Refuses `'%0999999999d'` and `'{:>999999999}'`: a width is memory. Digits outside a field are
/// text.
pub(crate) fn check_format(layout: &str, args: &[Value]) -> Result<(), Error> {
    args.iter().try_for_each(bounded)?;
    let bytes = layout.as_bytes();
    let too_wide = |from: usize| {
        let spec = bytes[from..].iter().take_while(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b' ' | b'#' | b'.' | b'*')
        });
        let mut digits = 0;
        spec.copied().any(|byte| {
            digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
            digits > 3 || byte == b'*'
        })
    };
    for (at, byte) in bytes.iter().enumerate() {
        let refused = match byte {
            b'%' => too_wide(at + 1),
            b'{' => {
                let field = layout[at + 1..].split('}').next().unwrap_or_default();
                let spec = field.split_once(':').map_or("", |(_, spec)| spec);
                let widest = spec.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
                widest.unwrap_or(0) > 3 || spec.contains('{')
            }
            _ => false,
        };
        if refused {
            return Err(fault(format!("a format width of more than {MAX_WIDTH} is refused")));
        }
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
    let long = joiner.as_ref().is_some_and(|joiner| joiner.as_str().len() > MAX_WIDTH);
    if long {
        return Err(fault(format!("a separator of more than {MAX_WIDTH} bytes is refused")));
    }
    bounded(value)?;
    filters::join(state, value, joiner, attribute, named)
}

fn replace(
    state: &mut State<'_, '_>,
    value: StringInput<'_>,
    from: StringInput<'_>,
    to: StringInput<'_>,
    count: Option<i64>,
) -> Result<Value, Error> {
    check_replacement(value.as_str(), from.as_str(), to.as_str())?;
    if let Some(count) = count.and_then(|count| usize::try_from(count).ok()) {
        return Ok(Value::from(value.as_str().replacen(from.as_str(), to.as_str(), count)));
    }
    filters::replace(state, value, from, to)
}

fn indent(
    value: StringInput<'_>,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    if let Some(indention) = width.as_ref().and_then(Value::as_str) {
        check_width(indention.len())?;
        return Ok(Value::from(indented(
            value.as_str(),
            indention,
            first == Some(true),
            blank == Some(true),
        )));
    }
    let width = width.map(usize::try_from).transpose()?;
    check_width(width.unwrap_or(0))?;
    if named.has("width") {
        check_width(named.peek("width")?)?;
    }
    bounded(&Value::from(value.as_str()))?;
    filters::indent(value, width, first, blank, named)
}

fn indented(text: &str, indention: &str, first: bool, blank: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if (index > 0 || first) && (blank || !line.is_empty()) {
            out.push_str(indention);
        }
        out.push_str(line);
    }
    out
}
