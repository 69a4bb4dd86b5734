//! pendulum's format tokens (`YYYY-MM-DD HH:mm`), its named formats, and ISO 8601 text.
//!
//! Owns text out of a date-time; nothing is parsed here.

use std::fmt::Write as _;

use jiff::tz::Offset;
use minijinja::Error;

use super::calendar::quarter;
use super::fault;
use super::locale::{KNOWN, Names, names_of};
use super::moment::Moment;

/// The tokens, longest first where one begins another (pendulum's own order of alternatives).
const TOKENS: &[&str] = &[
    "Mo",
    "MMMM",
    "MMM",
    "MM",
    "M",
    "Do",
    "DDDo",
    "DDDD",
    "DDD",
    "DD",
    "D",
    "dddd",
    "ddd",
    "dd",
    "do",
    "d",
    "eo",
    "e",
    "EEEE",
    "EEE",
    "EE",
    "E",
    "wo",
    "ww",
    "w|",
    "w",
    "Wo",
    "WW",
    "W|",
    "W",
    "Qo",
    "Q",
    "YYYY",
    "YY",
    "Y",
    "gggg",
    "gg",
    "GGGG",
    "GG",
    "a",
    "A",
    "hh",
    "h",
    "HH",
    "H",
    "kk",
    "k",
    "mm",
    "m",
    "ss",
    "s",
    "SSSSSSSSS",
    "SSSSSSSS",
    "SSSSSSS",
    "SSSSSS",
    "SSSSS",
    "SSSS",
    "SSS",
    "SS",
    "S",
    "x",
    "X",
    "zz",
    "z",
    "ZZ",
    "Z",
    "LTS",
    "LT",
    "LLLL",
    "LLL",
    "LL",
    "L",
];

/// Tokens without a meaning of their own when a date is written.
const UNREAD: &[&str] = &[
    "EEEE", "EEE", "EE", "ww", "w|", "w", "Wo", "WW", "W|", "W", "gggg", "gg", "GGGG", "GG", "a",
    "kk", "k",
];

/// `str()`: `2025-03-01 15:00:00+00:00`.
pub(crate) fn plain(moment: &Moment) -> String {
    iso(moment, ' ')
}

/// `isoformat()`: `2025-03-01T15:00:00.000001+00:00`.
pub(crate) fn isoformat(moment: &Moment) -> String {
    iso(moment, 'T')
}

/// `isoformat(sep, timespec)`.
pub(crate) fn isoformat_as(
    moment: &Moment,
    separator: &str,
    timespec: Option<&str>,
) -> Result<String, Error> {
    let (time, micros) = (moment.wall().time(), moment.microsecond());
    let to_second = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    let clock = match timespec.unwrap_or("auto") {
        "auto" => clock(time),
        "hours" => to_second[..2].to_owned(),
        "minutes" => to_second[..5].to_owned(),
        "seconds" => to_second,
        "milliseconds" => format!("{to_second}.{:03}", micros / 1000),
        "microseconds" => format!("{to_second}.{micros:06}"),
        other => {
            return Err(fault(format!(
                "isoformat(): unknown timespec \"{other}\"; use auto, hours, minutes, seconds, milliseconds or microseconds"
            )));
        }
    };
    let whole = isoformat(moment);
    let date = whole.split('T').next().unwrap_or_default();
    let offset = moment.offset().map(offset_with_colon).unwrap_or_default();
    Ok(format!("{date}{separator}{clock}{offset}"))
}

/// `to_iso8601_string()`: as `isoformat`, but UTC ends in `Z`.
pub(crate) fn iso8601(moment: &Moment) -> String {
    let text = isoformat(moment);
    match moment.zone_name().as_deref() {
        Some("UTC") => text.replace("+00:00", "Z"),
        _ => text,
    }
}

/// `15:00:00[.ffffff]`, as Python prints a time.
pub(crate) fn clock(time: jiff::civil::Time) -> String {
    let mut text = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    let micros = time.subsec_nanosecond() / 1000;
    if micros != 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{micros:06}");
    }
    text
}

