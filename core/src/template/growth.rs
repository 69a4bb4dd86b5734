//! Bounds on how fast values may grow: fuel counts instructions, not what one of them makes.
//!
//! Owns the checks before text is joined, repeated, replaced, formatted or padded. A value that
//! passes may be combined once more without endangering the process.

use minijinja::filters;
use minijinja::value::{Kwargs, StringInput};
use minijinja::{Environment, Error, State, Value};

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
    env.add_function("__mr_part", |value: Value| bounded(&value).map(|()| value));
    env.add_filter("string", |state: &State<'_, '_>, value: Value| {
        bounded(&value)?;
        filters::string(state, &value)
    });
    env.add_filter("pprint", |value: Value| bounded(&value).map(|()| filters::pprint(&value)));
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
) -> Result<Value, Error> {
    check_replacement(value.as_str(), from.as_str(), to.as_str())?;
    filters::replace(state, value, from, to)
}

fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    check_width(width.unwrap_or(0))?;
    if named.has("width") {
        check_width(named.peek("width")?)?;
    }
    bounded(&Value::from(value.as_str()))?;
    filters::indent(value, width, first, blank, named)
}
