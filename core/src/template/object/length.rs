//! The attributes and methods of lengths of time: timedelta, interval, relativedelta.
//!
//! Owns names and arguments only; `temporal` does the work.

use jiff::civil::Weekday;
use minijinja::{Error, Value};

use super::Temporal;
use crate::template::args::Args;
use crate::template::temporal::delta::{
    DAY_MICROS, Delta, HOUR_MICROS, Interval, MINUTE_MICROS, SECOND_MICROS,
};
use crate::template::temporal::moment::{Fields, Moment, Shift};
use crate::template::temporal::relative::Relative;
use crate::template::temporal::{calendar, fault, humanize, scale_to_micros};

/// Steps of `Interval.range(…)` at most.
const MAX_RANGE_STEPS: i64 = 10_000;

/// `timedelta(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0)`.
pub(crate) fn delta_from_args(values: &[Value]) -> Result<Delta, Error> {
    let mut args = Args::new("timedelta", values)?;
    let mut total = 0_i64;
    for (name, micros) in [
        ("days", 86_400e6),
        ("seconds", 1e6),
        ("microseconds", 1.0),
        ("milliseconds", 1e3),
        ("minutes", 60e6),
        ("hours", 3600e6),
        ("weeks", 604_800e6),
    ] {
        if let Some(count) = args.float(name)? {
            total = total
                .checked_add(scale_to_micros(count, micros)?)
                .ok_or_else(|| fault("timedelta is out of range"))?;
        }
    }
    args.finish()?;
    Ok(Delta(total))
}

/// `relativedelta(years=…, months=…, day=…, …)`.
pub(crate) fn relative_from_args(values: &[Value]) -> Result<Relative, Error> {
    let mut args = Args::new("relativedelta", values)?;
    if let (Some(later), Some(earlier)) = (args.take("dt1")?, args.take("dt2")?) {
        args.finish()?;
        return between(&later, &earlier);
    }
    let year_day = args.named_int("yearday")?;
    let plain_year_day = args.named_int("nlyearday")?;
    let leap_days = args.named_int("leapdays")?.unwrap_or(0);
    let mut plural = |name: &str| args.named_int(name).map(Option::unwrap_or_default);
    let (years, months) = (plural("years")?, plural("months")?);
    let days = plural("weeks")? * 7 + plural("days")?;
    let (hours, minutes, seconds) = (plural("hours")?, plural("minutes")?, plural("seconds")?);
    let microseconds = plural("microseconds")?;
    let fields = Fields {
        year: args.named_int("year")?,
        month: args.named_int("month")?,
        day: args.named_int("day")?,
        hour: args.named_int("hour")?,
        minute: args.named_int("minute")?,
        second: args.named_int("second")?,
        microsecond: args.named_int("microsecond")?,
    };
    let weekday = match args.take_named("weekday")? {
        None => None,
        Some(value) => Some(weekday_of(&value)?),
    };
    args.finish()?;
    let mut relative = Relative {
        years,
        months,
        days,
        hours,
        minutes,
        seconds,
        microseconds,
        fields,
        weekday,
        leap_days,
    }
    .normalised();
    if let Some(day) = year_day.or(plain_year_day).filter(|day| *day != 0) {
        // A day of the year counts in a leap year, the plain one as if there were none.
        relative.leap_days = if year_day.is_some() && day > 59 { -1 } else { relative.leap_days };
        relative.set_year_day(day)?;
    }
    Ok(relative)
}

/// What leads from one date to another, in calendar units.
fn between(later: &Value, earlier: &Value) -> Result<Relative, Error> {
    let moment = |value: &Value| match Temporal::of(value) {
        Some(Temporal::Moment(moment)) => Ok(moment.clone()),
        Some(Temporal::Date(date)) => {
            Ok(Moment::naive(date.to_datetime(jiff::civil::Time::midnight())))
        }
        _ => Err(fault("relativedelta takes two dates, or the steps by name: months=1")),
    };
    Relative::between(&moment(later)?, &moment(earlier)?)
}

pub(super) fn delta_attribute(delta: Delta, name: &str) -> Option<Value> {
    Some(match name {
        "days" => Value::from(delta.days()),
        "seconds" => Value::from(delta.seconds()),
        "microseconds" => Value::from(delta.microseconds()),
        _ => return None,
    })
}

pub(super) fn interval_attribute(interval: &Interval, name: &str) -> Option<Value> {
    let parts = interval.parts();
    Some(match name {
        "start" => interval.start.clone().into(),
        "end" => interval.end.clone().into(),
        "years" => Value::from(parts.years),
        "months" => Value::from(parts.months),
        "weeks" => Value::from(parts.days / 7),
        "days" => Value::from(interval.delta().0 / DAY_MICROS),
        "remaining_days" => Value::from(parts.days % 7),
        "hours" => Value::from(parts.hours),
        "minutes" => Value::from(parts.minutes),
        "seconds" => Value::from(interval.delta().0 % DAY_MICROS / SECOND_MICROS),
        "remaining_seconds" => Value::from(interval.delta().0 % MINUTE_MICROS / SECOND_MICROS),
        "microseconds" => Value::from(interval.delta().0 % SECOND_MICROS),
        "invert" => Value::from(interval.delta().0 < 0),
        _ => return None,
    })
}

