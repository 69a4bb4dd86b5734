//! Python's `str()` and `repr()` of template values.
//!
//! Owns the text of lists, dicts, tuples and what stands in them; the text of dates and lengths is
//! in `object`.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::named_tuple::is_tuple;
use super::object::Temporal;
use super::ranges::PyRange;
use super::value::python_float;

/// Python's `str()`.
pub(crate) fn text(value: &Value) -> String {
    if let Some(number) = float_of(value) {
        return python_float(number);
    }
    if is_container(value) || bytes_of(value).is_some() { repr(value) } else { value.to_string() }
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

/// Python's `ascii()`: `repr()` with every letter beyond ASCII escaped.
pub(crate) fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for letter in repr(value).chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            write_escape(&mut out, letter);
        }
    }
    out
}

fn write_repr(out: &mut String, value: &Value) {
    if value.is_undefined() {
        out.push_str("Undefined");
    } else if let Some(temporal) = Temporal::of(value) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{temporal:?}");
    } else if let Some(number) = float_of(value) {
        out.push_str(&python_float(number));
    } else if let Some(text) = super::named_tuple::text_of(value) {
        out.push_str(&text);
    } else if let Some(bytes) = bytes_of(value) {
        write_bytes(out, bytes);
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
    let (open, close) = if is_tuple(value) { ('(', ')') } else { ('[', ']') };
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(out, item);
    }
    if is_tuple(value) && items.len() == 1 {
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
            letter => write_escape(out, letter),
        }
    }
    out.push(quote);
}

fn write_escape(out: &mut String, letter: char) {
    let code = u32::from(letter);
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Bytes as Python prints them: `b'a\x00'`.
fn write_bytes(out: &mut String, bytes: &[u8]) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    out.push('b');
    out.push(quote);
    for byte in bytes {
        let _ = match byte {
            b'\\' => write!(out, "\\\\"),
            b'\n' => write!(out, "\\n"),
            b'\r' => write!(out, "\\r"),
            b'\t' => write!(out, "\\t"),
            byte if char::from(*byte) == quote => write!(out, "\\{quote}"),
            b' '..=b'~' => write!(out, "{}", char::from(*byte)),
            byte => write!(out, "\\x{byte:02x}"),
        };
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

/// The bytes of a value of bytes; text is none.
pub(crate) fn bytes_of(value: &Value) -> Option<&[u8]> {
    if value.kind() == ValueKind::Bytes { value.as_bytes() } else { None }
}

fn float_of(value: &Value) -> Option<f64> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    f64::try_from(value.clone()).ok()
}
