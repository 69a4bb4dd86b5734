//! The `macros` name: Airflow's macro functions and the Python modules it exposes.
//!
//! Owns which names exist and what they take. Random values are drawn from the attempt's
//! identity, "now" comes from the context: a render can be repeated.

use std::fmt;
use std::sync::Arc;

use jiff::civil;
use jiff::tz::TimeZone;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::args::Args;
use super::names::Record;
use super::object::{Temporal, delta_from_args, relative_from_args, zone_from_value};
use super::python_text;
use super::scope::Run;
use super::temporal::delta::Interval;
use super::temporal::moment::Moment;
use super::temporal::strftime::{cldr, strftime};
use super::temporal::strptime::strptime;
use super::temporal::{fault, humanize, locale, parse};
use super::value::{Dumps, dumps, from_json, to_json};

/// Every path below `macros`; a module and a class are paths with more below them.
const PATHS: &[&str] = &[
    "macros.ds_add",
    "macros.ds_format",
    "macros.ds_format_locale",
    "macros.datetime_diff_for_humans",
    "macros.random",
    "macros.timedelta",
    "macros.datetime",
    "macros.datetime.strptime",
    "macros.datetime.now",
    "macros.datetime.utcnow",
    "macros.datetime.today",
    "macros.datetime.fromtimestamp",
    "macros.datetime.utcfromtimestamp",
    "macros.datetime.fromisoformat",
    "macros.datetime.combine",
    "macros.datetime.fromordinal",
    "macros.datetime.min",
    "macros.datetime.max",
    "macros.dateutil.parser.isoparse",
    "macros.dateutil.relativedelta.MO",
    "macros.dateutil.relativedelta.TU",
    "macros.dateutil.relativedelta.WE",
    "macros.dateutil.relativedelta.TH",
    "macros.dateutil.relativedelta.FR",
    "macros.dateutil.relativedelta.SA",
    "macros.dateutil.relativedelta.SU",
    "macros.time.gmtime",
    "macros.datetime.datetime",
    "macros.datetime.timedelta",
    "macros.datetime.date",
    "macros.dateutil",
    "macros.dateutil.relativedelta",
    "macros.dateutil.relativedelta.relativedelta",
    "macros.dateutil.parser",
    "macros.dateutil.parser.parse",
    "macros.dateutil.tz",
    "macros.dateutil.tz.gettz",
    "macros.dateutil.tz.tzutc",
    "macros.json",
    "macros.json.loads",
    "macros.json.dumps",
    "macros.time",
    "macros.time.time",
    "macros.time.strftime",
    "macros.uuid",
    "macros.uuid.UUID",
    "macros.uuid.uuid4",
    "macros.yaml",
];

/// A module, class or function of `macros`.
pub(crate) struct Callable {
    path: &'static str,
    run: Arc<Run>,
}

impl Callable {
    /// The object at a path.
    pub(crate) fn value(run: &Arc<Run>, path: &'static str) -> Value {
        Value::from_object(Callable { path, run: Arc::clone(run) })
    }

    fn below(&self, name: &str) -> Option<&'static str> {
        PATHS.iter().copied().find(|path| {
            path.strip_prefix(self.path)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| rest == name)
        })
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.path)
    }
}

impl Object for Callable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let path = self.below(key.as_str()?)?;
        Some(constant(path).unwrap_or_else(|| Callable::value(&self.run, path)))
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        call(&self.run, self.path, args)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.below(method) {
            Some(path) => call(&self.run, path, args),
            None => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("{} has no \"{method}\"", self.path),
            )),
        }
    }
}

/// What is a value below `macros`, and no function.
fn constant(path: &str) -> Option<Value> {
    let (module, name) = path.rsplit_once('.')?;
    let wall = match path {
        "macros.datetime.min" => civil::date(1, 1, 1).at(0, 0, 0, 0),
        "macros.datetime.max" => civil::date(9999, 12, 31).at(23, 59, 59, 999_999_000),
        // `MO` alone can be called as well: it is a text that `MO(-1)` replaces.
        _ if module == "macros.dateutil.relativedelta" && name.len() == 2 => {
            return Some(Value::from(name));
        }
        _ => return None,
    };
    Some(Moment::naive(wall).into())
}

