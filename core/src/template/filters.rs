//! Filters beyond the engine's own: Airflow's date filters, shell quoting, Jinja2's missing ones.
//!
//! Owns their behaviour; `shell` owns quoting itself.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands rest arguments and values over by value"
)]

use minijinja::filters;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::args::{Args, Given};
use super::growth::bounded;
use super::object::Temporal;
use super::python_text;
use super::temporal::delta::Delta;
use super::temporal::moment::Moment;
use super::temporal::{fault, format, parse, strftime};
use super::value::{Dumps, dumps, to_json};

/// Adds the filters and functions to an environment.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_filter("ds", |value: Value| dated(&value, "ds", |m| strftime::strftime(m, "%Y-%m-%d")));
    env.add_filter("ds_nodash", |value: Value| {
        dated(&value, "ds_nodash", |m| strftime::strftime(m, "%Y%m%d"))
    });
    env.add_filter("ts", |value: Value| dated(&value, "ts", |m| Ok(format::isoformat(m))));
    env.add_filter("ts_nodash", |value: Value| {
        dated(&value, "ts_nodash", |m| strftime::strftime(m, "%Y%m%dT%H%M%S"))
    });
    env.add_filter("ts_nodash_with_tz", |value: Value| {
        dated(&value, "ts_nodash_with_tz", |m| Ok(ts_nodash_with_tz_text(m)))
    });
    env.add_filter("to_datetime", to_datetime);
    env.add_filter("fromjson", from_json_text);
    env.add_filter("tojson", to_json_text);
    env.add_filter("shellquote", |value: Value| -> Result<String, Error> {
        bounded(&value)?;
        Ok(super::shell::quote_text(&value.to_string()))
    });
    // Outside a shell text there is nothing to leave unquoted.
    env.add_filter("unquoted", |value: Value| value);
    env.add_filter("format", formatted);
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("abs", |value: Value| match Temporal::of(&value) {
        Some(Temporal::Delta(delta)) => Ok(Temporal::Delta(Delta(delta.0.abs())).into()),
        _ => filters::abs(counted(value)),
    });
    env.add_filter("round", round);
    env.add_filter("filesizeformat", filesizeformat);
    env.add_filter("trim", trim);
    env.add_filter("attr", attr);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_test("callable", |value: Value| {
        value.downcast_object_ref::<super::macros::Callable>().is_some()
    });
}

/// `isoformat` without dashes and colons: `20250301T150000+0000`, microseconds kept.
pub(crate) fn ts_nodash_with_tz_text(moment: &Moment) -> String {
    format::isoformat(moment).replace(['-', ':'], "")
}

fn dated(
    value: &Value,
    filter: &str,
    show: impl Fn(&Moment) -> Result<String, Error>,
) -> Result<Value, Error> {
    if value.is_none() {
        return Ok(Value::from(()));
    }
    match Temporal::of(value) {
        Some(Temporal::Moment(moment)) => show(moment).map(Value::from),
        Some(Temporal::Date(date)) => {
            show(&Moment::naive(date.to_datetime(jiff::civil::Time::midnight()))).map(Value::from)
        }
        _ => Err(fault(format!(
            "filter \"{filter}\" takes a date-time, not {}; parse text first: | to_datetime | {filter}",
            super::ops::type_name(value)
        ))),
    }
}

/// `to_datetime(format=none, tz='UTC')`: text to a date-time; `tz` is for text without a zone.
fn to_datetime(value: Value, layout: Option<String>, named: Kwargs) -> Result<Value, Error> {
    let layout = match layout {
        Some(layout) => Some(layout),
        None => named.get::<Option<String>>("format")?,
    };
    let zone = match named.get::<Option<Value>>("tz")? {
        Some(zone) if !zone.is_none() => super::object::zone_from_value(&zone)?,
        _ => jiff::tz::TimeZone::UTC,
    };
    named.assert_all_used()?;
    if let Some(Temporal::Moment(_)) = Temporal::of(&value) {
        return Ok(value);
    }
    if let Some(Temporal::Date(date)) = Temporal::of(&value) {
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        return Ok(Moment::create(midnight, Some(&zone), false)?.into());
    }
    let Some(text) = value.as_str() else {
        return Err(fault(format!(
            "filter \"to_datetime\" takes text, not {}",
            super::ops::type_name(&value)
        )));
    };
    let moment = match layout {
        None => parse::parse(text, Some(&zone))?,
        Some(layout) => {
            let found = super::temporal::strptime::strptime(text, &layout)?;
            if found.zone().is_none() { found.with_zone(Some(&zone))? } else { found }
        }
    };
    Ok(moment.into())
}

fn from_json_text(value: Value) -> Result<Value, Error> {
    let text = value.as_str().ok_or_else(|| fault("filter \"fromjson\" takes text"))?;
    serde_json::from_str(text)
        .map(|json: serde_json::Value| super::value::from_json(&json))
        .map_err(|error| {
            fault(format!("not JSON (line {}, column {})", error.line(), error.column()))
        })
}

/// `tojson` as Jinja2 has it: keys in order, letters beyond ASCII and HTML's own escaped.
fn to_json_text(value: Value, indent: Option<usize>, named: Kwargs) -> Result<Value, Error> {
    super::sequences::check_json(&value)?;
    let json = to_json(&value)?;
    let indent = match indent {
        Some(indent) => Some(indent),
        None => named.get::<Option<usize>>("indent")?,
    };
    named.assert_all_used()?;
    let indent = indent.map(|width| width.min(16));
    let text = dumps(&json, Dumps { sort_keys: true, ensure_ascii: true, indent });
    let escaped = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027");
    Ok(Value::from_safe_string(escaped))
}

