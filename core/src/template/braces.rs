//! Python's `str.format`: `{}`, `{0}`, `{name.attribute[key]!r:>8}`.
//!
//! Owns the reading of replacement fields; `format_spec` writes the values.

use minijinja::{Error, Value};

use super::format_spec::formatted;
use super::growth::{bounded, check_growth};
use super::python_text;
use super::temporal::fault;

/// Fields inside a field's specification, as deep as Python allows.
const MAX_DEPTH: usize = 2;

/// The arguments of one call.
struct Arguments<'a> {
    positional: &'a [Value],
    named: Option<&'a Value>,
    /// The next number of an unnumbered field; none once fields are numbered.
    next: Option<usize>,
    numbered: bool,
}

/// `layout.format(*args, **named)`; named arguments are the last of `args`.
pub(crate) fn format(layout: &str, args: &[Value]) -> Result<Value, Error> {
    let (positional, named) = match args.split_last() {
        Some((last, rest)) if last.is_kwargs() => (rest, Some(last)),
        _ => (args, None),
    };
    args.iter().try_for_each(bounded)?;
    written(layout, Arguments { positional, named, next: Some(0), numbered: false })
}

/// `layout.format_map(map)`.
pub(crate) fn format_map(layout: &str, map: &Value) -> Result<Value, Error> {
    bounded(map)?;
    written(layout, Arguments { positional: &[], named: Some(map), next: Some(0), numbered: false })
}

fn written(layout: &str, mut arguments: Arguments<'_>) -> Result<Value, Error> {
    bounded(&Value::from(layout))?;
    let mut out = String::with_capacity(layout.len());
    write(&mut out, layout, &mut arguments, MAX_DEPTH)?;
    Ok(Value::from(out))
}

fn write(
    out: &mut String,
    layout: &str,
    arguments: &mut Arguments<'_>,
    depth: usize,
) -> Result<(), Error> {
    if depth == 0 {
        return Err(fault("format(): fields are nested too deep"));
    }
    let mut rest = layout;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        if depth == MAX_DEPTH && (after.starts_with("{{") || after.starts_with("}}")) {
            out.push_str(&after[..1]);
            rest = &after[2..];
            continue;
        }
        let Some(end) = end_of_field(after) else {
            let side = &after[..1];
            return Err(fault(format!(
                "format(): a single \"{side}\" stands in the text; write \"{side}{side}\" for the letter"
            )));
        };
        write_field(out, &after[1..end], arguments, depth)?;
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(())
}

/// Where the field at the start of `text` ends.
fn end_of_field(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_key = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' if depth == 1 => in_key = true,
            ']' => in_key = false,
            _ if in_key => {}
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn write_field(
    out: &mut String,
    field: &str,
    arguments: &mut Arguments<'_>,
    depth: usize,
) -> Result<(), Error> {
    let mut in_key = false;
    let name_end = field.find(|c: char| {
        in_key = (in_key || c == '[') && c != ']';
        !in_key && matches!(c, '!' | ':')
    });
    let (name, rest) = field.split_at(name_end.unwrap_or(field.len()));
    let (conversion, spec) = match rest.strip_prefix('!') {
        Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
        None => ("", rest.strip_prefix(':').unwrap_or_default()),
    };
    let value = arguments.find(name)?;
    let mut read = String::new();
    if spec.contains(['{', '}']) {
        write(&mut read, spec, arguments, depth - 1)?;
    } else {
        read.push_str(spec);
    }
    let value = match conversion {
        "" if rest.starts_with('!') => return Err(fault("format(): after ! comes s, r or a")),
        "" => value,
        "s" => Value::from(python_text::text(&value)),
        "r" => Value::from(python_text::repr(&value)),
        "a" => Value::from(python_text::ascii(&value)),
        other => return Err(fault(format!("format(): \"!{other}\" is none of !s, !r and !a"))),
    };
    out.push_str(&formatted(&value, &read)?);
    check_growth(out.len())
}

impl Arguments<'_> {
    fn find(&mut self, name: &str) -> Result<Value, Error> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let mut value = self.first(first)?;
        while !rest.is_empty() {
            let missing = || fault(format!("format(): \"{name}\" is not there"));
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (attribute, after) = after.split_at(end);
                if attribute.is_empty() || attribute.starts_with("__") {
                    return Err(missing());
                }
                (value, rest) = (value.get_attr(attribute)?, after);
            } else {
                let (key, after) =
                    rest[1..].split_once(']').ok_or_else(|| fault("format(): a \"[\" is open"))?;
                let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
                (value, rest) = (value.get_item(&key)?, after);
            }
            if value.is_undefined() {
                return Err(missing());
            }
        }
        Ok(value)
    }

    fn first(&mut self, name: &str) -> Result<Value, Error> {
        let mixed = || fault("format(): fields are numbered all or none");
        let found = if name.is_empty() {
            let index = self.next.filter(|_| !self.numbered).ok_or_else(mixed)?;
            self.next = Some(index + 1);
            self.positional.get(index).cloned()
        } else if let Ok(index) = name.parse::<usize>() {
            if self.next != Some(0) && !self.numbered {
                return Err(mixed());
            }
            self.numbered = true;
            self.positional.get(index).cloned()
        } else {
            let found = self.named.map(|named| named.get_item(&Value::from(name))).transpose()?;
            found.filter(|value| !value.is_undefined())
        };
        match found {
            Some(value) if value.is_undefined() => {
                Err(fault(format!("format(): the value for \"{{{name}}}\" is undefined")))
            }
            Some(value) => Ok(value),
            None => Err(fault(format!("format(): there is no value for \"{{{name}}}\""))),
        }
    }
}