fn call(run: &Arc<Run>, path: &str, values: &[Value]) -> Result<Value, Error> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let mut args = Args::new(name, values)?;
    let value = match path {
        "macros.ds_add" => ds_add(&mut args)?,
        "macros.ds_format" => {
            let ds = python_text::text(&args.require("ds")?);
            let input = args.require_text("input_format")?;
            let output = args.require_text("output_format")?;
            Value::from(strftime(&strptime(&ds, &input)?, &output)?)
        }
        "macros.ds_format_locale" => ds_format_locale(&mut args)?,
        "macros.datetime_diff_for_humans" => diff_for_humans(run, &mut args)?,
        "macros.timedelta" | "macros.datetime.timedelta" => {
            return delta_from_args(values).map(|delta| Temporal::Delta(delta).into());
        }
        "macros.dateutil.relativedelta.relativedelta" | "macros.dateutil.relativedelta" => {
            return relative_from_args(values)
                .map(|relative| Temporal::Relative(Box::new(relative)).into());
        }
        "macros.dateutil.parser.parse" => {
            let text = args.require_text("timestr")?;
            let day_first = args.take_named("dayfirst")?.is_some_and(|flag| flag.is_true());
            parse::parse_as(&text, None, day_first)?.into()
        }
        "macros.datetime.fromisoformat" | "macros.dateutil.parser.isoparse" => {
            parse::parse(&args.require_text("date_string")?, None)?.into()
        }
        path if path.starts_with("macros.dateutil.relativedelta.") => {
            // `MO(-1)`, as `relativedelta` reads it.
            let nth = args.int("n")?.unwrap_or(1);
            Value::from(format!("{name}({nth:+})"))
        }
        "macros.dateutil.tz.gettz" => {
            Temporal::Zone(zone_from_value(&args.require("name")?)?).into()
        }
        "macros.dateutil.tz.tzutc" => Temporal::Zone(TimeZone::UTC).into(),
        path if path.starts_with("macros.datetime") => datetime(run, path, &mut args)?,
        _ => module_function(run, path, &mut args)?,
    };
    args.finish()?;
    Ok(value)
}

/// `ds_add(ds, days)`: text in, text out; strict about `YYYY-MM-DD`, as Airflow is.
fn ds_add(args: &mut Args<'_>) -> Result<Value, Error> {
    let given = args.require("ds")?;
    let (ds, is_text) = (python_text::text(&given), given.as_str().is_some());
    let days = args.require("days")?;
    if !days.is_true() {
        return Ok(Value::from(ds));
    }
    let days = if days.kind() == ValueKind::Bool { Value::from(1) } else { days };
    let days = f64::try_from(days).map_err(|_| args.fault("\"days\" must be a number"))?;
    let micros = super::temporal::scale_to_micros(days, 86_400e6)?;
    let read = strptime(&ds, "%Y-%m-%d").map_err(|error| {
        if is_text {
            return error;
        }
        args.fault("\"ds\" must be text such as ds; write some_date | ds")
    })?;
    let moved = read.plus_micros(micros)?;
    if moved.date().year() < 1 {
        return Err(args.fault("date value out of range"));
    }
    Ok(Value::from(moved.date().to_string()))
}

fn ds_format_locale(args: &mut Args<'_>) -> Result<Value, Error> {
    let ds = python_text::text(&args.require("ds")?);
    let input = args.require_text("input_format")?;
    let output = args.require_text("output_format")?;
    let wanted = args.text("locale")?.unwrap_or_else(|| "en_US".to_string());
    let names = locale::names_of(&wanted).ok_or_else(|| {
        args.fault(&format!("no names for locale \"{wanted}\"; known: {}", locale::KNOWN))
    })?;
    Ok(Value::from(cldr(&strptime(&ds, &input)?, &output, names)?))
}

fn diff_for_humans(run: &Run, args: &mut Args<'_>) -> Result<Value, Error> {
    let moment = moment_arg(args, "dt")?.ok_or_else(|| args.fault("missing argument \"dt\""))?;
    // pendulum takes a date-time without a zone for one of UTC.
    let moment = match moment.zone() {
        None => moment.with_zone(Some(&TimeZone::UTC))?,
        Some(_) => moment,
    };
    let since = moment_arg(args, "since")?;
    let against_now = since.is_none();
    let other = match since {
        Some(other) => other,
        None => run.now()?,
    };
    let interval = Interval::between(&moment, &other, false)?;
    Ok(Value::from(humanize::for_humans(&interval, against_now, false)))
}

