//! Calendar questions and jumps of pendulum: weeks, quarters, `start_of`, `first_of`, `next`.
//!
//! Owns no state and no formats.

use jiff::civil::{Date, Weekday};
use minijinja::Error;

use super::fault;
use super::moment::{Fields, Moment, Shift};

/// Monday = 0 … Sunday = 6 (pendulum 3 and Python's `weekday()`).
pub(crate) fn weekday_index(date: Date) -> i64 {
    i64::from(date.weekday().to_monday_zero_offset())
}

/// The week of the month as pendulum counts: weeks start on Monday, the first may be short.
pub(crate) fn week_of_month(date: Date) -> i64 {
    let first = i64::from(date.first_of_month().weekday().to_monday_one_offset());
    (i64::from(date.day()) + first - 1 + 6) / 7
}

/// Quarter of the year, 1 to 4.
pub(crate) fn quarter(date: Date) -> i64 {
    (i64::from(date.month()) + 2) / 3
}

/// Python's `%U` (weeks from Sunday) or `%W` (from Monday).
pub(crate) fn week_from(date: Date, first_day: Weekday) -> i64 {
    let day_of_year = i64::from(date.day_of_year());
    let since = i64::from(date.weekday().since(first_day));
    (day_of_year - 1 + 7 - since) / 7
}

/// Reads a weekday as pendulum's constants (Monday = 0) or an English name.
pub(crate) fn weekday_from_index(index: i64) -> Result<Weekday, Error> {
    i8::try_from(index)
        .ok()
        .and_then(|index| Weekday::from_monday_zero_offset(index).ok())
        .ok_or_else(|| fault(format!("day of week {index} is not in 0 (Monday) to 6 (Sunday)")))
}

/// `start_of(unit)`.
pub(crate) fn start_of(moment: &Moment, unit: &str) -> Result<Moment, Error> {
    let midnight = Fields {
        hour: Some(0),
        minute: Some(0),
        second: Some(0),
        microsecond: Some(0),
        ..Fields::default()
    };
    let year = i64::from(moment.date().year());
    let month = i64::from(moment.date().month());
    let fields = match unit {
        "second" => Fields { microsecond: Some(0), ..Fields::default() },
        "minute" => Fields { second: Some(0), microsecond: Some(0), ..Fields::default() },
        "hour" => Fields { hour: None, ..midnight },
        "day" => midnight,
        "week" => return monday_of(moment).and_then(|monday| monday.with(midnight)),
        "month" => Fields { day: Some(1), ..midnight },
        "quarter" => Fields { month: Some((month - 1) / 3 * 3 + 1), day: Some(1), ..midnight },
        "year" => Fields { month: Some(1), day: Some(1), ..midnight },
        "decade" => {
            Fields { year: Some(year - year % 10), month: Some(1), day: Some(1), ..midnight }
        }
        "century" => Fields {
            year: Some(year - 1 - (year - 1) % 100 + 1),
            month: Some(1),
            day: Some(1),
            ..midnight
        },
        _ => return Err(unknown_unit("start_of", unit)),
    };
    moment.with(fields)
}

/// `end_of(unit)`: the unit's last microsecond.
pub(crate) fn end_of(moment: &Moment, unit: &str) -> Result<Moment, Error> {
    let last = Fields {
        hour: Some(23),
        minute: Some(59),
        second: Some(59),
        microsecond: Some(999_999),
        ..Fields::default()
    };
    let date = moment.date();
    let year = i64::from(date.year());
    let year_end = Fields { month: Some(12), day: Some(31), ..last };
    let fields = match unit {
        "second" => Fields { microsecond: Some(999_999), ..Fields::default() },
        "minute" => Fields { second: Some(59), microsecond: Some(999_999), ..Fields::default() },
        "hour" => Fields { hour: None, ..last },
        "day" => last,
        "week" => {
            let sunday = monday_of(moment)?.plus(Shift { days: 6, ..Shift::default() })?;
            return sunday.with(last);
        }
        "month" => Fields { day: Some(i64::from(date.days_in_month())), ..last },
        "quarter" => {
            let end = quarter_end(date)?;
            Fields { month: Some(i64::from(end.month())), day: Some(i64::from(end.day())), ..last }
        }
        "year" => year_end,
        "decade" => Fields { year: Some(year - year % 10 + 9), ..year_end },
        "century" => Fields { year: Some(year - 1 - (year - 1) % 100 + 100), ..year_end },
        _ => return Err(unknown_unit("end_of", unit)),
    };
    moment.with(fields)
}

