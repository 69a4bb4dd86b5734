//! `schedule:` → a timetable, and a condition over assets.
//!
//! Must not know cron: `timetable` reads expressions; here its complaints get their place.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::asset::{AssetCondition, AssetRef, SCHEDULE_TEXT};
use crate::timetable::{Cron, CronError, Every, Timetable};

use super::report::Report;
use super::source::Span;
use super::tree::{Kind, Node, Style};
use super::value;
use super::{Context, asset, asset_text, calendar, duration};
use crate::suggest::did_you_mean;

/// The forms, for messages.
const FORMS: &str = "write \"0 15 * * *\", \"@daily\", {every: 30m}, {cron: [a, b]}, \
    {cron: a, except: [2025-12-25]}, {events: [2025-01-31T09:00]}, {assets: [a, b]} or null for \
    never by itself";

/// Keys of a condition over assets, which may also stand in the schedule itself.
const CONDITIONS: &[&str] = &["any", "all", "or", "and", "__or__", "__and__"];

/// A schedule: how it is shown, when it fires, and which assets start a run.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) text: Option<String>,
    pub(crate) timetable: Timetable,
    pub(crate) assets: Option<AssetCondition<AssetRef>>,
}

/// Reads the value of `schedule`.
pub(crate) fn read(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    node: &Node,
    zone: &TimeZone,
    data_intervals: bool,
) -> Schedule {
    if node.is_null() {
        return Schedule::default();
    }
    let mut assets = None;
    let timetable = match &node.kind {
        Kind::Scalar(scalar) if asset_text::is_condition(&scalar.text) => {
            assets = asset::condition(report, "schedule", node);
            None
        }
        Kind::Scalar(_) => text(report, node, zone, data_intervals),
        Kind::Map(_) => map(report, context, node, zone, data_intervals, &mut assets),
        Kind::List(_) => {
            assets = asset::condition(report, "schedule", node);
            None
        }
        Kind::Raw(_) => {
            value::wrong(report, "schedule", node, "a schedule", FORMS);
            None
        }
    };
    let timetable = timetable.unwrap_or_default();
    let by_time = (timetable != Timetable::Never).then(|| match &node.kind {
        Kind::Scalar(scalar) => scalar.text.trim().to_owned(),
        _ => timetable.summary(),
    });
    let text = match (&assets, by_time) {
        (None, by_time) => by_time,
        (Some(_), None) => Some(SCHEDULE_TEXT.to_owned()),
        (Some(_), Some(by_time)) => Some(format!("{SCHEDULE_TEXT} or {by_time}")),
    };
    Schedule { text, timetable, assets }
}

fn text(
    report: &mut Report<'_>,
    node: &Node,
    zone: &TimeZone,
    data_intervals: bool,
) -> Option<Timetable> {
    let written = value::text(report, "schedule", node)?;
    let trimmed = written.trim();
    if trimmed.eq_ignore_ascii_case("none") {
        report
            .note(node.span, "alias", format!("`schedule: {trimmed}` is read as null"))
            .help("write `schedule: null`");
        return Some(Timetable::Never);
    }
    match Timetable::parse(&written, zone.clone(), data_intervals) {
        Ok(timetable) => Some(timetable),
        Err(error) => {
            let is_duration = !trimmed.contains(' ') && duration::parse(trimmed).is_ok();
            complain(report, node, &written, &error);
            if is_duration && let Some(last) = report.found.last_mut() {
                last.help(format!("for an interval write {{every: {trimmed}}}"));
            }
            None
        }
    }
}

/// Adds a cron error at the bytes to blame.
fn complain(report: &mut Report<'_>, node: &Node, written: &str, error: &CronError) {
    let mut span = value::value_span(node);
    if let Kind::Scalar(scalar) = &node.kind
        && matches!(scalar.style, Style::Plain | Style::Quoted)
    {
        let quote = usize::from(scalar.style == Style::Quoted);
        let start = node.span.start + quote;
        let part = Span::new(start + error.span.start, start + error.span.end);
        let whole = Span::new(start, start + written.len());
        // With escapes in the quotes the bytes of the file are not those of the text.
        if report.source.slice(whole) == written {
            span = part;
        }
    }
    let (message, help) = value::advice(&error.to_string());
    let message = format!("wrong `schedule`: {message}");
    report.error(span, "bad-cron", message).help(help.unwrap_or_else(|| FORMS.to_owned()));
}

