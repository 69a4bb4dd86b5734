//! The attributes and methods of dates and times of day.
//!
//! A date borrows what it shares with date-times from its own midnight, in UTC.

use jiff::civil::{Date, Time};
use minijinja::{Error, Value};

use super::Temporal;
use crate::template::args::Args;
use crate::template::temporal::moment::{Fields, Moment, Shift};
use crate::template::temporal::{calendar, fault, format, strftime};

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

pub(super) fn call_date(date: Date, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let moment = midnight(date);
    let mut args = Args::new(method, args)?;
    let value = match method {
        "isoformat" | "to_date_string" | "for_json" => Value::from(date.to_string()),
        "to_formatted_date_string" => {
            Value::from(format::with_tokens(&moment, "MMM DD, YYYY", None)?)
        }
        "strftime" => Value::from(strftime::strftime(&moment, &args.require_text("format")?)?),
        "format" => Value::from(format::with_tokens(&moment, &args.require_text("fmt")?, None)?),
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
            Temporal::Date(calendar::start_of(&moment, &args.require_text("unit")?)?.date()).into()
        }
        "end_of" => {
            Temporal::Date(calendar::end_of(&moment, &args.require_text("unit")?)?.date()).into()
        }
        "first_of" => {
            let first = calendar::first_of(&moment, &args.require_text("unit")?, None)?;
            Temporal::Date(first.date()).into()
        }
        "last_of" => {
            let last = calendar::last_of(&moment, &args.require_text("unit")?, None)?;
            Temporal::Date(last.date()).into()
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
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
