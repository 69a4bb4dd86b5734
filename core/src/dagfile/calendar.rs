//! Lists of days and instants for a schedule: written out, or in a calendar file beside the DAG.
//!
//! A calendar file is a text with one date a line and `#` comments, or an iCalendar file (`.ics`),
//! of which the first day of each event counts. Must not know what the days are for.

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::report::Report;
use super::tree::{Kind, Node};
use super::{Context, files, instant, value};

/// The endings of calendar files.
const ENDINGS: &[&str] = &[".txt", ".csv", ".ics"];

/// The most days of one list.
const DAYS_MAX: usize = 10_000;

/// Reads days; a date's time of day means nothing.
pub(crate) fn days(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    node: &Node,
    zone: &TimeZone,
) -> Vec<Date> {
    let found = instants(report, context, "except", node, zone).unwrap_or_default();
    let mut days: Vec<Date> = found.iter().map(|at| zone.to_datetime(*at).date()).collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// Reads instants; those without a zone are in `zone`, and a date is its midnight.
pub(crate) fn instants(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    key: &str,
    node: &Node,
    zone: &TimeZone,
) -> Option<Vec<Timestamp>> {
    let name = node.text().and_then(|text| files::file_name(text, ENDINGS));
    let found: Vec<Timestamp> = match (&node.kind, name) {
        (_, Some(name)) => of_file(report, context, name, node, zone)?,
        (Kind::List(items), _) => {
            let read = items.iter().map(|item| value::at(report, key, item, zone));
            read.collect::<Option<_>>()?
        }
        _ => vec![value::at(report, key, node, zone)?],
    };
    if found.len() > DAYS_MAX {
        let message = format!("`{key}` has {} dates; at most {DAYS_MAX}", found.len());
        report.error(value::value_span(node), "bad-schedule", message).help("use a cron");
        return None;
    }
    if found.is_empty() {
        let message = format!("`{key}` has no dates");
        report
            .error(value::value_span(node), "bad-schedule", message)
            .help("write at least one date, such as 2025-12-25");
        return None;
    }
    Some(found)
}

fn of_file(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    name: &str,
    node: &Node,
    zone: &TimeZone,
) -> Option<Vec<Timestamp>> {
    let mut texts = IndexMap::new();
    files::take(report, context, name, value::value_span(node), &mut texts);
    let Some(text) = texts.get(name) else {
        // It is wanted and will be there at the next reading, or its lack has been reported.
        return context
            .unread
            .iter()
            .any(|unread| unread == name)
            .then(|| vec![Timestamp::UNIX_EPOCH]);
    };
    let is_calendar = name.rsplit('.').next() == Some("ics");
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let date = if is_calendar { event_start(line) } else { plain_date(line) };
        let Some(date) = date else { continue };
        match instant::parse(&date, zone) {
            Ok(at) => found.push(at),
            Err(reason) => {
                let message = format!("{name}:{}: the date \"{date}\" {reason}", number + 1);
                report.error(value::value_span(node), "bad-date", message).help(instant::FORMS);
                return None;
            }
        }
    }
    Some(found)
}

/// The date of a line: its first field, unless it is empty or a comment.
fn plain_date(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default();
    let field = line.split([',', ';', '\t']).next().unwrap_or_default().trim();
    (!field.is_empty()).then(|| field.to_owned())
}

/// `DTSTART;VALUE=DATE:20251225` as `2025-12-25`.
fn event_start(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    if name.split(';').next() != Some("DTSTART") {
        return None;
    }
    let digits = value.trim().get(..8).filter(|day| day.bytes().all(|b| b.is_ascii_digit()))?;
    Some(format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_calendar_files() {
        let plain = |line: &str, expected: Option<&str>| {
            assert_eq!(plain_date(line).as_deref(), expected, "{line}");
        };
        plain("2025-12-25 # Christmas", Some("2025-12-25"));
        plain("2025-01-01,New Year", Some("2025-01-01"));
        plain("# comment", None);
        plain("   ", None);
        let event = |line: &str, expected: Option<&str>| {
            assert_eq!(event_start(line).as_deref(), expected, "{line}");
        };
        event("DTSTART;VALUE=DATE:20251225", Some("2025-12-25"));
        event("DTSTART:20250101T000000Z", Some("2025-01-01"));
        event("DTSTARTLE:20250101", None);
        event("DTEND:20250101", None);
        event("DTSTART:soon", None);
    }
}
