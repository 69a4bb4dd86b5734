//! The attributes and methods of dates and times of day.
//!
//! A date borrows what it shares with date-times from its own midnight, in UTC.

use jiff::civil::{Date, Time};
use minijinja::{Error, State, Value};

use super::Temporal;
use crate::template::args::Args;
use crate::template::temporal::delta::Interval;
use crate::template::temporal::moment::{Fields, Moment, Shift};
use crate::template::temporal::{calendar, fault, format, humanize, strftime};

pub(super) fn date_attribute(date: Date, name: &str) -> Option<Value> {
    let own = matches!(
        name,
        "year"
            | "month"
            | "day"
            | "day_of_week"
            | "day_of_year"
            | "week_of_year"
            | "week_of_month"
            | "quarter"
            | "days_in_month"
    );
    if own { super::moment::attribute(&midnight(date), name) } else { None }
}

pub(super) fn time_attribute(time: Time, name: &str) -> Option<Value> {
    Some(match name {
        "hour" => Value::from(time.hour()),
        "minute" => Value::from(time.minute()),
        "second" => Value::from(time.second()),
        "microsecond" => Value::from(time.subsec_nanosecond() / 1000),
        _ => return None,
    })
}

/// Methods that a date has of its own midnight; what is a date-time there is a date here.
const BORROWED: &[&str] = &[
    "timetuple",
    "isocalendar",
    "toordinal",
    "ctime",
    "is_long_year",
    "first_of",
    "last_of",
    "nth_of",
    "next",
    "previous",
];