/// `+09:00` (with seconds where history has them).
pub(crate) fn offset_with_colon(offset: Offset) -> String {
    let secs = offset.seconds();
    let sign = if secs < 0 { '-' } else { '+' };
    let secs = secs.abs();
    let mut text = format!("{sign}{:02}:{:02}", secs / 3600, secs / 60 % 60);
    if secs % 60 != 0 {
        let _ = write!(text, ":{:02}", secs % 60);
    }
    text
}

/// One of pendulum's `to_…_string()` formats; `None` for an unknown name.
pub(crate) fn named(moment: &Moment, name: &str) -> Option<Result<String, Error>> {
    let tokens = match name {
        "date" => "YYYY-MM-DD",
        "time" => "HH:mm:ss",
        "datetime" => "YYYY-MM-DD HH:mm:ss",
        "formatted_date" => "MMM DD, YYYY",
        "day_datetime" => "ddd, MMM D, YYYY h:mm A",
        "rfc3339" => return Some(Ok(isoformat(moment))),
        "atom" | "w3c" => "YYYY-MM-DDTHH:mm:ssZ",
        "cookie" => "dddd, DD-MMM-YYYY HH:mm:ss zz",
        "rfc822" | "rfc1036" => "ddd, DD MMM YY HH:mm:ss ZZ",
        "rfc850" => "dddd, DD-MMM-YY HH:mm:ss zz",
        "rfc1123" | "rfc2822" | "rss" => "ddd, DD MMM YYYY HH:mm:ss ZZ",
        "iso8601" => return Some(Ok(iso8601(moment))),
        _ => return None,
    };
    Some(with_tokens(moment, tokens, None))
}

/// `format(tokens, locale)`: what is not a token stays as it is, `[…]` and `\x` are literal.
pub(crate) fn with_tokens(
    moment: &Moment,
    tokens: &str,
    locale: Option<&str>,
) -> Result<String, Error> {
    let names = match locale {
        None => &super::locale::ENGLISH,
        Some(locale) => names_of(locale)
            .ok_or_else(|| fault(format!("no names for locale \"{locale}\"; known: {KNOWN}")))?,
    };
    with_names(moment, tokens, names)
}

