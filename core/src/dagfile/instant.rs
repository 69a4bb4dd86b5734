//! Dates and instants as people write them → UTC.
//!
//! A date without a zone is one in the DAG's zone. Must not read a clock: words such as `today`
//! are refused, since a DAG whose dates move is another DAG every day.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The forms, for messages.
pub(crate) const FORMS: &str =
    "write `2025-01-31`, `2025-01-31T09:00` or `2025-01-31T09:00:00+09:00`";

/// Reads a date, a date and time, or an instant with its offset or zone.
///
/// # Errors
/// What is wrong with it, to stand behind the text in quotes.
pub fn parse(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    let shaped = text.len() >= 8 && text.as_bytes()[0].is_ascii_digit();
    if !shaped {
        return Err(format!("is no date{}", meant(text)));
    }
    if let Ok(zoned) = text.parse::<jiff::Zoned>() {
        return Ok(zoned.timestamp());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil = if is_date(text) {
        text.parse::<Date>().map(|date| date.at(0, 0, 0, 0))
    } else {
        text.parse::<DateTime>()
    };
    let civil = civil.map_err(|_| reason(text))?;
    zone.to_ambiguous_zoned(civil)
        .compatible()
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "is beyond the calendar".to_owned())
}

fn is_date(text: &str) -> bool {
    text.len() == 10
}

/// Why a text that looks like a date is none.
fn reason(text: &str) -> String {
    let numbers: Vec<i64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .take(3)
        .filter_map(|part| part.parse().ok())
        .collect();
    match numbers[..] {
        [year, month, _] if year >= 1_000 && !(1..=12).contains(&month) => {
            format!("has no month {month}")
        }
        [year, month, day] if year >= 1_000 => {
            let longest = i16::try_from(year)
                .ok()
                .zip(i8::try_from(month).ok())
                .and_then(|(year, month)| Date::new(year, month, 1).ok())
                .map_or(31, |date| i64::from(date.days_in_month()));
            if day < 1 || day > longest {
                format!("has no day {day}; that month has {longest}")
            } else {
                format!("is no date{}", meant(text))
            }
        }
        _ => format!("is no date{}", meant(text)),
    }
}

/// `; did you mean "2025-08-02"?` for what other habits of writing may have meant by it.
fn meant(text: &str) -> String {
    match guess(text) {
        Some(guess) => format!("; did you mean \"{guess}\"?"),
        None => String::new(),
    }
}

/// A date in the year-first form: `2025/8/2`, `22.08.2025`, `Aug 22 2025`, seconds since 1970.
fn guess(text: &str) -> Option<String> {
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.get(..10).unwrap_or(text).parse().ok()?;
        return Some(Timestamp::from_second(seconds).ok()?.to_string());
    }
    let (date, rest) = match text.find(['T', ':']) {
        Some(_) => text.split_once(['T', ' '])?,
        None => (text, ""),
    };
    let words: Vec<&str> =
        date.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let [first, second, third] = words[..] else { return None };
    let named = |word: &str| {
        let start = word.get(..3)?.to_lowercase();
        (1_i8..).zip(MONTHS).find(|(_, name)| *name == start).map(|(month, _)| month)
    };
    let number = |word: &str| word.parse::<i16>().ok();
    let small = |word: &str| word.parse::<i8>().ok();
    let (year, month, day) = match (named(first), named(second)) {
        (Some(month), _) => (number(third)?, month, small(second)?),
        (None, Some(month)) => (number(third)?, month, small(first)?),
        _ if first.len() == 4 => (number(first)?, small(second)?, small(third)?),
        // Which of two small numbers is the month, nobody can know; above 12 it is the day.
        _ if small(first)? > 12 => (number(third)?, small(second)?, small(first)?),
        _ if small(second)? > 12 => (number(third)?, small(first)?, small(second)?),
        _ => return None,
    };
    let date = Date::new(year, month, day).ok().filter(|_| year >= 1_000)?;
    if rest.is_empty() {
        return Some(date.to_string());
    }
    let time = rest.get(..5)?.parse::<jiff::civil::Time>().ok()?;
    Some(date.to_datetime(time).strftime("%Y-%m-%dT%H:%M").to_string())
}

/// The months, as their names begin.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_take_the_zone_of_the_dag() {
        let seoul = TimeZone::get("Asia/Seoul").expect("a bundled zone");
        let check = |text: &str, expected: Result<&str, &str>| match (parse(text, &seoul), expected)
        {
            (Ok(got), Ok(wanted)) => assert_eq!(got.to_string(), wanted, "{text}"),
            (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
            (got, wanted) => panic!("{text}: got {got:?}, wanted {wanted:?}"),
        };
        check("2025-01-01", Ok("2024-12-31T15:00:00Z"));
        check("2025-01-01T09:30", Ok("2025-01-01T00:30:00Z"));
        check("2025-01-01 09:30:15", Ok("2025-01-01T00:30:15Z"));
        check("2025-01-01T00:00:00Z", Ok("2025-01-01T00:00:00Z"));
        check("2025-01-01T00:00:00+02:00", Ok("2024-12-31T22:00:00Z"));
        check("2025-01-01T00:00[Europe/Berlin]", Ok("2024-12-31T23:00:00Z"));
        check("2025-13-01", Err("has no month 13"));
        check("2025-02-30", Err("has no day 30; that month has 28"));
        check("01/02/2025", Err("no date"));
        check("yesterday", Err("is no date"));
        check("2 days", Err("is no date"));
        check("2025-8-2", Err("is no date; did you mean \"2025-08-02\"?"));
        check("2025/08/22", Err("did you mean \"2025-08-22\"?"));
        check("22.08.2025", Err("did you mean \"2025-08-22\"?"));
        check("08/22/2025", Err("did you mean \"2025-08-22\"?"));
        check("Aug 22, 2025", Err("did you mean \"2025-08-22\"?"));
        check("22 August 2025", Err("did you mean \"2025-08-22\"?"));
        check("2025-08-22T06:00 KST", Err("did you mean \"2025-08-22T06:00\"?"));
        check("1735689600", Err("did you mean \"2025-01-01T00:00:00Z\"?"));
        check("1735689600000", Err("did you mean \"2025-01-01T00:00:00Z\"?"));
        for unclear in ["01/02/2025", "yesterday", "2 days", "2025-08-22 25:00", "가나다"] {
            assert_eq!(parse(unclear, &seoul), Err("is no date".to_owned()), "{unclear}");
        }
    }
}