/// `int(default=0, base=10)`: what is no number gives the default.
fn int(
    state: &State<'_, '_>,
    value: Value,
    default: Option<Value>,
    base: Option<u32>,
    named: Kwargs,
) -> Result<Value, Error> {
    let default = match default {
        Some(default) => default,
        None => named.get::<Option<Value>>("default")?.unwrap_or_else(|| Value::from(0)),
    };
    let value = number_text(&value).unwrap_or(value);
    filters::int(state, &value, Some(default), base, named)
}

/// `float(default=0.0)`: what is no number gives the default.
fn float(
    state: &State<'_, '_>,
    value: Value,
    default: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let default = match default {
        Some(default) => default,
        None => named.get::<Option<Value>>("default")?.unwrap_or_else(|| Value::from(0.0)),
    };
    let value = number_text(&value).unwrap_or(value);
    filters::float(state, &value, Some(default), named)
}

/// A number as Python reads it: blanks around it and single `_` between digits mean nothing.
fn number_text(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim();
    let bytes = text.as_bytes();
    let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    let is_well = bytes.iter().enumerate().all(|(at, byte)| {
        *byte != b'_' || (at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1)))
    });
    is_well.then(|| Value::from(text.replace('_', "")))
}

/// `default(default_value='', boolean=false)`; the other value may be none, or undefined itself.
fn default(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let (named, places): (Vec<_>, Vec<_>) = values.into_iter().partition(Value::is_kwargs);
    let named = named.into_iter().next().map(Kwargs::try_from).transpose()?;
    let by_name = |name: &str| match &named {
        Some(named) if named.has(name) => named.get::<Value>(name).map(Some),
        _ => Ok(None),
    };
    let mut places = places.into_iter();
    let other = places.next().map_or_else(|| by_name("default_value"), |other| Ok(Some(other)))?;
    let boolean = places.next().map_or_else(|| by_name("boolean"), |flag| Ok(Some(flag)))?;
    if places.next().is_some() {
        return Err(fault("filter \"default\" takes a value, and whether false counts as missing"));
    }
    named.map_or(Ok(()), |named| named.assert_all_used())?;
    let counts_false = boolean.is_some_and(|flag| flag.is_true());
    let is_missing = value.is_undefined() || (counts_false && !value.is_true());
    Ok(if is_missing { other.unwrap_or_else(|| Value::from("")) } else { value })
}

/// A number as it counts in Python: true is 1.
fn counted(value: Value) -> Value {
    if value.kind() == ValueKind::Bool { Value::from(i64::from(value.is_true())) } else { value }
}

/// `round(precision=0, method='common')`; `ceil` and `floor` always give a fraction.
fn round(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("round", &values)?;
    let precision = args.int("precision")?.unwrap_or(0);
    let method = args.text("method")?.unwrap_or_else(|| "common".to_owned());
    args.finish()?;
    let value = counted(value);
    let precision = i32::try_from(precision).unwrap_or(i32::MAX);
    let named: Kwargs = std::iter::empty::<(String, Value)>().collect();
    let rounded = filters::round(value, Some(precision), Some(&method), named)?;
    Ok(if method == "common" { rounded } else { Value::from(f64::try_from(rounded)?) })
}

/// `filesizeformat(binary=false)`.
fn filesizeformat(value: Value, given: Given) -> Result<Value, Error> {
    const UNITS: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let values = given.into_values();
    let mut args = Args::new("filesizeformat", &values)?;
    let binary = args.flag("binary", false)?;
    args.finish()?;
    let value = match value.as_str() {
        Some(text) => text.trim().parse().map_err(|_| fault("filesizeformat takes a number"))?,
        None => f64::try_from(counted(value))?,
    };
    let base = if binary { 1024.0 } else { 1000.0 };
    if value.trunc() <= 1.0 && value.trunc() >= 1.0 && value < base {
        let word = if value > 1.0 { "Bytes" } else { "Byte" };
        return Ok(Value::from(format!("1 {word}")));
    }
    if value < base {
        return Ok(Value::from(format!("{:.0} Bytes", value.trunc() + 0.0)));
    }
    let (mut size, mut unit) = (value / base, 0);
    while size >= base && unit + 1 < UNITS.len() {
        size /= base;
        unit += 1;
    }
    let prefix = match (binary, UNITS[unit]) {
        (true, prefix) => format!("{}i", prefix.to_uppercase()),
        (false, prefix) => prefix.to_owned(),
    };
    Ok(Value::from(format!("{size:.1} {prefix}B")))
}

/// `trim(chars=none)`.
fn trim(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("trim", &values)?;
    let chars = args.text("chars")?;
    args.finish()?;
    if value.is_undefined() {
        return Err(Error::from(minijinja::ErrorKind::UndefinedError));
    }
    super::growth::bounded(&value)?;
    let text = python_text::text(&value);
    Ok(Value::from(match chars {
        Some(chars) => text.trim_matches(|letter| chars.contains(letter)),
        None => text.trim(),
    }))
}

/// `attr(name)`: an attribute, never a key of a dict.
fn attr(value: &Value, name: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Map {
        return Ok(Value::UNDEFINED);
    }
    filters::attr(value, name)
}

/// `layout | format(…)`: values in order or by name, never both.
fn formatted(layout: &Value, given: Given) -> Result<Value, Error> {
    let mut items = given.into_values();
    let named = items.pop_if(|last| last.is_kwargs());
    if named.is_some() && !items.is_empty() {
        return Err(fault("filter \"format\" takes values in order, or by name, but not both"));
    }
    let layout = python_text::text(layout);
    let may_stay = named.is_some();
    super::printf::printf(&layout, items, named, may_stay)
}
