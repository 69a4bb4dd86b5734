//! Python's `str()` and `repr()` of template values.
//!
//! Owns the text of lists, dicts, tuples and what stands in them; the text of dates and lengths is
//! in `object`.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::filters::PyRange;
use super::object::Temporal;
use super::value::python_float;

/// Python's `str()`.
pub(crate) fn text(value: &Value) -> String {
    if let Some(number) = float_of(value) {
        return python_float(number);
    }
    if is_container(value) { repr(value) } else { value.to_string() }
}

/// Whether a value prints as the `repr()` of its parts.
pub(crate) fn is_container(value: &Value) -> bool {
    if Temporal::of(value).is_some() || value.downcast_object_ref::<PyRange>().is_some() {
        return false;
    }
    match value.kind() {
        ValueKind::Seq => true,
        // An object that answers by name only has a text of its own.
        ValueKind::Map => value.as_object().is_some_and(|map| map.enumerator_len().is_some()),
        _ => false,
    }
}

/// Python's `repr()`. The caller has checked the value's shape.
pub(crate) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    if let Some(temporal) = Temporal::of(value) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{temporal:?}");
    } else if let Some(number) = float_of(value) {
        out.push_str(&python_float(number));
    } else if let Some(text) = value.as_str() {
        write_text(out, text);
    } else if !is_container(value) {
        let _ = write!(out, "{value:?}");
    } else if value.kind() == ValueKind::Map {
        write_map(out, value);
    } else {
        write_items(out, value);
    }
}

fn write_items(out: &mut String, value: &Value) {
    let items: Vec<Value> = value.try_iter().map(Iterator::collect).unwrap_or_default();
    let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(out, item);
    }
    if value.is_tuple() && items.len() == 1 {
        out.push(',');
    }
    out.push(close);
}

fn write_map(out: &mut String, value: &Value) {
    out.push('{');
    for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(out, &key);
        out.push_str(": ");
        write_repr(out, &value.get_item(&key).unwrap_or_default());
    }
    out.push('}');
}

/// A text in quotes: single ones unless only those stand in it.
fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == quote => {
                out.push('\\');
                out.push(letter);
            }
            letter if is_printable(letter) => out.push(letter),
            letter => {
                let code = u32::from(letter);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// What Python prints as it is: no control and format characters, and of the blanks only the usual.
pub(crate) fn is_printable(letter: char) -> bool {
    let is_format = matches!(letter,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}');
    letter == ' ' || !(letter.is_control() || letter.is_whitespace() || is_format)
}

fn float_of(value: &Value) -> Option<f64> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    f64::try_from(value.clone()).ok()
}
