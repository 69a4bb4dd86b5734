//! The attributes and methods of a date-time (pendulum's `DateTime`).
//!
//! Owns names and arguments only; `temporal` does the work.

use jiff::civil::Weekday;
use jiff::tz::{Offset, TimeZone};
use minijinja::{Error, State, Value};

use super::Temporal;
use crate::template::args::Args;
use crate::template::named_tuple::NamedTuple;
use crate::template::temporal::calendar;
use crate::template::temporal::delta::{
    Delta, HOUR_MICROS, Interval, MINUTE_MICROS, SECOND_MICROS,
};
use crate::template::temporal::moment::{Fields, Moment, Shift, zone_named};
use crate::template::temporal::{
    fault, format, humanize, micros_as_secs, scale_to_micros, strftime,
};

pub(super) fn attribute(moment: &Moment, name: &str) -> Option<Value> {
    let wall = moment.wall();
    let date = wall.date();
    Some(match name {
        "year" => Value::from(date.year()),
        "month" => Value::from(date.month()),
        "day" => Value::from(date.day()),
        "hour" => Value::from(wall.hour()),
        "minute" => Value::from(wall.minute()),
        "second" => Value::from(wall.second()),
        "microsecond" => Value::from(moment.microsecond()),
        "day_of_week" => Value::from(calendar::weekday_index(date)),
        "day_of_year" => Value::from(date.day_of_year()),
        "week_of_year" => Value::from(date.iso_week_date().week()),
        "week_of_month" => Value::from(calendar::week_of_month(date)),
        "quarter" => Value::from(calendar::quarter(date)),
        "days_in_month" => Value::from(date.days_in_month()),
        "timezone_name" => moment.zone_name().map_or(Value::from(()), Value::from),
        "tzinfo" | "timezone" | "tz" => match moment.zone() {
            None => Value::from(()),
            Some(zone) => Temporal::Zone(zone.clone()).into(),
        },
        "offset" => moment.offset().map_or(Value::from(()), |offset| Value::from(offset.seconds())),
        "offset_hours" => moment
            .offset()
            .map_or(Value::from(()), |offset| Value::from(f64::from(offset.seconds()) / 3600.0)),
        "int_timestamp" => Value::from(moment.epoch_micros().ok()?.div_euclid(SECOND_MICROS)),
        "fold" => Value::from(i64::from(moment.fold())),
        "resolution" => Temporal::Delta(Delta(1)).into(),
        "min" | "max" => extreme(name, moment.zone().is_some()),
        "float_timestamp" => Value::from(moment.epoch_secs().ok()?),
        _ => return None,
    })
}

pub(super) fn call(
    moment: &Moment,
    state: &State<'_, '_>,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    let mut args = Args::new(method, args)?;
    if let Some(name) = method.strip_prefix("to_").and_then(|rest| rest.strip_suffix("_string")) {
        args.finish()?;
        return format::named(moment, name).transpose().map(|text| text.map(Value::from));
    }
    if let Some(value) = plain(moment, method)? {
        args.finish()?;
        return Ok(Some(value));
    }
    if let Some(changed) = changed(moment, method, &mut args)? {
        args.finish()?;
        return Ok(Some(changed.into()));
    }
    let value = match method {
        "strftime" | "__format__" => {
            Value::from(strftime::strftime(moment, &args.require_text("format")?)?)
        }
        "isoformat" => {
            let separator = args.text("sep")?.unwrap_or_else(|| "T".to_owned());
            if separator.chars().count() != 1 {
                return Err(args.fault("\"sep\" must be one character"));
            }
            let precision = args.text("timespec")?;
            Value::from(format::isoformat_as(moment, &separator, precision.as_deref())?)
        }
        "format" => {
            let tokens = args.require_text("fmt")?;
            Value::from(format::with_tokens(moment, &tokens, args.text("locale")?.as_deref())?)
        }
        _ => match compared(moment, state, method, &mut args)? {
            Some(value) => value,
            None => return Ok(None),
        },
    };
    args.finish()?;
    Ok(Some(value))
}

