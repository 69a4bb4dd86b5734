//! Filters beyond the engine's own: Airflow's date filters, shell quoting, Jinja2's missing ones.
//!
//! Owns their behaviour; `shell` owns quoting itself.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands rest arguments and values over by value"
)]

use std::fmt::Write as _;

use minijinja::filters;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::args::Args;
use super::object::Temporal;
use super::python_text;
use super::temporal::moment::Moment;
use super::temporal::{fault, format, parse, strftime};
use super::value::{Dumps, dumps, to_json};

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
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("e", escape);
    env.add_filter("escape", escape);
    env.add_filter("forceescape", force_escape);
    env.add_filter("truncate", truncate);
    env.add_filter("wordwrap", wordwrap);
    env.add_filter("xmlattr", xmlattr);
    env.add_filter("urlencode", urlencode);
    env.add_test("callable", |value: Value| {
        value.downcast_object_ref::<super::macros::Callable>().is_some()
    });
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

/// `tojson` as Jinja2 has it: keys in order, letters beyond ASCII and HTML's own escaped.
fn to_json_text(value: Value, indent: Option<usize>, named: Kwargs) -> Result<Value, Error> {
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

/// `default(value, boolean=false)`.
fn default(
    value: Value,
    other: Option<Value>,
    boolean: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let other = match other {
        Some(other) => Some(other),
        None => named.get::<Option<Value>>("default_value")?,
    };
    let boolean = match boolean {
        Some(boolean) => boolean,
        None => named.get::<Option<bool>>("boolean")?.unwrap_or(false),
    };
    named.assert_all_used()?;
    let is_missing = value.is_undefined() || (boolean && !value.is_true());
    Ok(if is_missing { other.unwrap_or_else(|| Value::from("")) } else { value })
}

/// HTML's own letters as MarkupSafe escapes them.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('>', "&gt;")
        .replace('<', "&lt;")
        .replace('\'', "&#39;")
        .replace('"', "&#34;")
}

fn escape(value: Value) -> Value {
    if value.is_safe() { value } else { force_escape(value) }
}

fn force_escape(value: Value) -> Value {
    Value::from_safe_string(html(&python_text::text(&value)))
}

/// `truncate(length=255, killwords=false, end='...', leeway=5)`.
fn truncate(value: Value, args: Rest<Value>) -> Result<Value, Error> {
    let mut args = Args::new("truncate", &args)?;
    let length = args.int("length")?.unwrap_or(255);
    let kills = args.flag("killwords", false)?;
    let end = args.text("end")?.unwrap_or_else(|| "...".to_owned());
    let leeway = args.int("leeway")?.unwrap_or(5);
    args.finish()?;
    let text = python_text::text(&value);
    let letters: Vec<char> = text.chars().collect();
    let size = |count: i64| usize::try_from(count).unwrap_or(0);
    let (length, room) = (size(length), size(length) + size(leeway));
    let ending = end.chars().count();
    if length < ending {
        return Err(fault(format!("truncate(): expected length >= {ending}, got {length}")));
    }
    if letters.len() <= room {
        return Ok(value);
    }
    let kept: String = letters[..length - ending].iter().collect();
    if kills {
        return Ok(Value::from(kept + &end));
    }
    let words = kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words);
    Ok(Value::from(format!("{words}{end}")))
}

/// `wordwrap(width=79, break_long_words=true, wrapstring='\n', break_on_hyphens=true)`.
fn wordwrap(value: Value, args: Rest<Value>) -> Result<Value, Error> {
    let mut args = Args::new("wordwrap", &args)?;
    let width = usize::try_from(args.int("width")?.unwrap_or(79)).unwrap_or(0);
    let breaks = args.flag("break_long_words", true)?;
    let joiner = args.text("wrapstring")?.unwrap_or_else(|| "\n".to_owned());
    args.flag("break_on_hyphens", true)?;
    args.finish()?;
    if width == 0 {
        return Err(fault("wordwrap(): width must be 1 or more"));
    }
    let text = python_text::text(&value);
    let lines: Vec<String> =
        text.lines().map(|line| wrapped(line, width, breaks, &joiner)).collect();
    Ok(Value::from(lines.join(&joiner)))
}

fn wrapped(line: &str, width: usize, breaks: bool, joiner: &str) -> String {
    let mut rows: Vec<String> = vec![String::new()];
    let mut used = 0;
    for word in line.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let gap = usize::from(used > 0);
        if used + gap + rest.len() > width && used > 0 && (rest.len() <= width || !breaks) {
            rows.push(String::new());
            used = 0;
        }
        while breaks && rest.len() > width {
            let gap = usize::from(used > 0);
            let room = width.saturating_sub(used + gap);
            if room > 0 {
                let row = rows.last_mut().expect("there is a row");
                if gap > 0 {
                    row.push(' ');
                }
                row.extend(rest.drain(..room));
            }
            rows.push(String::new());
            used = 0;
        }
        let row = rows.last_mut().expect("there is a row");
        if used > 0 && !rest.is_empty() {
            row.push(' ');
            used += 1;
        }
        used += rest.len();
        row.extend(rest);
    }
    rows.retain(|row| !row.is_empty());
    rows.join(joiner)
}

/// `xmlattr(autospace=true)`: attributes of an element; none and undefined are left out.
fn xmlattr(value: Value, autospace: Option<bool>) -> Result<Value, Error> {
    let mut parts = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        if item.is_none() || item.is_undefined() {
            continue;
        }
        let name = key.to_string();
        if name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(fault(format!("xmlattr: \"{name}\" cannot be the name of an attribute")));
        }
        parts.push(format!("{}=\"{}\"", html(&name), html(&python_text::text(&item))));
    }
    let text = parts.join(" ");
    let space = if autospace.unwrap_or(true) && !text.is_empty() { " " } else { "" };
    Ok(Value::from_safe_string(format!("{space}{text}")))
}

/// `urlencode`: a text, or the pairs of a map or list as a query.
fn urlencode(value: Value) -> Result<Value, Error> {
    let pair = |key: &Value, item: &Value| format!("{}={}", query_part(key), query_part(item));
    if value.as_str().is_some() || value.kind() == ValueKind::Number {
        return filters::urlencode(&value).map(Value::from);
    }
    let mut parts = Vec::new();
    for item in value.try_iter()? {
        if value.kind() == ValueKind::Map {
            parts.push(pair(&item, &value.get_item(&item)?));
        } else {
            let (key, item) = (item.get_item_by_index(0)?, item.get_item_by_index(1)?);
            parts.push(pair(&key, &item));
        }
    }
    Ok(Value::from(parts.join("&")))
}

fn query_part(value: &Value) -> String {
    let mut out = String::new();
    for byte in python_text::text(value).bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn formatted(layout: &str, args: Rest<Value>) -> Result<String, Error> {
    if args.last().is_some_and(Value::is_kwargs) {
        super::growth::check_format(layout, &args)?;
        return minijinja::formatting::format(
            minijinja::formatting::FormatStyle::Printf,
            layout,
            &args,
        );
    }
    super::ops::printf(layout, args.0).map(|text| text.to_string())
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
pub(crate) struct PyRange {
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
