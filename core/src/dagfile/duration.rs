//! Durations as people write them → seconds.
//!
//! Must not know keys or places: it is given a text and answers with a number or with what is
//! wrong.

/// The longest duration, in seconds: a hundred years.
pub(crate) const SECONDS_MAX: f64 = 100.0 * 365.25 * 86_400.0;

/// The forms, for messages.
pub(crate) const FORMS: &str =
    "write `90` (seconds), `5m`, `1h30m`, `PT5M`, `01:30:00` or `{minutes: 5}`";

/// Units in order of size, with their other spellings.
const UNITS: &[(&str, &[&str], f64)] = &[
    ("milliseconds", &["ms", "msec", "millisecond"], 0.001),
    ("seconds", &["s", "sec", "secs", "second"], 1.0),
    ("minutes", &["m", "min", "mins", "minute"], 60.0),
    ("hours", &["h", "hr", "hrs", "hour"], 3_600.0),
    ("days", &["d", "day"], 86_400.0),
    ("weeks", &["w", "week"], 604_800.0),
];

/// The seconds of a unit's word.
pub(crate) fn unit(word: &str) -> Option<f64> {
    UNITS
        .iter()
        .find(|(name, others, _)| *name == word || others.contains(&word))
        .map(|(_, _, seconds)| *seconds)
}

/// The long names of the units, as a map's keys.
pub(crate) fn unit_names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, _, _)| *name)
}

/// Reads `5m`, `1h30m`, `90`, `PT5M`, `P1DT2H` and `HH:MM:SS`.
///
/// # Errors
/// What is wrong with it, to stand behind the text in quotes.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let seconds = if let Some(iso) = text.strip_prefix('P') {
        iso_8601(iso)?
    } else if text.contains(':') {
        clock(text)?
    } else if let Ok(seconds) = text.parse::<f64>() {
        seconds
    } else {
        units(text)?
    };
    in_range(seconds)
}

/// Checks that a number of seconds is a duration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn in_range(seconds: f64) -> Result<f64, String> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err("is negative; a duration is 0 or more".to_owned());
    }
    if seconds > SECONDS_MAX {
        return Err("is longer than a hundred years".to_owned());
    }
    Ok(seconds)
}

/// `1h30m`, `1h 30m`, `2 days`.
fn units(text: &str) -> Result<f64, String> {
    let mut total = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| format!("has no unit behind \"{rest}\""))?;
        let number: f64 = rest[..number_end].parse().map_err(|_| not_a_duration(rest))?;
        let after = rest[number_end..].trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let word = &after[..unit_end];
        let Some(seconds) = unit(&word.to_lowercase()) else {
            return Err(format!("has the unknown unit \"{word}\"; units are ms, s, m, h, d and w"));
        };
        if word == "M" {
            return Err("has the unit \"M\"; write `m` for minutes, or days for months".to_owned());
        }
        total += number * seconds;
        rest = after[unit_end..].trim_start_matches([' ', ',']);
    }
    Ok(total)
}

fn not_a_duration(text: &str) -> String {
    let first = text.chars().next().unwrap_or(' ');
    if first == '-' {
        "is negative; a duration is 0 or more".to_owned()
    } else {
        "is no duration".to_owned()
    }
}

/// The part of an ISO 8601 duration behind `P`. Years and months have no fixed length.
fn iso_8601(text: &str) -> Result<f64, String> {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let bad = || "is no ISO 8601 duration; write `PT5M` or `P1DT2H`".to_owned();
    let mut total = 0.0;
    let mut parts = 0;
    for (part, units) in [
        (date, &[('W', 604_800.0), ('D', 86_400.0)][..]),
        (time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)][..]),
    ] {
        let mut rest = part;
        while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let letter = rest[end..].chars().next().unwrap_or(' ');
            if units.len() == 2 && matches!(letter, 'Y' | 'M') {
                return Err(
                    "counts months or years, which have no fixed length; use days".to_owned()
                );
            }
            let (_, seconds) = units.iter().find(|(unit, _)| *unit == letter).ok_or_else(bad)?;
            total += rest[..end].parse::<f64>().map_err(|_| bad())? * seconds;
            rest = &rest[end + 1..];
            parts += 1;
        }
        if !rest.is_empty() {
            return Err(bad());
        }
    }
    if parts == 0 { Err(bad()) } else { Ok(total) }
}

/// `HH:MM:SS`. Two parts are refused: they are hours and minutes to some, minutes and seconds to
/// others, and a number in base 60 to YAML 1.1.
fn clock(text: &str) -> Result<f64, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if let [first, second] = parts[..]
        && parts.iter().all(digits)
    {
        return Err(format!(
            "could be {first}h{second}m or {first}m{second}s; write which, or `HH:MM:SS`"
        ));
    }
    let [hours, minutes, seconds] = parts[..] else {
        return Err("is no `HH:MM:SS`".to_owned());
    };
    let whole = |part: &str| part.parse::<u32>().ok().map(f64::from);
    let fraction = seconds.parse::<f64>().ok().filter(|s| (0.0..60.0).contains(s));
    match (whole(hours), whole(minutes).filter(|m| *m < 60.0), fraction) {
        (Some(hours), Some(minutes), Some(seconds)) => {
            Ok(hours * 3_600.0 + minutes * 60.0 + seconds)
        }
        _ => Err("is no `HH:MM:SS`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expected: Result<f64, &str>| match (parse(text), expected) {
            (Ok(got), Ok(wanted)) => assert!((got - wanted).abs() < 1e-9, "{text}: {got}"),
            (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
            (got, wanted) => panic!("{text}: got {got:?}, wanted {wanted:?}"),
        };
        check("5m", Ok(300.0));
        check("1h30m", Ok(5_400.0));
        check("1h 30m", Ok(5_400.0));
        check("1.5h", Ok(5_400.0));
        check("500ms", Ok(0.5));
        check("2 days", Ok(172_800.0));
        check("90", Ok(90.0));
        check("PT5M", Ok(300.0));
        check("P1DT2H", Ok(93_600.0));
        check("P2W", Ok(1_209_600.0));
        check("PT0.5S", Ok(0.5));
        check("01:30:00", Ok(5_400.0));
        check("1:30", Err("could be 1h30m or 1m30s"));
        check("1:2:3:4", Err("HH:MM:SS"));
        check("minutes: 5", Err("HH:MM:SS"));
        check("01:99:00", Err("HH:MM:SS"));
        check("five minutes", Err("is no duration"));
        check("5 lightyears", Err("unknown unit \"lightyears\""));
        check("5M", Err("`m` for minutes"));
        check("P1M", Err("no fixed length"));
        check("P", Err("ISO 8601"));
        check("-5m", Err("negative"));
        check("-5", Err("negative"));
        check("", Err("empty"));
        check("1h30", Err("no unit behind"));
        check("101 weeks 99999 days 999999999h", Err("hundred years"));
        check("NaN", Err("negative"));
    }
}