pub(super) fn call_date(
    date: Date,
    state: &State<'_, '_>,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let moment = midnight(date);
    if BORROWED.contains(&method) {
        let found = super::moment::call(&moment, state, method, args)?;
        return Ok(found.map(|value| match Temporal::of(&value) {
            Some(Temporal::Moment(moment)) => Temporal::Date(moment.date()).into(),
            _ => value,
        }));
    }
    if let Some(value) = compared(date, state, method, args)? {
        return Ok(Some(value));
    }
    let mut args = Args::new(method, args)?;
    let value = match method {
        "isoformat" | "to_date_string" | "for_json" => Value::from(date.to_string()),
        "to_formatted_date_string" => {
            Value::from(format::with_tokens(&moment, "MMM DD, YYYY", None)?)
        }
        "strftime" => Value::from(strftime::strftime(&moment, &args.require_text("format")?)?),
        "format" => {
            let tokens = args.require_text("fmt")?;
            let mut is_literal = false;
            let asks_time = tokens.chars().any(|letter| {
                is_literal = (is_literal || letter == '[') && letter != ']';
                !is_literal && "HhmsSZzXxA".contains(letter)
            });
            if asks_time {
                return Err(args.fault("a date has no time of day; leave the tokens of time out"));
            }
            Value::from(format::with_tokens(&moment, &tokens, args.text("locale")?.as_deref())?)
        }
        "weekday" => Value::from(calendar::weekday_index(date)),
        "isoweekday" => Value::from(date.weekday().to_monday_one_offset()),
        "is_leap_year" => Value::from(date.in_leap_year()),
        "add" | "subtract" => {
            let shift = Shift {
                years: args.int("years")?.unwrap_or(0),
                months: args.int("months")?.unwrap_or(0),
                days: args.int("weeks")?.unwrap_or(0) * 7 + args.int("days")?.unwrap_or(0),
                micros: 0,
            };
            let shift = if method == "add" { shift } else { shift.negated() };
            Temporal::Date(moment.plus(shift)?.date()).into()
        }
        "replace" | "set" => {
            let fields = Fields {
                year: args.int("year")?,
                month: args.int("month")?,
                day: args.int("day")?,
                ..Fields::default()
            };
            Temporal::Date(moment.with(fields)?.date()).into()
        }
        "start_of" => {
            Temporal::Date(calendar::start_of(&moment, &super::moment::unit_of(&mut args)?)?.date())
                .into()
        }
        "end_of" => {
            Temporal::Date(calendar::end_of(&moment, &super::moment::unit_of(&mut args)?)?.date())
                .into()
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

/// Methods that look at another date, or at today.
fn compared(
    date: Date,
    state: &State<'_, '_>,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, args)?;
    let other = |args: &mut Args<'_>, name: &str| match args.take(name)? {
        Some(value) if !value.is_none() => date_of(&value),
        _ => Ok(crate::template::scope::now_of(state)?.date()),
    };
    let days = |other: Date| i64::from((other - date).get_days());
    let value = match method {
        "diff" => {
            let other = other(&mut args, "dt")?;
            let absolute = args.flag("abs", true)?;
            let interval = Interval::between(&midnight(date), &midnight(other), absolute)?;
            Temporal::Interval(Box::new(interval.of_dates())).into()
        }
        "diff_for_humans" => {
            let given = args.take("other")?.filter(|other| !other.is_none());
            let against_now = given.is_none();
            let other = match given {
                Some(other) => date_of(&other)?,
                None => crate::template::scope::now_of(state)?.date(),
            };
            let absolute = args.flag("absolute", false)?;
            let interval = Interval::between(&midnight(date), &midnight(other), false)?;
            Value::from(humanize::for_humans(&interval, against_now, absolute))
        }
        "is_same_day" => Value::from(days(other(&mut args, "dt")?) == 0),
        "is_past" => Value::from(days(crate::template::scope::now_of(state)?.date()) > 0),
        "is_future" => Value::from(days(crate::template::scope::now_of(state)?.date()) < 0),
        "is_anniversary" | "is_birthday" => {
            let other = other(&mut args, "dt")?;
            Value::from((other.month(), other.day()) == (date.month(), date.day()))
        }
        "average" => {
            let half = days(other(&mut args, "dt")?) / 2;
            let shift = Shift { days: half, ..Shift::default() };
            Temporal::Date(midnight(date).plus(shift)?.date()).into()
        }
        "closest" | "farthest" => {
            let (first, second) = (other(&mut args, "dt1")?, other(&mut args, "dt2")?);
            let first_wins = (days(first).abs() < days(second).abs()) == (method == "closest");
            Temporal::Date(if first_wins { first } else { second }).into()
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

fn date_of(value: &Value) -> Result<Date, Error> {
    match Temporal::of(value) {
        Some(Temporal::Date(date)) => Ok(*date),
        Some(Temporal::Moment(moment)) => Ok(moment.date()),
        _ => {
            Err(fault(format!("a date is needed, not {}", crate::template::ops::type_name(value))))
        }
    }
}

pub(super) fn call_time(time: Time, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, args)?;
    let value = match method {
        "isoformat" => Value::from(format::clock(time)),
        "strftime" | "format" => {
            let moment = Moment::naive(jiff::civil::date(1900, 1, 1).to_datetime(time));
            let layout = args.require_text("format")?;
            Value::from(if method == "format" {
                format::with_tokens(&moment, &layout, None)?
            } else {
                strftime::strftime(&moment, &layout)?
            })
        }
        "add" | "subtract" => {
            let micros = super::moment::time_from_args(&mut args)?;
            let micros = if method == "add" { micros } else { -micros };
            let moment = Moment::naive(jiff::civil::date(2000, 1, 1).to_datetime(time));
            Temporal::Time(moment.plus_micros(micros)?.wall().time()).into()
        }
        "replace" => {
            let pick = |wanted: Option<i64>, kept: i8| match wanted {
                None => Ok(kept),
                Some(value) => i8::try_from(value).map_err(|_| fault("time is out of range")),
            };
            let replaced = Time::new(
                pick(args.int("hour")?, time.hour())?,
                pick(args.int("minute")?, time.minute())?,
                pick(args.int("second")?, time.second())?,
                time.subsec_nanosecond(),
            )
            .map_err(|_| fault("time is out of range"))?;
            Temporal::Time(replaced).into()
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

fn midnight(date: Date) -> Moment {
    Moment::naive(date.to_datetime(Time::midnight()))
}