/// The `datetime` class and what hangs on it.
fn datetime(run: &Run, path: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    Ok(match path {
        "macros.datetime" | "macros.datetime.datetime" => new_datetime(args)?.into(),
        "macros.datetime.date" => {
            let part = |args: &mut Args<'_>, name: &str| {
                args.int(name)?.ok_or_else(|| args.fault(&format!("missing argument \"{name}\"")))
            };
            let (year, month, day) =
                (part(args, "year")?, part(args, "month")?, part(args, "day")?);
            Temporal::Date(wall(&[year, month, day, 0, 0, 0, 0])?.date()).into()
        }
        "macros.datetime.strptime" => {
            let text = args.require_text("date_string")?;
            strptime(&text, &args.require_text("format")?)?.into()
        }
        "macros.datetime.now" => match args.take("tz")? {
            Some(zone) if !zone.is_none() => run.now()?.in_zone(zone_from_value(&zone)?)?.into(),
            _ => run.now()?.without_zone().into(),
        },
        "macros.datetime.utcnow" | "macros.datetime.today" => run.now()?.without_zone().into(),
        "macros.datetime.fromtimestamp" | "macros.datetime.utcfromtimestamp" => {
            let secs = args
                .float("timestamp")?
                .ok_or_else(|| args.fault("missing argument \"timestamp\""))?;
            let micros = super::temporal::scale_to_micros(secs, 1e6)?;
            let instant = jiff::Timestamp::from_microsecond(micros)
                .map_err(|_| args.fault("timestamp is out of range"))?;
            match args.take("tz")? {
                Some(zone) if !zone.is_none() => {
                    Moment::at_instant(instant, zone_from_value(&zone)?).into()
                }
                _ => Moment::utc(instant).without_zone().into(),
            }
        }
        "macros.datetime.fromordinal" => {
            let day = args.int("n")?.ok_or_else(|| args.fault("missing argument \"n\""))?;
            let first = civil::date(1, 1, 1);
            let date = super::temporal::moment::shift_days(first, day - 1)?;
            Moment::naive(date.to_datetime(civil::Time::midnight())).into()
        }
        "macros.datetime.combine" => {
            match (Temporal::of(&args.require("date")?), Temporal::of(&args.require("time")?)) {
                (Some(Temporal::Date(date)), Some(Temporal::Time(time))) => {
                    Moment::naive(date.to_datetime(*time)).into()
                }
                _ => return Err(args.fault("needs a date and a time")),
            }
        }
        _ => return Err(args.fault("cannot be called")),
    })
}

fn new_datetime(args: &mut Args<'_>) -> Result<Moment, Error> {
    let mut parts = [0_i64; 7];
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond"];
    for (index, name) in names.iter().enumerate() {
        parts[index] = match args.int(name)? {
            Some(value) => value,
            None if index < 3 => return Err(args.fault(&format!("missing argument \"{name}\""))),
            None => 0,
        };
    }
    let zone = match args.take("tzinfo")? {
        Some(value) if !value.is_none() => Some(zone_from_value(&value)?),
        _ => None,
    };
    Moment::create(wall(&parts)?, zone.as_ref(), false)
}

