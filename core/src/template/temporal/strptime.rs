//! Python's `datetime.strptime`: text in, by a layout of `%` directives.
//!
//! Strict as Python is: what is left over, or missing, is an error that quotes it.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use minijinja::Error;

use super::fault;
use super::locale::ENGLISH;
use super::moment::Moment;

#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
    offset: Option<Offset>,
    epoch: Option<i64>,
    /// `%G`, `%V`: the year and week of ISO 8601.
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    /// `%U` or `%W`, and the day that its weeks begin with.
    week: Option<(i64, Weekday)>,
    weekday: Option<Weekday>,
}

/// Reads `text` by `layout`; naive unless the layout has a zone.
pub(crate) fn strptime(text: &str, layout: &str) -> Result<Moment, Error> {
    let mut found = Found::default();
    let rest = read(text, text, layout, layout, &mut found)?;
    if !rest.is_empty() {
        return Err(fault(format!("unconverted data remains: {rest}")));
    }
    assemble(&found).map_err(|detail| {
        fault(format!("time data '{text}' does not match format '{layout}': {detail}"))
    })
}

fn read<'t>(
    whole: &str,
    mut text: &'t str,
    layout: &str,
    whole_layout: &str,
    found: &mut Found,
) -> Result<&'t str, Error> {
    let mismatch = || fault(format!("time data '{whole}' does not match format '{whole_layout}'"));
    let mut codes = layout.chars();
    while let Some(next) = codes.next() {
        if next.is_whitespace() {
            text = text.trim_start();
        } else if next != '%' {
            text = text.strip_prefix(next).ok_or_else(mismatch)?;
        } else {
            let code = codes.next().ok_or_else(mismatch)?;
            text = match code {
                'X' => read(whole, text, "%H:%M:%S", whole_layout, found)?,
                'x' => read(whole, text, "%m/%d/%y", whole_layout, found)?,
                'c' => read(whole, text, "%a %b %d %H:%M:%S %Y", whole_layout, found)?,
                '%' => text.strip_prefix('%').ok_or_else(mismatch)?,
                _ => directive(text, code, found).ok_or_else(mismatch)?,
            };
        }
    }
    Ok(text)
}

fn directive<'t>(text: &'t str, code: char, found: &mut Found) -> Option<&'t str> {
    match code {
        'b' | 'B' | 'h' => {
            let (index, rest) = named(text, &ENGLISH.months, &ENGLISH.months_short)?;
            found.month = Some(index + 1);
            return Some(rest);
        }
        'a' | 'A' => {
            let (index, rest) = named(text, &ENGLISH.days, &ENGLISH.days_short)?;
            found.weekday = Weekday::from_monday_zero_offset(i8::try_from(index).ok()?).ok();
            return Some(rest);
        }
        'p' => {
            let (index, rest) = named(text, &ENGLISH.meridiem, &ENGLISH.meridiem)?;
            found.afternoon = Some(index == 1);
            return Some(rest);
        }
        'z' | 'Z' => return zone(text, code, found),
        'f' => {
            let digits = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
            let value: i64 = text[..digits].parse().ok()?;
            let missing = u32::try_from(6 - digits).ok()?;
            found.micros = value * 10_i64.pow(missing);
            return Some(&text[digits..]);
        }
        _ => {}
    }
    let width = match code {
        'Y' | 'G' => 4,
        'u' | 'w' => 1,
        'j' => 3,
        's' => 12,
        _ => 2,
    };
    let digits = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (matches!(code, 'Y' | 'G') && digits != 4) {
        return None;
    }
    let value: i64 = text[..digits].parse().ok()?;
    match code {
        'Y' => found.year = Some(value),
        'y' => found.year = Some(if value < 69 { 2000 + value } else { 1900 + value }),
        'm' => found.month = Some(value),
        'G' => found.iso_year = Some(value),
        'V' => found.iso_week = Some(value),
        'U' => found.week = Some((value, Weekday::Sunday)),
        'W' => found.week = Some((value, Weekday::Monday)),
        'u' => {
            found.weekday = Weekday::from_monday_one_offset(i8::try_from(value).ok()?).ok();
            found.weekday?;
        }
        'w' => {
            found.weekday = Weekday::from_sunday_zero_offset(i8::try_from(value).ok()?).ok();
            found.weekday?;
        }
        'd' => found.day = Some(value),
        'j' => found.day_of_year = Some(value),
        'H' | 'I' => found.hour = value,
        'M' => found.minute = value,
        'S' => found.second = value,
        's' => found.epoch = Some(value),
        _ => return None,
    }
    Some(&text[digits..])
}

