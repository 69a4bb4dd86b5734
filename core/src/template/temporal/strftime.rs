//! C's `strftime` as Python on Linux offers it, with glibc's `-`, `_`, `0`, `^` flags.
//!
//! An unknown directive is copied, as glibc does. Nothing is parsed here.

use std::fmt::Write as _;

use jiff::civil::Weekday;
use minijinja::Error;

use super::calendar::week_from;
use super::format::offset_with_colon;
use super::locale::ENGLISH;
use super::moment::Moment;

/// `strftime(layout)`.
pub(crate) fn strftime(moment: &Moment, layout: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(layout.len() + 12);
    let mut chars = layout.chars();
    while let Some(next) = chars.next() {
        if next != '%' {
            out.push(next);
            continue;
        }
        let rest = chars.as_str();
        let (mut flag, mut upper) = (None, false);
        let mut directive = chars.next();
        while let Some(mark @ ('-' | '_' | '0' | '^' | '#')) = directive {
            upper |= mark == '^';
            flag = Some(mark);
            directive = chars.next();
        }
        let mut width = 0_usize;
        while let Some(digit) = directive.and_then(|mark| mark.to_digit(10)) {
            width = (width * 10 + digit as usize).min(WIDTH_MAX);
            directive = chars.next();
        }
        let mut is_known = true;
        if let Some(other @ ('E' | 'O')) = directive {
            // Other numerals and eras, of which the C locale has none; few directives have them.
            directive = chars.next();
            let has_none = if other == 'E' { NO_ERA } else { NO_NUMERALS };
            is_known = directive.is_some_and(|code| !has_none.contains(code));
        }
        if directive == Some('f') && rest.len() - chars.as_str().len() > 1 {
            // Python alone knows the microseconds, and only as %f.
            is_known = false;
        }
        let text = match directive.filter(|_| is_known) {
            Some(code) => field(moment, code, flag, upper, width)?,
            None => None,
        };
        if let Some(text) = text {
            out.push_str(&text);
        } else {
            // What is no directive stands as it is.
            out.push('%');
            out.push_str(&rest[..rest.len() - chars.as_str().len()]);
        }
    }
    Ok(out)
}

/// What glibc refuses after `%E`.
const NO_ERA: &str = "aABmdHIMSjUWVGgeklfDF";
/// What glibc refuses after `%O`.
const NO_NUMERALS: &str = "aAYfcxXDF";

/// The widest field, as in glibc far beyond any use.
const WIDTH_MAX: usize = 999;

fn field(
    moment: &Moment,
    code: char,
    flag: Option<char>,
    upper: bool,
    wanted: usize,
) -> Result<Option<String>, Error> {
    let padded = |text: String| {
        let fill = if flag == Some('0') { '0' } else { ' ' };
        let missing = wanted.saturating_sub(text.chars().count());
        std::iter::repeat_n(fill, missing).collect::<String>() + &text
    };
    if let Some(text) = composite(moment, code)? {
        return Ok(Some(padded(if upper { text.to_uppercase() } else { text })));
    }
    if let Some(text) = name(moment, code)? {
        return Ok(Some(padded(match flag {
            Some('#') if matches!(code, 'p' | 'Z') => text.to_lowercase(),
            _ if code == 'P' => text,
            Some('^' | '#') => text.to_uppercase(),
            _ => text,
        })));
    }
    Ok(number(moment, code).map(|(value, width, pad)| {
        let width = width.max(wanted);
        let pad = match flag {
            Some('-') => None,
            Some('_') => Some(' '),
            Some('0') => Some('0'),
            _ => Some(pad),
        };
        match pad {
            None if wanted > 0 => format!("{value:>wanted$}"),
            None => value.to_string(),
            Some(' ') => format!("{value:>width$}"),
            Some(_) => format!("{value:0>width$}"),
        }
    }))
}

fn composite(moment: &Moment, code: char) -> Result<Option<String>, Error> {
    let layout = match code {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'T' | 'X' => "%H:%M:%S",
        'R' => "%H:%M",
        'r' => "%I:%M:%S %p",
        _ => return Ok(None),
    };
    strftime(moment, layout).map(Some)
}

fn name(moment: &Moment, code: char) -> Result<Option<String>, Error> {
    let date = moment.date();
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let month = usize::from(date.month().unsigned_abs()) - 1;
    let afternoon = moment.wall().hour() >= 12;
    Ok(Some(match code {
        'a' => ENGLISH.days_short[weekday].to_string(),
        'A' => ENGLISH.days[weekday].to_string(),
        'b' | 'h' => ENGLISH.months_short[month].to_string(),
        'B' => ENGLISH.months[month].to_string(),
        'p' => ENGLISH.meridiem[usize::from(afternoon)].to_string(),
        'P' => ENGLISH.meridiem[usize::from(afternoon)].to_lowercase(),
        'f' => format!("{:06}", moment.microsecond()),
        // Python forgets the zone here, but not summer time: the wall's time, taken for the
        // machine's, which is UTC.
        's' => {
            let wall_secs = moment.without_zone().epoch_micros()?.div_euclid(1_000_000);
            (wall_secs - if moment.is_dst() { 3600 } else { 0 }).to_string()
        }
        'z' => match moment.offset() {
            None => String::new(),
            Some(offset) => offset_with_colon(offset).replace(':', ""),
        },
        'Z' => moment.zone_abbreviation().unwrap_or_default(),
        '%' => "%".to_string(),
        'n' => "\n".to_string(),
        't' => "\t".to_string(),
        _ => return Ok(None),
    }))
}

