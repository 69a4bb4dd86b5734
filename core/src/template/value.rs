//! Values in and out of templates: JSON, and Python's text for numbers and JSON.
//!
//! Owns conversions only.

use std::fmt::Write as _;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Error, Output, State, Value};

use super::python_text;
use super::temporal::fault;

/// How deep a printed or returned value may be nested.
const MAX_DEPTH: usize = 100;
/// How many parts a printed, returned or collected value may have.
const MAX_PARTS: usize = 200_000;

/// A JSON value as a template value; the order of keys stays.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    Value::from(Serde(json))
}

/// A template value as JSON: dates as their text, tuples as lists.
pub(crate) fn to_json(value: &Value) -> Result<serde_json::Value, Error> {
    check_shape(value)?;
    serde_json::to_value(value).map_err(|error| {
        Error::new(
            minijinja::ErrorKind::BadSerialization,
            format!("the value is not JSON: {error}"),
        )
    })
}

/// Refuses values that are nested too deep, or that have too many parts when each place of a
/// shared part counts: printing and copying such values has no end.
pub(crate) fn check_shape(value: &Value) -> Result<(), Error> {
    fn walk(value: &Value, depth: usize, left: &mut usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(fault(format!("the value is nested deeper than {MAX_DEPTH} levels")));
        }
        // Long text weighs as many short ones.
        let weight = 1 + value.as_str().map_or(0, |text| text.len() / 64);
        *left = left
            .checked_sub(weight)
            .ok_or_else(|| fault(format!("the value has more than {MAX_PARTS} parts")))?;
        match value.kind() {
            ValueKind::Iterable if !super::views::is_view(value) => Ok(()),
            ValueKind::Seq | ValueKind::Iterable => {
                value.try_iter()?.checked().try_for_each(|item| walk(&item?, depth + 1, left))
            }
            ValueKind::Map => value.try_iter()?.checked().try_for_each(|key| {
                let key = key?;
                walk(&value.get_item(&key)?, depth + 1, left)
            }),
            _ => Ok(()),
        }
    }
    let mut left = MAX_PARTS;
    walk(value, 0, &mut left)?;
    super::work::spend(MAX_PARTS - left)
}

/// Writes an expression's value as Python's `str()` would.
pub(crate) fn write_python(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let is_float = value.kind() == ValueKind::Number && !value.is_integer();
    if is_float {
        out.write_str(&python_text::text(value))?;
        return Ok(());
    }
    check_shape(value)?;
    if (python_text::is_container(value) || python_text::bytes_of(value).is_some())
        && matches!(state.auto_escape(), minijinja::AutoEscape::None)
    {
        out.write_str(&python_text::repr(value))?;
        return Ok(());
    }
    minijinja::escape_formatter(out, state, value)
}

/// Python's `repr()` of a float: `0.5`, `1e+20`, `1e-07`, `nan`.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let text = format!("{number:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// How Python's `json.dumps` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dumps {
    /// Whether keys are in order.
    pub(crate) sort_keys: bool,
    /// Whether letters beyond ASCII are escaped.
    pub(crate) ensure_ascii: bool,
    /// Blanks of each level; one line without.
    pub(crate) indent: Option<usize>,
}

impl Default for Dumps {
    fn default() -> Self {
        Self { sort_keys: false, ensure_ascii: true, indent: None }
    }
}

/// JSON as Python's `json.dumps` writes it: `{"a": 1, "b": [1, 2]}`.
pub(crate) fn python_json(json: &serde_json::Value) -> String {
    dumps(json, Dumps { ensure_ascii: false, ..Dumps::default() })
}

/// The same with options.
pub(crate) fn dumps(json: &serde_json::Value, how: Dumps) -> String {
    let mut out = String::new();
    write_json(&mut out, json, how, 0);
    out
}

/// JSON without blanks between its parts.
pub(crate) fn compact(json: &serde_json::Value, how: Dumps) -> String {
    match json {
        serde_json::Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(|item| compact(item, how)).collect();
            format!("[{}]", parts.join(","))
        }
        serde_json::Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            if how.sort_keys {
                pairs.sort_by_key(|(key, _)| key.as_str());
            }
            let parts: Vec<String> = pairs
                .into_iter()
                .map(|(key, item)| {
                    let mut text = String::new();
                    write_json_text(&mut text, key, how);
                    format!("{text}:{}", compact(item, how))
                })
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        scalar => dumps(scalar, how),
    }
}

fn write_json(out: &mut String, json: &serde_json::Value, how: Dumps, depth: usize) {
    match json {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                next_item(out, how, depth + 1, index);
                write_json(out, item, how, depth + 1);
            }
            last_item(out, how, depth, items.is_empty());
            out.push(']');
        }
        serde_json::Value::Object(map) => {
            out.push('{');
            let mut pairs: Vec<_> = map.iter().collect();
            if how.sort_keys {
                pairs.sort_by_key(|(key, _)| key.as_str());
            }
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                next_item(out, how, depth + 1, index);
                write_json_text(out, key, how);
                out.push_str(": ");
                write_json(out, value, how, depth + 1);
            }
            last_item(out, how, depth, map.is_empty());
            out.push('}');
        }
        serde_json::Value::Number(number) if number.is_f64() => {
            out.push_str(&python_float(number.as_f64().unwrap_or_default()));
        }
        serde_json::Value::String(text) => write_json_text(out, text, how),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn next_item(out: &mut String, how: Dumps, depth: usize, index: usize) {
    match how.indent {
        Some(width) => {
            out.push_str(if index > 0 { ",\n" } else { "\n" });
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
        None if index > 0 => out.push_str(", "),
        None => {}
    }
}

fn last_item(out: &mut String, how: Dumps, depth: usize, is_empty: bool) {
    if let Some(width) = how.indent.filter(|_| !is_empty) {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', width * depth));
    }
}

fn write_json_text(out: &mut String, text: &str, how: Dumps) {
    let quoted = serde_json::Value::from(text).to_string();
    if !how.ensure_ascii || text.is_ascii() {
        out.push_str(&quoted);
        return;
    }
    for letter in quoted.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}