/// Methods without arguments.
fn plain(moment: &Moment, method: &str) -> Result<Option<Value>, Error> {
    let date = moment.date();
    Ok(Some(match method {
        "for_json" => Value::from(format::isoformat(moment)),
        "date" => Temporal::Date(date).into(),
        "timetuple" => struct_time(moment, i64::from(moment.zone().is_none()) * -2),
        "utctimetuple" => match moment.zone() {
            Some(_) => struct_time(&moment.in_zone(TimeZone::UTC)?, 0),
            None => struct_time(moment, 0),
        },
        // Without a date only UTC has an offset.
        "timetz" if moment.zone() == Some(&TimeZone::UTC) => {
            Value::from(format!("{}+00:00", format::clock(moment.wall().time())))
        }
        "time" | "timetz" => Temporal::Time(moment.wall().time()).into(),
        "naive" => moment.without_zone().into(),
        "timestamp" => Value::from(moment.epoch_secs()?),
        "weekday" => Value::from(calendar::weekday_index(date)),
        "isoweekday" => Value::from(date.weekday().to_monday_one_offset()),
        "isocalendar" => {
            let week = date.iso_week_date();
            let fields = vec![
                ("year", Value::from(week.year())),
                ("week", Value::from(week.week())),
                ("weekday", Value::from(week.weekday().to_monday_one_offset())),
            ];
            NamedTuple::value(Some("datetime.IsoCalendarDate"), fields)
        }
        "toordinal" => {
            let first = jiff::civil::date(1, 1, 1);
            Value::from(first.duration_until(date).as_hours() / 24 + 1)
        }
        "ctime" => Value::from(strftime::strftime(moment, "%c")?),
        "utcoffset" => moment.offset().map_or(Value::from(()), |offset| {
            Temporal::Delta(Delta(i64::from(offset.seconds()) * SECOND_MICROS)).into()
        }),
        "get_offset" => attribute(moment, "offset").unwrap_or_default(),
        "dst" => moment.offset().map_or(Value::from(()), |_| {
            Temporal::Delta(Delta(if moment.is_dst() { HOUR_MICROS } else { 0 })).into()
        }),
        "tzname" => moment.zone_abbreviation().map_or(Value::from(()), Value::from),
        "is_leap_year" => Value::from(date.in_leap_year()),
        "is_long_year" => {
            // Midsummer is in the ISO year of its date.
            let midsummer = jiff::civil::date(date.year(), 7, 1).iso_week_date();
            Value::from(midsummer.weeks_in_year() == 53)
        }
        "is_dst" => Value::from(moment.is_dst()),
        // The machine's zone counts as UTC.
        "is_utc" | "is_local" => Value::from(moment.offset() == Some(Offset::UTC)),
        _ => return Ok(None),
    }))
}

