//! Dates, times and lengths of time as template objects: one type, so that they compare.
//!
//! Owns which attributes and methods each has; what these mean is in `temporal`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use jiff::civil;
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::temporal::delta::{Delta, Interval};
use super::temporal::format;
use super::temporal::moment::Moment;
use super::temporal::relative::Relative;

mod date;
mod length;
mod moment;

pub(crate) use length::{delta_from_args, relative_from_args};
pub(crate) use moment::{struct_time, zone_from_value};

/// A value of Python's `datetime`, `pendulum` and `dateutil`.
#[derive(Clone)]
pub(crate) enum Temporal {
    /// A date-time.
    Moment(Moment),
    /// A date.
    Date(civil::Date),
    /// A time of day.
    Time(civil::Time),
    /// A `timedelta`.
    Delta(Delta),
    /// A pendulum interval.
    Interval(Box<Interval>),
    /// A `relativedelta`.
    Relative(Box<Relative>),
    /// A time zone.
    Zone(jiff::tz::TimeZone),
}

impl Temporal {
    /// The temporal value inside a template value.
    pub(crate) fn of(value: &Value) -> Option<&Temporal> {
        value.downcast_object_ref::<Temporal>()
    }

    /// Python's type name, for error texts.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Temporal::Moment(_) => "DateTime",
            Temporal::Date(_) => "Date",
            Temporal::Time(_) => "Time",
            Temporal::Delta(_) => "timedelta",
            Temporal::Interval(_) => "Interval",
            Temporal::Relative(_) => "relativedelta",
            Temporal::Zone(_) => "Timezone",
        }
    }

    /// Python's `str()`.
    pub(crate) fn text(&self) -> String {
        match self {
            Temporal::Moment(moment) => format::plain(moment),
            Temporal::Date(date) => date.to_string(),
            Temporal::Time(time) => format::clock(*time),
            Temporal::Delta(delta) => delta.text(),
            Temporal::Interval(interval) => interval.text(),
            Temporal::Relative(relative) => relative.text(),
            Temporal::Zone(zone) => zone_text(zone),
        }
    }

    /// Compares as Python does; `None` where Python raises `TypeError`.
    pub(crate) fn compare(&self, other: &Temporal) -> Option<Ordering> {
        match (self, other) {
            (Temporal::Moment(a), Temporal::Moment(b)) => {
                a.micros_since(b).ok().map(|micros| micros.cmp(&0))
            }
            (Temporal::Date(a), Temporal::Date(b)) => Some(a.cmp(b)),
            (Temporal::Time(a), Temporal::Time(b)) => Some(a.cmp(b)),
            _ => Some(self.length()?.cmp(&other.length()?)),
        }
    }

    /// The length of a timedelta or interval.
    pub(crate) fn length(&self) -> Option<Delta> {
        match self {
            Temporal::Delta(delta) => Some(*delta),
            Temporal::Interval(interval) => Some(interval.delta()),
            _ => None,
        }
    }

    /// `format(value, spec)`: a layout of `strftime`, or of pendulum's tokens.
    pub(crate) fn formatted(&self, spec: &str) -> Result<String, Error> {
        let moment = match self {
            Temporal::Moment(moment) => moment.clone(),
            Temporal::Date(date) => Moment::naive(date.to_datetime(civil::Time::midnight())),
            Temporal::Time(time) => Moment::naive(civil::date(1900, 1, 1).to_datetime(*time)),
            _ => {
                let kind = self.type_name();
                let message = format!("a value of type {kind} takes no format specification");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        // Python's own date-times, which have no zone, know no tokens.
        if spec.contains('%') || moment.zone().is_none() {
            return super::temporal::strftime::strftime(&moment, spec);
        }
        format::with_tokens(&moment, spec, None)
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        match self {
            Temporal::Moment(moment) => moment::attribute(moment, name),
            Temporal::Date(date) => date::date_attribute(*date, name),
            Temporal::Time(time) => date::time_attribute(*time, name),
            Temporal::Delta(delta) => length::delta_attribute(*delta, name),
            Temporal::Interval(interval) => length::interval_attribute(interval, name),
            Temporal::Relative(relative) => length::relative_attribute(relative, name),
            Temporal::Zone(zone) => (name == "name").then(|| Value::from(zone_text(zone))),
        }
    }
}

impl From<Moment> for Value {
    fn from(moment: Moment) -> Value {
        Value::from_object(Temporal::Moment(moment))
    }
}

impl From<Temporal> for Value {
    fn from(temporal: Temporal) -> Value {
        Value::from_object(temporal)
    }
}

impl Object for Temporal {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.attribute(key)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        if let Temporal::Relative(relative) = &**self {
            return relative.text() != "relativedelta()";
        }
        self.length().is_none_or(|delta| delta.0 != 0)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let found = match &**self {
            Temporal::Moment(moment) => moment::call(moment, state, method, args)?,
            Temporal::Date(date) => date::call_date(*date, state, method, args)?,
            Temporal::Time(time) => date::call_time(*time, method, args)?,
            Temporal::Delta(delta) => length::call_delta(*delta, method, args)?,
            Temporal::Interval(interval) => length::call_interval(interval, method, args)?,
            Temporal::Relative(relative) => length::call_relative(relative, method, args)?,
            Temporal::Zone(_) => None,
        };
        found.ok_or_else(|| {
            let type_name = self.type_name();
            Error::new(
                ErrorKind::InvalidOperation,
                format!("{type_name} has no method \"{method}\""),
            )
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        // Sorting needs a total order: what Python refuses to compare is ordered by its text.
        Some(self.compare(other).unwrap_or_else(|| self.text().cmp(&other.text())))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return fmt::Debug::fmt(&**self, f);
        }
        f.write_str(&self.text())
    }
}

/// Python's `repr()`.
impl fmt::Debug for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Temporal::Moment(moment) => {
                let wall = moment.wall();
                let (is_plain, second) = (moment.zone().is_none(), wall.second());
                let class = if is_plain { "datetime.datetime" } else { "DateTime" };
                let (year, month, day) = (wall.year(), wall.month(), wall.day());
                let (hour, minute) = (wall.hour(), wall.minute());
                write!(f, "{class}({year}, {month}, {day}, {hour}, {minute}")?;
                if !is_plain || second != 0 || moment.microsecond() != 0 {
                    write!(f, ", {second}")?;
                }
                if moment.microsecond() != 0 {
                    write!(f, ", {}", moment.microsecond())?;
                }
                match moment.zone_name() {
                    Some(name) => write!(f, ", tzinfo=Timezone('{name}'))"),
                    None => f.write_str(")"),
                }
            }
            Temporal::Date(date) => {
                write!(f, "Date({}, {}, {})", date.year(), date.month(), date.day())
            }
            Temporal::Time(time) => {
                write!(f, "Time({}, {}, {}", time.hour(), time.minute(), time.second())?;
                match time.subsec_nanosecond() / 1000 {
                    0 => f.write_str(")"),
                    micros => write!(f, ", {micros})"),
                }
            }
            Temporal::Delta(delta) => f.write_str(&delta.repr()),
            Temporal::Zone(zone) => write!(f, "Timezone('{}')", zone_text(zone)),
            other => f.write_str(&other.text()),
        }
    }
}

fn zone_text(zone: &jiff::tz::TimeZone) -> String {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some(name), _) => name.to_string(),
        (None, Ok(offset)) => format::offset_with_colon(offset),
        (None, Err(_)) => "unknown".to_string(),
    }
}
