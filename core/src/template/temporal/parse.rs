//! Dates from free text: ISO 8601 in its usual spellings, then what `dateutil` reads most often.
//!
//! Owns `pendulum.parse`, `dateutil.parser.parse`, `fromisoformat` and `| to_datetime`.

use jiff::tz::{Offset, TimeZone};
use minijinja::Error;

use super::fault;
use super::moment::{Moment, zone_named};
use super::strptime::strptime;

/// Layouts tried in order after the ISO ones.
const LAYOUTS: &[&str] = &[
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%m/%d/%Y",
    "%Y-%m",
    "%a %b %d %Y",
    "%a, %d %b %Y",
    "%Y",
];

const TIMES: &[&str] = &[
    "",
    "%H:%M:%S.%f",
    "%H:%M:%S",
    "%H:%M",
    "%H%M%S.%f",
    "%H%M%S",
    "%H%M",
    "%H",
    "%I:%M %p",
    "%I:%M:%S %p",
];

/// Reads a date-time; without a zone in the text it is `default_zone` (`None`: naive).
pub(crate) fn parse(text: &str, default_zone: Option<&TimeZone>) -> Result<Moment, Error> {
    parse_as(text, default_zone, false)
}

/// The same; `day_first` reads 01/02/2025 as the first of February.
pub(crate) fn parse_as(
    text: &str,
    default_zone: Option<&TimeZone>,
    day_first: bool,
) -> Result<Moment, Error> {
    let trimmed = text.trim();
    let (body, zone) = split_zone(trimmed);
    let first: &[&str] = if day_first { &["%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"] } else { &[] };
    for layout in first.iter().chain(LAYOUTS) {
        for time in TIMES {
            for separator in if time.is_empty() { &[""][..] } else { &["T", " "][..] } {
                let Ok(found) = strptime(body, &format!("{layout}{separator}{time}")) else {
                    continue;
                };
                let zone = zone.as_ref().or(default_zone);
                return found.with_zone(zone);
            }
        }
    }
    Err(fault(format!(
        "\"{text}\" is not a date that is understood; use ISO 8601, such as 2025-01-31T09:00:00+09:00"
    )))
}

/// Reads `+09:00`, `+0900`, `+09`, `-03:30`; `None` for anything else.
pub(crate) fn offset_of(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if !matches!(digits.len(), 2 | 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let pair = |at: usize| digits.get(at..at + 2).map_or(Some(0), |two| two.parse::<i32>().ok());
    let secs = pair(0)? * 3600 + pair(2)? * 60 + pair(4)?;
    Offset::from_seconds(sign * secs).ok()
}

/// Takes a trailing zone off: `Z`, an offset after a time, `UTC`, `GMT` or `[Area/City]`.
fn split_zone(text: &str) -> (&str, Option<TimeZone>) {
    if let Some(open) = text.find('[')
        && text.ends_with(']')
        && let Ok(zone) = zone_named(&text[open + 1..text.len() - 1])
    {
        let body = split_zone(&text[..open]).0;
        return (body, Some(zone));
    }
    for suffix in [" UTC", " GMT", "UTC", "Z", "z"] {
        if let Some(body) = text.strip_suffix(suffix)
            && (body.contains(':') || body.contains('T'))
        {
            return (body, Some(TimeZone::UTC));
        }
    }
    if let Some(at) = text.rfind(['+', '-'])
        && text[..at].contains(['T', ':'])
        && let Some(offset) = offset_of(&text[at..])
    {
        let zone = if offset == Offset::UTC { TimeZone::UTC } else { TimeZone::fixed(offset) };
        return (text[..at].trim_end(), Some(zone));
    }
    (text, None)
}