/// `first_of(unit)`: midnight of the first day, or of the first such weekday.
pub(crate) fn first_of(
    moment: &Moment,
    unit: &str,
    weekday: Option<Weekday>,
) -> Result<Moment, Error> {
    let start = start_of(moment, known_span("first_of", unit)?)?;
    match weekday {
        None => Ok(start),
        Some(wanted) => {
            let days = i64::from(start.date().weekday().until(wanted));
            start.plus(Shift { days, ..Shift::default() })
        }
    }
}

/// `last_of(unit)`: midnight of the last day, or of the last such weekday.
pub(crate) fn last_of(
    moment: &Moment,
    unit: &str,
    weekday: Option<Weekday>,
) -> Result<Moment, Error> {
    let end = start_of(&end_of(moment, known_span("last_of", unit)?)?, "day")?;
    match weekday {
        None => Ok(end),
        Some(wanted) => {
            let days = -i64::from(end.date().weekday().since(wanted));
            end.plus(Shift { days, ..Shift::default() })
        }
    }
}

/// `nth_of(unit, nth, weekday)`; an error when the unit has fewer of them.
pub(crate) fn nth_of(
    moment: &Moment,
    unit: &str,
    nth: i64,
    weekday: Weekday,
) -> Result<Moment, Error> {
    let first = first_of(moment, unit, Some(weekday))?;
    let found = first.plus(Shift { days: 7 * (nth - 1), ..Shift::default() })?;
    if nth < 1 || found.date() > end_of(moment, unit)?.date() {
        return Err(fault(format!("unable to find occurrence {nth} of the weekday in {unit}")));
    }
    Ok(found)
}

/// `next(weekday)` and `previous(weekday)`: midnight of the nearest such day, never today.
pub(crate) fn neighbour(
    moment: &Moment,
    weekday: Option<Weekday>,
    forward: bool,
    keep_time: bool,
) -> Result<Moment, Error> {
    let from = if keep_time { moment.clone() } else { start_of(moment, "day")? };
    let today = from.date().weekday();
    let wanted = weekday.unwrap_or(today);
    let days = if forward { today.until(wanted) } else { today.since(wanted) };
    let days = if days == 0 { 7 } else { i64::from(days) };
    from.plus(Shift { days: if forward { days } else { -days }, ..Shift::default() })
}

fn monday_of(moment: &Moment) -> Result<Moment, Error> {
    let days = weekday_index(moment.date());
    if days == 0 {
        return Ok(moment.clone());
    }
    moment.plus(Shift { days: -days, ..Shift::default() })
}

fn quarter_end(date: Date) -> Result<Date, Error> {
    let month = i8::try_from(quarter(date) * 3).map_err(|_| fault("date value out of range"))?;
    let first = Date::new(date.year(), month, 1).map_err(|_| fault("date value out of range"))?;
    Ok(first.last_of_month())
}

fn known_span<'a>(method: &str, unit: &'a str) -> Result<&'a str, Error> {
    if matches!(unit, "month" | "quarter" | "year") {
        Ok(unit)
    } else {
        Err(unknown_unit(method, unit))
    }
}

fn unknown_unit(method: &str, unit: &str) -> Error {
    fault(format!("{method}: unknown unit \"{unit}\"; use day, week, month, quarter or year"))
}
