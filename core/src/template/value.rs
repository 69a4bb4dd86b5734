//! Values in and out of templates: JSON, and Python's text for numbers and JSON.
//!
//! Owns conversions only.

use minijinja::value::{Serde, ValueKind};
use minijinja::{Error, Output, State, Value};

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
            ValueKind::Seq => {
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
    walk(value, 0, &mut left)
}

/// Writes an expression's value as Python's `str()` would.
pub(crate) fn write_python(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if value.kind() == ValueKind::Number
        && !value.is_integer()
        && let Ok(number) = f64::try_from(value.clone())
    {
        out.write_str(&python_float(number))?;
        return Ok(());
    }
    check_shape(value)?;
    minijinja::escape_formatter(out, state, value)
}

/// Python's `str()` of a value.
pub(crate) fn python_text(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if value.kind() == ValueKind::Number && !value.is_integer() => {
            python_float(number)
        }
        _ => value.to_string(),
    }
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

/// JSON as Python's `json.dumps` spaces it: `{"a": 1, "b": [1, 2]}`.
pub(crate) fn python_json(json: &serde_json::Value) -> String {
    let mut out = String::new();
    write_json(&mut out, json);
    out
}

fn write_json(out: &mut String, json: &serde_json::Value) {
    match json {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_json(out, item);
            }
            out.push(']');
        }
        serde_json::Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push_str(": ");
                write_json(out, value);
            }
            out.push('}');
        }
        serde_json::Value::Number(number) if number.is_f64() => {
            out.push_str(&python_float(number.as_f64().unwrap_or_default()));
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
