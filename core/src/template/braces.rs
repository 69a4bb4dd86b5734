//! What Python's `str.format` has and the engine's lacks: `{!r}`, `{:.1%}` and dates with a layout.
//!
//! Owns the reading of replacement fields; everything else goes to the engine as it is.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::object::Temporal;
use super::python_text;
use super::temporal::moment::Moment;
use super::temporal::strftime::strftime;

/// The layout with such fields filled in, and all others numbered; none when there are none.
///
/// # Errors
/// A date's layout that cannot be written.
pub(crate) fn filled(layout: &str, args: &[Value]) -> Result<Option<String>, Error> {
    let mut out = String::with_capacity(layout.len() + 16);
    let (mut rest, mut next, mut is_changed) = (layout, 0_usize, false);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        if after.starts_with("{{") || after.starts_with("}}") {
            out.push_str(&after[..2]);
            rest = &after[2..];
            continue;
        }
        let Some(end) = after.find('}').filter(|_| after.starts_with('{')) else {
            return Ok(None);
        };
        let field = &after[1..end];
        rest = &after[end + 1..];
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = name.split_once('!').unwrap_or((name, ""));
        let numbered;
        let name = if name.is_empty() {
            numbered = next.to_string();
            next += 1;
            numbered.as_str()
        } else {
            name
        };
        if let Some(text) = of_python(argument(args, name), conversion, spec)? {
            is_changed = true;
            out.push_str(&text.replace('{', "{{").replace('}', "}}"));
            continue;
        }
        out.push('{');
        out.push_str(name);
        for (mark, part) in [('!', conversion), (':', spec)] {
            if !part.is_empty() {
                out.push(mark);
                out.push_str(part);
            }
        }
        out.push('}');
    }
    out.push_str(rest);
    Ok(is_changed.then_some(out))
}

fn argument(args: &[Value], name: &str) -> Option<Value> {
    if let Ok(index) = name.parse::<usize>() {
        return args.get(index).filter(|value| !value.is_kwargs()).cloned();
    }
    let named = args.last().filter(|value| value.is_kwargs())?;
    named.get_attr(name).ok().filter(|value| !value.is_undefined())
}

/// What the engine would not write.
fn of_python(value: Option<Value>, conversion: &str, spec: &str) -> Result<Option<String>, Error> {
    let Some(value) = value else { return Ok(None) };
    match (Temporal::of(&value), conversion, spec) {
        (_, "r" | "a", "") => Ok(Some(python_text::repr(&value))),
        (_, "s", "") => Ok(Some(python_text::text(&value))),
        (Some(Temporal::Moment(moment)), "", layout) if !layout.is_empty() => {
            strftime(moment, layout).map(Some)
        }
        (Some(Temporal::Date(date)), "", layout) if !layout.is_empty() => {
            let midnight = Moment::naive(date.to_datetime(jiff::civil::Time::midnight()));
            strftime(&midnight, layout).map(Some)
        }
        (None, "", spec) if spec.ends_with('%') && value.kind() == ValueKind::Number => {
            let places = spec.trim_end_matches('%').strip_prefix('.').map_or(Ok(6), str::parse);
            let places: usize = places.unwrap_or(6).min(50);
            let number = f64::try_from(value)? * 100.0;
            Ok(Some(format!("{number:.places$}%")))
        }
        _ => Ok(None),
    }
}
