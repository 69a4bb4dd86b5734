//! `deadline:` → deadlines: by when a run must have ended, and who is told when it has not
//! (Airflow 3: `DeadlineAlert`).
//!
//! Must not know runs or clocks: an instant follows from a run's dates, in the engine.

use jiff::tz::TimeZone;

use crate::dag::{Deadline, DeadlineReference};
use crate::suggest::did_you_mean;

use super::report::Report;
use super::tree::{Entry, Kind, Node};
use super::{callback, duration, value};

/// The keys of a deadline, each with its other spellings.
pub(crate) const KEYS: &[(&str, &[&str])] = &[
    ("name", &["alert_name"]),
    ("reference", &["from", "since"]),
    ("interval", &["within"]),
    ("callback", &["callbacks", "on_miss", "on_miss_callback"]),
];

/// The words of a reference, each with its other spellings; a date is one too.
pub(crate) const REFERENCES: &[(&str, &[&str])] =
    &[("dagrun_queued_at", &["queued_at"]), ("dagrun_logical_date", &["logical_date"])];

/// The most deadlines of a DAG.
const DEADLINES_MAX: usize = 20;

/// The longest name.
const NAME_CHARS_MAX: usize = 100;

const FORM: &str = "write `{reference: dagrun_queued_at, interval: 2h, callback: [{log: …}]}`, or \
                    a list of such maps";

/// Reads one deadline or a list of them.
pub(crate) fn read(report: &mut Report<'_>, node: &Node, zone: &TimeZone) -> Vec<Deadline> {
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if nodes.is_empty() || nodes.len() > DEADLINES_MAX {
        let message = format!("`deadline` is a list of 1 to {DEADLINES_MAX}, not {}", nodes.len());
        report.error(value::value_span(node), "bad-deadline", message).help(FORM);
        return Vec::new();
    }
    let mut found: Vec<Deadline> = Vec::new();
    for node in nodes {
        let Some(mut deadline) = one(report, node, zone) else { continue };
        if deadline.name.is_empty() {
            deadline.name = format!("deadline_{}", found.len() + 1);
        }
        if found.iter().any(|other| other.name == deadline.name) {
            let message = format!("two deadlines have the name \"{}\"", deadline.name);
            report
                .error(value::value_span(node), "bad-deadline", message)
                .help("give each a `name` of its own");
        }
        found.push(deadline);
    }
    found
}

fn one(report: &mut Report<'_>, node: &Node, zone: &TimeZone) -> Option<Deadline> {
    let Some(entries) = node.map() else {
        value::wrong(report, "deadline", node, "a map", FORM);
        return None;
    };
    let found = keys(report, entries);
    let of = |name: &str| found.iter().find(|(known, _)| *known == name).map(|(_, entry)| *entry);
    for name in ["reference", "interval", "callback"] {
        if of(name).is_none_or(|entry| entry.value.is_null()) {
            let message = format!("a deadline without `{name}`");
            report.error(value::value_span(node), "bad-deadline", message).help(FORM);
        }
    }
    let name = of("name").and_then(|entry| name_of(report, entry));
    let reference = reference(report, &of("reference")?.value, zone);
    let interval = &of("interval")?.value;
    let interval_secs = signed_secs(report, interval)?;
    let reference = reference?;
    if interval_secs <= 0.0 && !matches!(reference, DeadlineReference::Fixed(_)) {
        let message = "the `interval` of a deadline is 0 or less, so that every run misses it";
        report
            .error(value::value_span(interval), "bad-deadline", message)
            .help("write how long a run may take, such as `2h`");
    }
    let callbacks = &of("callback")?.value;
    let read = callback::read(report, "callback", callbacks);
    if read.is_empty() && !callbacks.is_null() && !report.failed() {
        let message = "a deadline without a notice: nobody would be told";
        report.error(value::value_span(callbacks), "bad-deadline", message).help(FORM);
    }
    Some(Deadline { name: name.unwrap_or_default(), reference, interval_secs, callbacks: read })
}

