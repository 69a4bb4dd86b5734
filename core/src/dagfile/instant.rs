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
        return Err("is no date".to_owned());
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
    let civil = civil.map_err(|error| reason(text, &error))?;
    zone.to_ambiguous_zoned(civil)
        .compatible()
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "is beyond the calendar".to_owned())
}

fn is_date(text: &str) -> bool {
    text.len() == 10
}

/// Why a text that looks like a date is none.
fn reason(text: &str, error: &jiff::Error) -> String {
    let numbers: Vec<i64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .take(3)
        .filter_map(|part| part.parse().ok())
        .collect();
    match numbers[..] {
        [_, month, _] if !(1..=12).contains(&month) => format!("has no month {month}"),
        [year, month, day] if year >= 1_000 => {
            let longest = i16::try_from(year)
                .ok()
                .zip(i8::try_from(month).ok())
                .and_then(|(year, month)| Date::new(year, month, 1).ok())
                .map_or(31, |date| i64::from(date.days_in_month()));
            if day < 1 || day > longest {
                format!("has no day {day}; that month has {longest}")
            } else {
                format!("is no date ({error})")
            }
        }
        _ => "is no date".to_owned(),
    }
}

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
    }
}
