//! Lengths in English words: `in_words()` and `diff_for_humans()`.
//!
//! Owns pendulum's rounding rules for people; English only.

use minijinja::Error;

use super::delta::{Interval, Parts};
use super::fault;

/// `in_words()`: `1 week 2 days 3 hours`.
///
/// # Errors
/// A language without words here.
pub(crate) fn in_words(
    parts: Parts,
    locale: Option<&str>,
    separator: &str,
) -> Result<String, Error> {
    let language = locale.unwrap_or("en").split(['_', '-']).next().unwrap_or_default();
    let counted = match language.to_ascii_lowercase().as_str() {
        "en" => counted,
        "ko" => counted_in_korean,
        _ => return Err(fault(format!("no words for lengths in \"{language}\"; known: en, ko"))),
    };
    let mut words = Vec::new();
    for (count, unit) in [
        (parts.years, "year"),
        (parts.months, "month"),
        (parts.days / 7, "week"),
        (parts.days % 7, "day"),
        (parts.hours, "hour"),
        (parts.minutes, "minute"),
        (parts.seconds, "second"),
    ] {
        if count != 0 {
            words.push(counted(count, unit));
        }
    }
    if words.is_empty() {
        let hundredths = (parts.micros.abs() + 5000) / 10_000;
        return Ok(match (parts.micros, language.eq_ignore_ascii_case("ko")) {
            (0, false) => "0 microseconds".to_owned(),
            (0, true) => "0마이크로초".to_owned(),
            (_, false) => format!("0.{hundredths:02} second"),
            (_, true) => format!("0.{hundredths:02}초"),
        });
    }
    Ok(words.join(separator))
}

fn counted_in_korean(count: i64, unit: &str) -> String {
    let word = match unit {
        "year" => "년",
        "month" => "개월",
        "week" => "주",
        "day" => "일",
        "hour" => "시간",
        "minute" => "분",
        _ => "초",
    };
    format!("{count}{word}")
}

/// `diff_for_humans`: against another date (`before`/`after`) or against now (`ago`/`in`).
pub(crate) fn for_humans(interval: &Interval, against_now: bool, absolute: bool) -> String {
    let parts = interval.parts();
    let is_past = interval.delta().0 >= 0;
    let (count, unit) = rounded(absolute_parts(parts));
    if count == 0 {
        return if absolute {
            "a few seconds".to_string()
        } else {
            few_seconds(is_past, against_now)
        };
    }
    let words = counted(count, unit);
    match (absolute, against_now, is_past) {
        (true, _, _) => words,
        (false, true, true) => format!("{words} ago"),
        (false, true, false) => format!("in {words}"),
        (false, false, true) => format!("{words} before"),
        (false, false, false) => format!("{words} after"),
    }
}

fn few_seconds(is_past: bool, against_now: bool) -> String {
    match (against_now, is_past) {
        (true, true) => "a few seconds ago".to_string(),
        (true, false) => "in a few seconds".to_string(),
        (false, true) => "a few seconds before".to_string(),
        (false, false) => "a few seconds after".to_string(),
    }
}

fn rounded(parts: Parts) -> (i64, &'static str) {
    let (weeks, days) = (parts.days / 7, parts.days % 7);
    if parts.years > 0 {
        (parts.years + i64::from(parts.months > 6), "year")
    } else if parts.months == 11 && weeks * 7 + days > 15 {
        (1, "year")
    } else if parts.months > 0 {
        (parts.months + i64::from(weeks * 7 + days >= 27), "month")
    } else if weeks > 0 {
        (weeks + i64::from(days > 3), "week")
    } else if days > 0 {
        (days + i64::from(parts.hours >= 22), "day")
    } else if parts.hours > 0 {
        (parts.hours, "hour")
    } else if parts.minutes > 0 {
        (parts.minutes, "minute")
    } else if parts.seconds > 10 {
        (parts.seconds, "second")
    } else {
        (0, "second")
    }
}

fn absolute_parts(parts: Parts) -> Parts {
    Parts {
        years: parts.years.abs(),
        months: parts.months.abs(),
        days: parts.days.abs(),
        hours: parts.hours.abs(),
        minutes: parts.minutes.abs(),
        seconds: parts.seconds.abs(),
        micros: parts.micros.abs(),
        total_days: parts.total_days.abs(),
    }
}

fn counted(count: i64, unit: &str) -> String {
    if count.abs() == 1 { format!("{count} {unit}") } else { format!("{count} {unit}s") }
}