/// The entries by canonical name; unknown keys and a second spelling are errors.
fn keys<'n>(report: &mut Report<'_>, entries: &'n [Entry]) -> Vec<(&'static str, &'n Entry)> {
    let mut found: Vec<(&'static str, &Entry)> = Vec::new();
    // dag-factory names the class of an object.
    for entry in entries.iter().filter(|entry| entry.key != "__type__") {
        let is_it = |(name, others): &&(&str, &[&str])| {
            *name == entry.key || others.contains(&entry.key.as_str())
        };
        let Some((name, _)) = KEYS.iter().find(is_it) else {
            let hint = did_you_mean(&entry.key, KEYS.iter().map(|(name, _)| *name));
            let message = format!("unknown key \"{}\" of a deadline{hint}", entry.key);
            report.error(entry.key_span, "bad-deadline", message).help(FORM);
            continue;
        };
        if found.iter().any(|(known, _)| known == name) {
            let message = format!("`{}` means `{name}`, which is already given", entry.key);
            report.error(entry.key_span, "duplicate-key", message).help("keep one of them");
            continue;
        }
        if *name != entry.key {
            report
                .note(entry.key_span, "alias", format!("`{}` is read as `{name}`", entry.key))
                .help(format!("write `{name}`"));
        }
        found.push((*name, entry));
    }
    found
}

fn name_of(report: &mut Report<'_>, entry: &Entry) -> Option<String> {
    let name = value::text(report, "name", &entry.value)?;
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX {
        let message =
            format!("a deadline's name has 1 to {NAME_CHARS_MAX} characters, this one {chars}");
        report
            .error(value::value_span(&entry.value), "bad-deadline", message)
            .help("shorten it, or remove the key");
    }
    Some(name)
}

/// `dagrun_queued_at`, `DeadlineReference.DAGRUN_QUEUED_AT`, `2025-05-04T09:00`, or
/// `{fixed_datetime: …}`.
fn reference(report: &mut Report<'_>, node: &Node, zone: &TimeZone) -> Option<DeadlineReference> {
    if let Some([entry]) = node.map()
        && matches!(entry.key.as_str(), "fixed_datetime" | "datetime")
    {
        let at = value::at(report, "fixed_datetime", &entry.value, zone)?;
        return Some(DeadlineReference::Fixed(at));
    }
    let written = value::text(report, "reference", node)?;
    if written.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(DeadlineReference::Fixed(value::at(report, "reference", node, zone)?));
    }
    let word = written.rsplit('.').next().unwrap_or(&written).to_ascii_lowercase();
    let found =
        REFERENCES.iter().find(|(name, others)| *name == word || others.contains(&word.as_str()));
    let Some((name, _)) = found else {
        let average = word.starts_with("average_runtime");
        let hint = did_you_mean(&word, REFERENCES.iter().map(|(name, _)| *name));
        let hint = if average { String::new() } else { hint };
        let help = if average {
            "it would move with every run; write `dagrun_queued_at` and the longest `interval` \
             that you accept"
        } else {
            "write `dagrun_queued_at`, `dagrun_logical_date` or a date such as `2025-05-04T09:00`"
        };
        let message = format!("unknown reference \"{written}\" of a deadline{hint}");
        report.error(value::value_span(node), "unknown-word", message).help(help);
        return None;
    };
    if *name != written {
        report
            .note(node.span, "alias", format!("`{written}` is read as `{name}`"))
            .help(format!("write `{name}`"));
    }
    Some(match *name {
        "dagrun_queued_at" => DeadlineReference::QueuedAt,
        _ => DeadlineReference::LogicalDate,
    })
}

/// A duration; behind a fixed date also a negative one, `-2h`.
fn signed_secs(report: &mut Report<'_>, node: &Node) -> Option<f64> {
    match node.text().and_then(|text| text.strip_prefix('-')).map(duration::parse) {
        Some(Ok(secs)) => Some(-secs),
        _ => value::seconds(report, "interval", node),
    }
}