/// A number with its width and usual padding.
fn number(moment: &Moment, code: char) -> Option<(i64, usize, char)> {
    let wall = moment.wall();
    let date = wall.date();
    let hour = i64::from(wall.hour());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let year = i64::from(date.year());
    let iso_week = date.iso_week_date();
    Some(match code {
        'Y' => (year, 1, '0'),
        'C' => (year.div_euclid(100), 2, '0'),
        'y' => (year.rem_euclid(100), 2, '0'),
        'm' => (i64::from(date.month()), 2, '0'),
        'd' => (i64::from(date.day()), 2, '0'),
        'e' => (i64::from(date.day()), 2, ' '),
        'H' => (hour, 2, '0'),
        'k' => (hour, 2, ' '),
        'I' => (twelve, 2, '0'),
        'l' => (twelve, 2, ' '),
        'M' => (i64::from(wall.minute()), 2, '0'),
        'S' => (i64::from(wall.second()), 2, '0'),
        'j' => (i64::from(date.day_of_year()), 3, '0'),
        'u' => (i64::from(date.weekday().to_monday_one_offset()), 1, '0'),
        'w' => (i64::from(date.weekday().to_sunday_zero_offset()), 1, '0'),
        'U' => (week_from(date, Weekday::Sunday), 2, '0'),
        'W' => (week_from(date, Weekday::Monday), 2, '0'),
        'V' => (i64::from(iso_week.week()), 2, '0'),
        'G' => (i64::from(iso_week.year()), 4, '0'),
        'g' => (i64::from(iso_week.year()).rem_euclid(100), 2, '0'),
        _ => return None,
    })
}

/// Babel/CLDR patterns (`EEEE dd MMMM yyyy`) as `macros.ds_format_locale` takes them.
pub(crate) fn cldr(
    moment: &Moment,
    pattern: &str,
    names: &super::locale::Names,
) -> Result<String, Error> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(letter) = chars.next() {
        if letter == '\'' {
            quoted(&mut chars, &mut out);
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            out.push(letter);
            continue;
        }
        let mut width = 1;
        while chars.next_if_eq(&letter).is_some() {
            width += 1;
        }
        cldr_field(&mut out, moment, letter, width, names)?;
    }
    Ok(out)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    if chars.next_if_eq(&'\'').is_some() {
        out.push('\'');
        return;
    }
    for inner in chars.by_ref() {
        if inner == '\'' {
            break;
        }
        out.push(inner);
    }
}

fn cldr_field(
    out: &mut String,
    moment: &Moment,
    letter: char,
    width: usize,
    names: &super::locale::Names,
) -> Result<(), Error> {
    let wall = moment.wall();
    let date = wall.date();
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let month = usize::from(date.month().unsigned_abs()) - 1;
    let hour = i64::from(wall.hour());
    let name = match (letter, width) {
        ('E', 1..=3) => Some(names.days_short[weekday]),
        ('E', _) => Some(names.days[weekday]),
        ('M' | 'L', 3) => Some(names.months_short[month]),
        ('M' | 'L', 4..) => Some(names.months[month]),
        ('a', _) => Some(names.meridiem[usize::from(hour >= 12)]),
        _ => None,
    };
    if let Some(name) = name {
        out.push_str(name);
        return Ok(());
    }
    let value = match (letter, width) {
        ('y' | 'Y', 2) => i64::from(date.year().rem_euclid(100)),
        ('y' | 'Y', _) => i64::from(date.year()),
        ('M' | 'L', _) => i64::from(date.month()),
        ('d', _) => i64::from(date.day()),
        ('D', _) => i64::from(date.day_of_year()),
        ('Q' | 'q', _) => super::calendar::quarter(date),
        ('w', _) => i64::from(date.iso_week_date().week()),
        ('H', _) => hour,
        ('h', _) => (hour + 11) % 12 + 1,
        ('m', _) => i64::from(wall.minute()),
        ('s', _) => i64::from(wall.second()),
        _ => return Err(super::fault(format!("unknown locale pattern letter \"{letter}\""))),
    };
    let width = width.min(9);
    // Writing to a String cannot fail.
    let _ = write!(out, "{value:0width$}");
    Ok(())
}