pub(super) fn relative_attribute(relative: &Relative, name: &str) -> Option<Value> {
    let set = |value: Option<i64>| value.map_or(Value::from(()), Value::from);
    Some(match name {
        "years" => Value::from(relative.years),
        "months" => Value::from(relative.months),
        "weeks" => Value::from(relative.days / 7),
        "days" => Value::from(relative.days),
        "hours" => Value::from(relative.hours),
        "minutes" => Value::from(relative.minutes),
        "seconds" => Value::from(relative.seconds),
        "microseconds" => Value::from(relative.microseconds),
        "year" => set(relative.fields.year),
        "month" => set(relative.fields.month),
        "day" => set(relative.fields.day),
        _ => return None,
    })
}

pub(super) fn call_delta(
    delta: Delta,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let args = Args::new(method, args)?;
    let value = match method {
        "total_seconds" => Value::from(delta.total_seconds()),
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

pub(super) fn call_relative(
    relative: &Relative,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let args = Args::new(method, args)?;
    let value = match method {
        "normalized" => Temporal::Relative(Box::new(relative.normalised())).into(),
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

pub(super) fn call_interval(
    interval: &Interval,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, args)?;
    let micros = interval.delta().0;
    let parts = interval.parts();
    let total =
        |unit: i64| Value::from(Delta(micros).total_seconds() / Delta(unit).total_seconds());
    let value = match method {
        "total_seconds" => Value::from(interval.delta().total_seconds()),
        "total_minutes" => total(MINUTE_MICROS),
        "total_hours" => total(HOUR_MICROS),
        "total_days" => total(DAY_MICROS),
        "total_weeks" => total(7 * DAY_MICROS),
        "in_seconds" => Value::from(micros / SECOND_MICROS),
        "in_minutes" => Value::from(micros / MINUTE_MICROS),
        "in_hours" => Value::from(micros / HOUR_MICROS),
        "in_days" => Value::from(parts.total_days),
        "in_weeks" => Value::from(parts.total_days / 7),
        "in_months" => Value::from(parts.years * 12 + parts.months),
        "in_years" => Value::from(parts.years),
        "in_words" => {
            let locale = args.text("locale")?;
            let separator = args.text("separator")?;
            let separator = separator.as_deref().unwrap_or(" ");
            Value::from(humanize::in_words(parts, locale.as_deref(), separator)?)
        }
        "as_timedelta" | "as_duration" => Temporal::Delta(interval.delta()).into(),
        "range" => {
            let unit = args.require_text("unit")?;
            let amount = args.int("amount")?.unwrap_or(1);
            range(interval, &unit, amount)?
        }
        _ => return Ok(None),
    };
    args.finish()?;
    Ok(Some(value))
}

fn range(interval: &Interval, unit: &str, amount: i64) -> Result<Value, Error> {
    if amount < 1 {
        return Err(fault("range(): \"amount\" must be 1 or more"));
    }
    let step = |count: i64| -> Result<Shift, Error> {
        let shift = Shift::default();
        Ok(match unit {
            "years" => Shift { years: count, ..shift },
            "months" => Shift { months: count, ..shift },
            "weeks" => Shift { days: count * 7, ..shift },
            "days" => Shift { days: count, ..shift },
            "hours" => Shift { micros: count * HOUR_MICROS, ..shift },
            "minutes" => Shift { micros: count * MINUTE_MICROS, ..shift },
            "seconds" => Shift { micros: count * SECOND_MICROS, ..shift },
            _ => {
                return Err(fault(format!("range(): unknown unit \"{unit}\"; use days, hours, …")));
            }
        })
    };
    let mut found = Vec::new();
    for index in 0..=MAX_RANGE_STEPS {
        let next = interval.start.plus(step(index * amount)?)?;
        if next.micros_since(&interval.end)? > 0 {
            return Ok(Value::from(found));
        }
        found.push(Value::from(next));
    }
    Err(fault(format!("range(): more than {MAX_RANGE_STEPS} steps")))
}

/// `MO` … `SU` with an optional count come as text here: `weekday='MO'`, `'FR(-1)'`, or 0 to 6.
fn weekday_of(value: &Value) -> Result<(Weekday, i64), Error> {
    let wrong = || fault("weekday must be 0 (Monday) to 6, \"MO\" … \"SU\", or \"FR(-1)\"");
    let Some(text) = value.as_str() else {
        let index = i64::try_from(value.clone()).map_err(|_| wrong())?;
        return Ok((calendar::weekday_from_index(index)?, 1));
    };
    let (name, nth) = match text.split_once('(') {
        None => (text, 1),
        Some((name, count)) => (name, count.trim_end_matches(')').parse().map_err(|_| wrong())?),
    };
    let index = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
        .ok_or_else(wrong)?;
    Ok((calendar::weekday_from_index(i64::try_from(index).map_err(|_| wrong())?)?, nth))
}