/// Methods that give another date-time.
fn changed(moment: &Moment, method: &str, args: &mut Args<'_>) -> Result<Option<Moment>, Error> {
    let found = match method {
        "in_timezone" | "in_tz" | "astimezone" => {
            let zone = match args.take("tz")? {
                None if method != "astimezone" => {
                    return Err(args.fault("missing argument \"tz\", such as 'Asia/Seoul'"));
                }
                // The machine's zone counts as UTC.
                None => TimeZone::UTC,
                Some(value) if value.is_none() => TimeZone::UTC,
                Some(value) => zone_from_value(&value)?,
            };
            moment.in_zone(zone)?
        }
        "add" => moment.plus(shift_from_args(args)?)?,
        "subtract" => moment.plus(shift_from_args(args)?.negated())?,
        "replace" | "set" => {
            let fields = fields_from_args(args)?;
            let name = if method == "set" { "tz" } else { "tzinfo" };
            let rezoned = args.take(name)?;
            if method == "replace" {
                args.take_named("fold")?;
            }
            if method == "set" && rezoned.as_ref().is_some_and(Value::is_none) {
                return Err(args.fault("\"tz\" must be a zone; use naive() to leave it out"));
            }
            let base = match rezoned {
                None => moment.clone(),
                Some(value) if value.is_none() => moment.without_zone(),
                Some(value) => moment.with_zone(Some(&zone_from_value(&value)?))?,
            };
            base.with(fields)?
        }
        "on" => moment.with(Fields {
            year: args.int("year")?,
            month: args.int("month")?,
            day: args.int("day")?,
            ..Fields::default()
        })?,
        "at" => moment.with(Fields {
            hour: Some(args.int("hour")?.ok_or_else(|| args.fault("missing argument \"hour\""))?),
            minute: Some(args.int("minute")?.unwrap_or(0)),
            second: Some(args.int("second")?.unwrap_or(0)),
            microsecond: Some(args.int("microsecond")?.unwrap_or(0)),
            ..Fields::default()
        })?,
        "start_of" => calendar::start_of(moment, &unit_of(args)?)?,
        "end_of" => calendar::end_of(moment, &unit_of(args)?)?,
        "first_of" => {
            let unit = args.require_text("unit")?;
            calendar::first_of(moment, &unit, weekday(args.int("day_of_week")?)?)?
        }
        "last_of" => {
            let unit = args.require_text("unit")?;
            calendar::last_of(moment, &unit, weekday(args.int("day_of_week")?)?)?
        }
        "nth_of" => {
            let unit = args.require_text("unit")?;
            let nth = args.int("nth")?.unwrap_or(1);
            let day = weekday(args.int("day_of_week")?)?
                .ok_or_else(|| args.fault("missing argument \"day_of_week\""))?;
            calendar::nth_of(moment, &unit, nth, day)?
        }
        "next" | "previous" => {
            let day = weekday(args.int("day_of_week")?)?;
            let keep_time = args.flag("keep_time", false)?;
            calendar::neighbour(moment, day, method == "next", keep_time)?
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// Methods that look at another date-time, or at now.
fn compared(
    moment: &Moment,
    state: &State<'_, '_>,
    method: &str,
    args: &mut Args<'_>,
) -> Result<Option<Value>, Error> {
    let other = |args: &mut Args<'_>, name: &str| -> Result<(Moment, bool), Error> {
        match args.take(name)? {
            Some(value) if !value.is_none() => Ok((moment_of(&value)?, false)),
            _ => Ok((crate::template::scope::now_of(state)?, true)),
        }
    };
    Ok(Some(match method {
        "diff" => {
            let (other, _) = other(args, "dt")?;
            let absolute = args.flag("abs", true)?;
            Temporal::Interval(Box::new(Interval::between(moment, &other, absolute)?)).into()
        }
        "diff_for_humans" => {
            let (other, against_now) = other(args, "other")?;
            let interval = Interval::between(moment, &other, false)?;
            let absolute = args.flag("absolute", false)?;
            if let Some(locale) = args.text("locale")?.filter(|name| !name.starts_with("en")) {
                return Err(
                    args.fault(&format!("there are no words for \"{locale}\" here; known: en"))
                );
            }
            Value::from(humanize::for_humans(&interval, against_now, absolute))
        }
        "average" => {
            let (other, _) = other(args, "dt")?;
            moment.plus_micros(other.micros_since(moment)?.div_euclid(2))?.into()
        }
        "is_same_day" => {
            let (other, _) = other(args, "dt")?;
            Value::from(moment.date() == other.date())
        }
        "is_anniversary" | "is_birthday" => {
            let (other, _) = other(args, "dt")?;
            let day = |moment: &Moment| (moment.date().month(), moment.date().day());
            Value::from(day(moment) == day(&other))
        }
        "is_past" | "is_future" => {
            let now = crate::template::scope::now_of(state)?;
            let ahead = moment.micros_since(&now)?;
            Value::from(if method == "is_past" { ahead < 0 } else { ahead > 0 })
        }
        "closest" | "farthest" => {
            let (first, _) = other(args, "dt1")?;
            let (second, _) = other(args, "dt2")?;
            let away = |other: &Moment| other.micros_since(moment).map(i64::abs);
            let first_wins = (away(&first)? < away(&second)?) == (method == "closest");
            if first_wins { first.into() } else { second.into() }
        }
        _ => return Ok(None),
    }))
}

/// A zone from its name, a zone object, or an offset in hours.
pub(crate) fn zone_from_value(value: &Value) -> Result<TimeZone, Error> {
    if let Some(name) = value.as_str() {
        return zone_named(name);
    }
    if let Some(Temporal::Zone(zone)) = Temporal::of(value) {
        return Ok(zone.clone());
    }
    let hours = f64::try_from(value.clone())
        .map_err(|_| fault("a time zone must be a name such as \"Asia/Seoul\""))?;
    let secs = scale_to_micros(hours, 3600.0)?;
    Offset::from_seconds(i32::try_from(secs).unwrap_or(i32::MAX))
        .map(TimeZone::fixed)
        .map_err(|_| fault(format!("{hours} hours is no time zone offset")))
}

/// The unit of `start_of` and `end_of`, which in pendulum know no quarter.
pub(super) fn unit_of(args: &mut Args<'_>) -> Result<String, Error> {
    let unit = args.require_text("unit")?;
    if unit == "quarter" {
        return Err(args.fault("knows no quarter; use first_of('quarter') or last_of('quarter')"));
    }
    Ok(unit)
}

/// The earliest or latest date-time.
fn extreme(name: &str, has_zone: bool) -> Value {
    let wall = if name == "min" {
        jiff::civil::date(1, 1, 1).at(0, 0, 0, 0)
    } else {
        jiff::civil::date(9999, 12, 31).at(23, 59, 59, 999_999_000)
    };
    // At its limits a date-time has no instant in every zone: only its text is of use.
    if has_zone {
        return Value::from(format!("{}+00:00", format::plain(&Moment::naive(wall))));
    }
    Moment::naive(wall).into()
}

/// Python's `struct_time`; `is_dst` is -1 where there is no zone.
pub(crate) fn struct_time(moment: &Moment, is_dst: i64) -> Value {
    let (wall, date) = (moment.wall(), moment.date());
    let is_dst = if is_dst < 0 { -1 } else { i64::from(moment.is_dst()) };
    let fields = vec![
        ("tm_year", Value::from(date.year())),
        ("tm_mon", Value::from(date.month())),
        ("tm_mday", Value::from(date.day())),
        ("tm_hour", Value::from(wall.hour())),
        ("tm_min", Value::from(wall.minute())),
        ("tm_sec", Value::from(wall.second())),
        ("tm_wday", Value::from(calendar::weekday_index(date))),
        ("tm_yday", Value::from(date.day_of_year())),
        ("tm_isdst", Value::from(is_dst)),
    ];
    NamedTuple::value(Some("time.struct_time"), fields)
}

fn moment_of(value: &Value) -> Result<Moment, Error> {
    match Temporal::of(value) {
        Some(Temporal::Moment(moment)) => Ok(moment.clone()),
        _ => Err(fault(format!(
            "a date-time is needed, not {}; parse text with | to_datetime",
            crate::template::ops::type_name(value)
        ))),
    }
}

fn weekday(index: Option<i64>) -> Result<Option<Weekday>, Error> {
    index.map(calendar::weekday_from_index).transpose()
}

fn fields_from_args(args: &mut Args<'_>) -> Result<Fields, Error> {
    Ok(Fields {
        year: args.int("year")?,
        month: args.int("month")?,
        day: args.int("day")?,
        hour: args.int("hour")?,
        minute: args.int("minute")?,
        second: args.int("second")?,
        microsecond: args.int("microsecond")?,
    })
}

fn shift_from_args(args: &mut Args<'_>) -> Result<Shift, Error> {
    let years = args.int("years")?.unwrap_or(0);
    let months = args.int("months")?.unwrap_or(0);
    let weeks = args.int("weeks")?.unwrap_or(0);
    let days = args.float("days")?.unwrap_or(0.0);
    let (days, part_of_day) = (days.trunc(), days.fract());
    let days = scale_to_micros(days, 1.0)?;
    let time = time_from_args(args)?
        .checked_add(scale_to_micros(part_of_day, micros_as_secs(HOUR_MICROS) * 24e6)?)
        .ok_or_else(|| args.fault("length of time is out of range"))?;
    let days = weeks
        .checked_mul(7)
        .and_then(|weeks| weeks.checked_add(days))
        .ok_or_else(|| args.fault("length of time is out of range"))?;
    Ok(Shift { years, months, days, micros: time })
}

/// `hours` to `microseconds`, in microseconds.
pub(super) fn time_from_args(args: &mut Args<'_>) -> Result<i64, Error> {
    let hours = args.float("hours")?.unwrap_or(0.0);
    let minutes = args.float("minutes")?.unwrap_or(0.0);
    let seconds = args.float("seconds")?.unwrap_or(0.0);
    let micros = args.int("microseconds")?.unwrap_or(0);
    scale_to_micros(hours, micros_as_secs(HOUR_MICROS) * 1e6)?
        .checked_add(scale_to_micros(minutes, micros_as_secs(MINUTE_MICROS) * 1e6)?)
        .and_then(|sum| sum.checked_add(micros))
        .and_then(|sum| Some((sum, scale_to_micros(seconds, 1e6).ok()?)))
        .and_then(|(sum, seconds)| sum.checked_add(seconds))
        .ok_or_else(|| args.fault("length of time is out of range"))
}