fn module_function(run: &Run, path: &str, args: &mut Args<'_>) -> Result<Value, Error> {
    Ok(match path {
        "macros.random" => Value::from(unit_float(run.draw())),
        "macros.uuid.uuid4" => {
            uuid(run.draw() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
        }
        "macros.uuid.UUID" => {
            let text = args.require_text("hex")?;
            let digits: String = text
                .trim_start_matches("urn:uuid:")
                .chars()
                .filter(|c| !matches!(c, '-' | '{' | '}'))
                .collect();
            match (digits.len(), u128::from_str_radix(&digits, 16)) {
                (32, Ok(number)) => uuid(number),
                _ => return Err(args.fault("badly formed hexadecimal UUID string")),
            }
        }
        "macros.json.loads" => {
            let text = args.require_text("s")?;
            let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                args.fault(&format!("not JSON (line {}, column {})", error.line(), error.column()))
            })?;
            from_json(&json)
        }
        "macros.json.dumps" => {
            let value = args.require("obj")?;
            super::sequences::check_json(&value)?;
            let json = to_json(&value)?;
            let indent = args.named_int("indent")?.and_then(|width| usize::try_from(width).ok());
            let separators = args.take_named("separators")?;
            let compact = separators.is_some_and(|pair| pair.to_string() == "(',', ':')");
            let flag = |value: Option<Value>, default: bool| value.map_or(default, |v| v.is_true());
            let how = Dumps {
                sort_keys: flag(args.take_named("sort_keys")?, false),
                ensure_ascii: flag(args.take_named("ensure_ascii")?, true),
                indent: indent.map(|width| width.min(16)),
            };
            let text = dumps(&json, how);
            // The only other separators in use are those without blanks.
            Value::from(if compact { super::value::compact(&json, how) } else { text })
        }
        "macros.time.time" => Value::from(run.now()?.epoch_secs()?),
        "macros.time.gmtime" => {
            let secs = args.float("secs")?;
            let moment = match secs {
                None => run.now()?,
                Some(secs) => moment_at(secs)?,
            };
            super::object::struct_time(&moment, 0)
        }
        "macros.time.strftime" => {
            let layout = args.require_text("format")?;
            let moment = match args.take("t")? {
                None => run.now()?,
                Some(parts) => moment_of_parts(&parts)?,
            };
            Value::from(strftime(&moment, &layout)?)
        }
        "macros.yaml" => return Err(args.fault("is not offered in templates; use macros.json")),
        _ => return Err(args.fault("is a module and cannot be called")),
    })
}

fn moment_at(secs: f64) -> Result<Moment, Error> {
    let micros = super::temporal::scale_to_micros(secs, 1e6)?;
    jiff::Timestamp::from_microsecond(micros)
        .map(Moment::utc)
        .map_err(|_| fault("timestamp is out of range"))
}

/// A date-time from Python's `struct_time`.
fn moment_of_parts(parts: &Value) -> Result<Moment, Error> {
    let mut fields = [0_i64; 7];
    for (index, part) in parts.try_iter()?.take(6).enumerate() {
        fields[index] = i64::try_from(part)?;
    }
    Ok(Moment::naive(wall(&fields)?))
}

fn moment_arg(args: &mut Args<'_>, name: &str) -> Result<Option<Moment>, Error> {
    match args.take(name)? {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => match Temporal::of(&value) {
            Some(Temporal::Moment(moment)) => Ok(Some(moment.clone())),
            _ => Err(args.fault(&format!("\"{name}\" must be a date-time"))),
        },
    }
}

fn wall(parts: &[i64; 7]) -> Result<civil::DateTime, Error> {
    let wrong = || fault("year, month, day or a part of the time is out of range");
    let small = |value: i64| i8::try_from(value).map_err(|_| wrong());
    let year = i16::try_from(parts[0]).map_err(|_| wrong())?;
    let nanos = parts[6].checked_mul(1000).and_then(|nanos| i32::try_from(nanos).ok());
    civil::DateTime::new(
        year,
        small(parts[1])?,
        small(parts[2])?,
        small(parts[3])?,
        small(parts[4])?,
        small(parts[5])?,
        nanos.ok_or_else(wrong)?,
    )
    .map_err(|_| wrong())
}

/// A number from 0 (included) to 1 (excluded) with 53 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
fn unit_float(bits: u128) -> f64 {
    (bits >> 75) as f64 / (1_u64 << 53) as f64
}

/// Python's `UUID`.
fn uuid(number: u128) -> Value {
    let text = uuid_text(number);
    // Only the usual variant has a version.
    let has_version = number >> 62 & 0x3 == 0x2;
    let version = i64::try_from(number >> 76 & 0xf).ok().filter(|_| has_version);
    let fields = vec![
        ("hex".to_owned(), Value::from(text.replace('-', ""))),
        ("int".to_owned(), Value::from(number)),
        ("urn".to_owned(), Value::from(format!("urn:uuid:{text}"))),
        ("version".to_owned(), version.map_or(Value::from(()), Value::from)),
    ];
    Value::from_object(Record { text, fields })
}

fn uuid_text(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
