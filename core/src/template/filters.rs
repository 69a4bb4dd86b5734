//! Filters beyond the engine's own: Airflow's date filters, shell quoting, Jinja2's missing ones.
//!
//! Owns their behaviour; `shell` owns quoting itself.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands rest arguments and values over by value"
)]

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Rest};
use minijinja::{Environment, Error, Value};

use super::object::Temporal;
use super::temporal::moment::Moment;
use super::temporal::{fault, format, parse, strftime};
use super::value::{python_json, to_json};

/// The longest range, as in the engine.
const MAX_RANGE: i64 = 100_000;

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
    env.add_filter("shellquote", |value: Value| super::shell::quote_text(&value.to_string()));
    // Outside a shell text there is nothing to leave unquoted.
    env.add_filter("unquoted", |value: Value| value);
    env.add_filter("center", |value: Value, width: usize| padded(&value.to_string(), width));
    env.add_filter("wordcount", |value: Value| value.to_string().split_whitespace().count());
    env.add_filter("format", formatted);
    env.add_function("range", range);
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

/// `tojson` with the spacing of Python's `json.dumps`, and Jinja2's escapes for HTML.
fn to_json_text(value: Value, indent: Option<usize>) -> Result<Value, Error> {
    let json = to_json(&value)?;
    let text = match indent {
        Some(_) => format!("{json:#}"),
        None => python_json(&json),
    };
    let escaped = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027");
    Ok(Value::from_safe_string(escaped))
}

fn formatted(layout: &str, args: Rest<Value>) -> Result<String, Error> {
    super::growth::check_format(layout, &args)?;
    minijinja::formatting::format(minijinja::formatting::FormatStyle::Printf, layout, &args)
}

fn padded(text: &str, width: usize) -> Result<String, Error> {
    super::strings::pad(text, width, ' ', super::strings::Side::Center)
}

/// `range(…)`: prints as Python's, iterates as the engine's.
fn range(values: Rest<Value>) -> Result<Value, Error> {
    let number = |value: &Value| {
        value.as_i64().ok_or_else(|| {
            fault(format!("range() takes whole numbers, not {}", super::ops::type_name(value)))
        })
    };
    let (start, stop, step) = match &values[..] {
        [stop] => (0, number(stop)?, 1),
        [start, stop] => (number(start)?, number(stop)?, 1),
        [start, stop, step] => (number(start)?, number(stop)?, number(step)?),
        _ => return Err(fault("range() takes 1 to 3 whole numbers")),
    };
    if step == 0 {
        return Err(fault("range() step must not be zero"));
    }
    let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let count = distance.max(0).saturating_add(step.abs() - 1) / step.abs();
    if count > MAX_RANGE {
        return Err(fault(format!("range() has more than {MAX_RANGE} items")));
    }
    Ok(Value::from_object(PyRange {
        start,
        stop,
        step,
        count: usize::try_from(count).unwrap_or(0),
    }))
}

#[derive(Clone, Copy)]
struct PyRange {
    start: i64,
    stop: i64,
    step: i64,
    count: usize,
}

impl std::fmt::Debug for PyRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.step == 1 {
            write!(f, "range({}, {})", self.start, self.stop)
        } else {
            write!(f, "range({}, {}, {})", self.start, self.stop, self.step)
        }
    }
}

impl Object for PyRange {
    fn repr(self: &std::sync::Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize().filter(|index| *index < self.count)?;
        Some(Value::from(self.start + i64::try_from(index).ok()? * self.step))
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.count)
    }

    fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&**self, f)
    }
}