fn with_names(moment: &Moment, tokens: &str, names: &Names) -> Result<String, Error> {
    let mut out = String::with_capacity(tokens.len() + 8);
    let mut rest = tokens;
    while let Some(first) = rest.chars().next() {
        if first == '['
            && let Some(end) = rest.find(']')
            && !rest[1..end].contains('[')
        {
            out.push_str(&rest[1..end]);
            rest = &rest[end + 1..];
        } else if first == '\\' && rest.len() > 1 {
            let escaped = rest[1..].chars().next().unwrap_or('\\');
            out.push(escaped);
            rest = &rest[1 + escaped.len_utf8()..];
        } else if let Some(token) = TOKENS.iter().find(|token| rest.starts_with(**token)) {
            push_token(&mut out, moment, token, names)?;
            rest = &rest[token.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out)
}

fn push_token(out: &mut String, moment: &Moment, token: &str, names: &Names) -> Result<(), Error> {
    if let Some(form) = form_of(token, names) {
        out.push_str(&with_names(moment, form, names)?);
        return Ok(());
    }
    if UNREAD.contains(&token) || token.len() > 6 {
        // pendulum knows these when it reads, and writes them as they are.
        out.push_str(token);
        return Ok(());
    }
    match token.as_bytes().first() {
        Some(b'Y' | b'M' | b'D' | b'd' | b'e' | b'E' | b'Q' | b'w') => {
            push_date(out, moment, token, names)
        }
        Some(b'z' | b'Z') => {
            out.push_str(&zone_text(moment, token));
            Ok(())
        }
        _ => push_time(out, moment, token, names),
    }
}

fn form_of(token: &str, names: &Names) -> Option<&'static str> {
    let at = ["LTS", "LT", "L", "LL", "LLL", "LLLL"].iter().position(|form| *form == token)?;
    Some(names.forms[at])
}

fn push_date(out: &mut String, moment: &Moment, token: &str, names: &Names) -> Result<(), Error> {
    let date = moment.date();
    let (year, month, day) = (date.year(), date.month(), date.day());
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let month_index = usize::from(month.unsigned_abs()) - 1;
    let weekday_from_one = i64::from(date.weekday().to_monday_zero_offset());
    let from_sunday = i64::from(date.weekday().to_sunday_zero_offset());
    let text = match token {
        "YY" => format!("{:02}", year.rem_euclid(100)),
        "YYYY" | "Y" => year.to_string(),
        "Q" => quarter(date).to_string(),
        "Qo" => (names.ordinal)(quarter(date)),
        "MMMM" => names.months[month_index].to_string(),
        "MMM" => names.months_short[month_index].to_string(),
        "MM" => format!("{month:02}"),
        "Mo" => (names.ordinal)(i64::from(month)),
        "M" => month.to_string(),
        "DDDD" => format!("{:03}", date.day_of_year()),
        "DDD" => date.day_of_year().to_string(),
        "DDDo" => (names.ordinal)(i64::from(date.day_of_year())),
        "DD" => format!("{day:02}"),
        "Do" => (names.ordinal)(i64::from(day)),
        "D" => day.to_string(),
        "dddd" => names.days[weekday].to_string(),
        "ddd" => names.days_short[weekday].to_string(),
        "dd" => names.days_short[weekday].chars().take(2).collect(),
        "do" => (names.ordinal)(from_sunday),
        "d" => from_sunday.to_string(),
        "e" => (weekday_from_one - names.first_day).rem_euclid(7).to_string(),
        "eo" => (names.ordinal)((weekday_from_one - names.first_day).rem_euclid(7) + 1),
        "wo" => (names.ordinal)(i64::from(date.iso_week_date().week())),
        "E" => date.weekday().to_monday_one_offset().to_string(),
        _ => return Err(fault(format!("format token \"{token}\" is not a date token"))),
    };
    out.push_str(&text);
    Ok(())
}

fn push_time(out: &mut String, moment: &Moment, token: &str, names: &Names) -> Result<(), Error> {
    let wall = moment.wall();
    let (hour, minute, second) = (wall.hour(), wall.minute(), wall.second());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let text = match token {
        "HH" => format!("{hour:02}"),
        "H" => hour.to_string(),
        "hh" => format!("{twelve:02}"),
        "h" => twelve.to_string(),
        "mm" => format!("{minute:02}"),
        "m" => minute.to_string(),
        "ss" => format!("{second:02}"),
        "s" => second.to_string(),
        "A" => names.meridiem[usize::from(hour >= 12)].to_string(),
        "X" => moment.epoch_micros()?.div_euclid(1_000_000).to_string(),
        "x" => moment.epoch_micros()?.div_euclid(1000).to_string(),
        fraction if fraction.starts_with('S') => {
            format!("{:06}", moment.microsecond())[..fraction.len()].to_string()
        }
        _ => return Err(fault(format!("format token \"{token}\" is not a time token"))),
    };
    out.push_str(&text);
    Ok(())
}

fn zone_text(moment: &Moment, token: &str) -> String {
    let Some(offset) = moment.offset() else { return String::new() };
    match token {
        "ZZ" => offset_with_colon(offset).replace(':', ""),
        "Z" => offset_with_colon(offset),
        "zz" => moment.zone_abbreviation().unwrap_or_default(),
        _ => moment.zone_name().unwrap_or_default(),
    }
}

fn iso(moment: &Moment, separator: char) -> String {
    let date = moment.date();
    let mut text = format!(
        "{:04}-{:02}-{:02}{separator}{}",
        date.year(),
        date.month(),
        date.day(),
        clock(moment.wall().time())
    );
    if let Some(offset) = moment.offset() {
        text.push_str(&offset_with_colon(offset));
    }
    text
}