fn map(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    node: &Node,
    zone: &TimeZone,
    data_intervals: bool,
    assets: &mut Option<AssetCondition<AssetRef>>,
) -> Option<Timetable> {
    let entries = node.map().unwrap_or_default();
    let is_assets = |word: &str| matches!(word, "assets" | "datasets" | "asset" | "dataset");
    let mut found = None;
    let mut except = Vec::new();
    for entry in entries {
        match entry.key.as_str() {
            "every" | "interval" => found = every(report, &entry.value, data_intervals),
            "cron" => found = crons(report, &entry.value, zone, data_intervals),
            "events" => {
                let days = calendar::instants(report, context, "events", &entry.value, zone);
                found = days.map(Timetable::events);
            }
            "except" => except = calendar::days(report, context, &entry.value, zone),
            word if is_assets(word) => {
                *assets = asset::condition(report, word, &entry.value);
            }
            word if CONDITIONS.contains(&word) => {
                *assets = asset::condition(report, "schedule", node);
                return None;
            }
            word => {
                let hint = did_you_mean(word, ["every", "cron", "events", "except", "assets"]);
                let message = format!("unknown key \"{word}\" in `schedule`{hint}");
                report.error(entry.key_span, "unknown-key", message).help(FORMS);
            }
        }
    }
    let modifier = entries.iter().find(|entry| entry.key == "except");
    match (&mut found, modifier) {
        (Some(Timetable::Cron { crons, .. }), Some(_)) => {
            for cron in crons {
                cron.leave_out(&except);
            }
        }
        (Some(_), Some(entry)) => {
            let message = "`except` goes with `cron` alone";
            report.error(entry.key_span, "bad-schedule", message).help(FORMS);
        }
        (None, Some(entry)) if !entries.iter().any(|entry| entry.key == "cron") => {
            let message = "`except` without the `cron` from which its days are left out";
            report.error(entry.key_span, "bad-schedule", message).help(FORMS);
        }
        _ => {}
    }
    // Assets may stand beside a timetable; each kind once.
    let by_time: Vec<_> =
        entries.iter().filter(|entry| !is_assets(&entry.key) && entry.key != "except").collect();
    let by_assets: Vec<_> = entries.iter().filter(|entry| is_assets(&entry.key)).collect();
    if entries.is_empty() {
        value::wrong(report, "schedule", node, "a schedule", FORMS);
    }
    for several in [by_time, by_assets] {
        if let [_, second, ..] = several.as_slice() {
            let message = "`schedule` has several forms at once";
            report.error(second.key_span, "bad-schedule", message).help("keep one of them");
        }
    }
    found
}

fn every(report: &mut Report<'_>, node: &Node, data_intervals: bool) -> Option<Timetable> {
    let seconds = value::seconds(report, "every", node)?;
    let length = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX);
    match Every::new(length) {
        Ok(every) => Some(Timetable::Every { every, data_intervals }),
        Err(error) => {
            let (message, help) = value::advice(&error.to_string());
            report
                .error(value::value_span(node), "bad-schedule", message)
                .help(help.unwrap_or_else(|| FORMS.to_owned()));
            None
        }
    }
}

fn crons(
    report: &mut Report<'_>,
    node: &Node,
    zone: &TimeZone,
    data_intervals: bool,
) -> Option<Timetable> {
    let mut crons = Vec::new();
    let written = value::texts(report, "cron", node)?;
    if written.is_empty() {
        value::wrong(report, "cron", node, "at least one cron expression", FORMS);
        return None;
    }
    for (text, item) in &written {
        let word = text.trim().to_ascii_lowercase();
        if matches!(word.as_str(), "@once" | "@continuous") {
            let message = format!("`{word}` is a schedule of its own, and no cron");
            report
                .error(value::value_span(item), "bad-cron", message)
                .help(format!("write `schedule: \"{word}\"`"));
            continue;
        }
        match Cron::parse(text) {
            Ok(cron) => crons.push(cron),
            Err(error) => complain(report, item, text, &error),
        }
    }
    (crons.len() == written.len()).then(|| Timetable::Cron {
        crons,
        zone: zone.clone(),
        data_intervals,
    })
}