fn named<'t>(text: &'t str, long: &[&str], short: &[&str]) -> Option<(i64, &'t str)> {
    for names in [long, short] {
        for (index, name) in names.iter().enumerate() {
            if let Some(head) = text.get(..name.len())
                && head.eq_ignore_ascii_case(name)
            {
                return Some((i64::try_from(index).ok()?, &text[name.len()..]));
            }
        }
    }
    None
}

fn zone<'t>(text: &'t str, code: char, found: &mut Found) -> Option<&'t str> {
    if code == 'Z' {
        // Python reads the name of a zone, and forgets it.
        return ["UTC", "GMT"].iter().find_map(|name| text.strip_prefix(name));
    }
    if let Some(rest) = text.strip_prefix('Z') {
        found.offset = Some(Offset::UTC);
        return Some(rest);
    }
    let length = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b':'))
        .count();
    found.offset = Some(super::parse::offset_of(&text[..length])?);
    Some(&text[length..])
}

/// The date of a week and a day of it; none where the text has no week.
fn of_week(found: &Found) -> Result<Option<Date>, String> {
    let wrong = || "the week and its day are no date".to_string();
    if let (Some(year), Some(week)) = (found.iso_year, found.iso_week) {
        let weekday = found
            .weekday
            .ok_or_else(|| "%G and %V need a day of the week as well: %u, %a or %w".to_string())?;
        let year = i16::try_from(year).map_err(|_| wrong())?;
        let week = i8::try_from(week).map_err(|_| wrong())?;
        return jiff::civil::ISOWeekDate::new(year, week, weekday)
            .map(|week| Some(week.date()))
            .map_err(|_| wrong());
    }
    if found.iso_year.is_some() || found.iso_week.is_some() {
        return Err("%G and %V belong together".to_string());
    }
    let (Some(year), Some((week, first_day)), Some(weekday)) =
        (found.year, found.week, found.weekday)
    else {
        return Ok(None);
    };
    let year = i16::try_from(year).map_err(|_| wrong())?;
    let first = Date::new(year, 1, 1).map_err(|_| wrong())?;
    // Week 1 begins with the first such day of the year; the days before are in week 0.
    let lead = i64::from(first.weekday().until(first_day));
    let days = lead + (week - 1) * 7 + i64::from(weekday.since(first_day));
    super::moment::shift_days(first, days).map(Some).map_err(|error| error.to_string())
}

fn assemble(found: &Found) -> Result<Moment, String> {
    if let Some(secs) = found.epoch {
        let instant = jiff::Timestamp::from_second(secs).map_err(|error| error.to_string())?;
        return Ok(Moment::utc(instant));
    }
    let small = |value: i64, name: &str| {
        i8::try_from(value).map_err(|_| format!("{name} {value} is out of range"))
    };
    let year = i16::try_from(found.year.unwrap_or(1900)).map_err(|error| error.to_string())?;
    let mut date = Date::new(
        year,
        small(found.month.unwrap_or(1), "month")?,
        small(found.day.unwrap_or(1), "day")?,
    )
    .map_err(|_| "day is out of range for month".to_string())?;
    if let Some(day) = found.day_of_year {
        date = super::moment::shift_days(date.first_of_year(), day - 1)
            .map_err(|error| error.to_string())?;
    }
    if let Some(of_week) = of_week(found)? {
        date = of_week;
    }
    let hour = match found.afternoon {
        None => found.hour,
        Some(afternoon) => found.hour % 12 + if afternoon { 12 } else { 0 },
    };
    let nanos = i32::try_from(found.micros * 1000).map_err(|error| error.to_string())?;
    let time = Time::new(
        small(hour, "hour")?,
        small(found.minute, "minute")?,
        small(found.second, "second")?,
        nanos,
    )
    .map_err(|_| "the time is out of range".to_string())?;
    let wall = DateTime::from_parts(date, time);
    match found.offset {
        None => Ok(Moment::naive(wall)),
        Some(offset) => {
            let zone = if offset == Offset::UTC { TimeZone::UTC } else { TimeZone::fixed(offset) };
            Moment::create(wall, Some(&zone), false).map_err(|error| error.to_string())
        }
    }
}
