//! Typed readers: one value of the tree → a Rust value, or a finding that says what was wanted.
//!
//! Must not know which key means what; the caller says the key's name for the message.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::report::Report;
use super::scalar::{Resolved, yaml_1_1_bool};
use super::source::Span;
use super::tree::{Kind, Node, Style};
use super::{duration, instant, size};
use crate::suggest::did_you_mean;

/// Adds "`key` must be …, not …".
pub(crate) fn wrong(report: &mut Report<'_>, key: &str, node: &Node, wanted: &str, help: &str) {
    let message = format!("`{key}` must be {wanted}, not {}", node.describe());
    report.error(value_span(node), "wrong-type", message).help(help);
}

/// A message of another module, `what; did you mean "x"?; what to do`, as message and help.
pub(crate) fn advice(message: &str) -> (String, Option<String>) {
    let Some((what, rest)) = message.split_once("; ") else { return (message.to_owned(), None) };
    if !rest.starts_with("did you mean") {
        return (what.to_owned(), Some(rest.to_owned()));
    }
    match rest.split_once("; ") {
        Some((meant, help)) => (format!("{what}; {meant}"), Some(help.to_owned())),
        None => (message.to_owned(), None),
    }
}

/// The place of a value for a finding: all of a scalar, the start of anything longer.
pub(crate) fn value_span(node: &Node) -> Span {
    match &node.kind {
        Kind::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded) => {
            node.span.head()
        }
        Kind::Scalar(_) | Kind::Raw(_) => node.span,
        _ => Span::new(node.span.start, node.span.start + 1),
    }
}

/// Whether a text has a template in it.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// A text, as written: the number `3.10` stays `3.10`.
pub(crate) fn text(report: &mut Report<'_>, key: &str, node: &Node) -> Option<String> {
    match node.text() {
        Some(text) if !node.is_null() => Some(text.to_owned()),
        _ => {
            let help = match node.kind {
                Kind::Map(_) => "quote the text if it starts with `{`, or has `: ` in it",
                Kind::List(_) => "quote the text if it starts with `[`",
                _ => "give it a text, or remove the key",
            };
            wrong(report, key, node, "a text", help);
            None
        }
    }
}

/// `true` or `false`; the words `yes`, `no`, `on` and `off` count too.
pub(crate) fn truth(report: &mut Report<'_>, key: &str, node: &Node) -> Option<bool> {
    let found = match (node.resolved(), node.text()) {
        (Some(Resolved::Bool(value)), _) => Some(value),
        (_, Some(text)) => yaml_1_1_bool(text).or(match text {
            "true" | "True" => Some(true),
            "false" | "False" => Some(false),
            _ => None,
        }),
        _ => None,
    };
    if found.is_none() {
        wrong(report, key, node, "true or false", "write `true` or `false`, without quotes");
    }
    found
}

/// A whole number in a range, both ends included.
pub(crate) fn int(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    (least, most): (i64, i64),
) -> Option<i64> {
    match node.resolved() {
        Some(Resolved::Int(value)) if (least..=most).contains(&value) => Some(value),
        Some(Resolved::Int(value)) => {
            let message = format!("`{key}` is {value}, which is out of range");
            report
                .error(node.span, "out-of-range", message)
                .help(format!("use a whole number from {least} to {most}"));
            None
        }
        _ => {
            let quoted = node.text().is_some_and(|text| text.trim().parse::<i64>().is_ok());
            let help = if quoted {
                "remove the quotes".to_owned()
            } else if node.text().is_some_and(is_template) {
                "templates are not rendered here; write the number".to_owned()
            } else {
                format!("use a whole number from {least} to {most}")
            };
            wrong(report, key, node, "a whole number", &help);
            None
        }
    }
}

/// A number, 0 or more.
pub(crate) fn number(report: &mut Report<'_>, key: &str, node: &Node) -> Option<f64> {
    let found = match node.resolved() {
        #[expect(clippy::cast_precision_loss, reason = "counts of CPUs and the like are small")]
        Some(Resolved::Int(value)) => Some(value as f64),
        Some(Resolved::Float(value)) => Some(value),
        _ => None,
    };
    match found {
        Some(value) if value >= 0.0 => Some(value),
        Some(_) => {
            let message = format!("`{key}` is negative");
            report.error(node.span, "out-of-range", message).help("use a number of 0 or more");
            None
        }
        None => {
            wrong(report, key, node, "a number", "write a number such as `2` or `0.5`");
            None
        }
    }
}

/// A size of memory in bytes.
pub(crate) fn bytes(report: &mut Report<'_>, key: &str, node: &Node) -> Option<f64> {
    let found = node.text().and_then(size::parse);
    if found.is_none() {
        wrong(report, key, node, "a size of memory", size::FORMS);
    }
    found
}

/// A duration in seconds: a number, a text, or a map of units.
pub(crate) fn seconds(report: &mut Report<'_>, key: &str, node: &Node) -> Option<f64> {
    let parsed = match (&node.kind, node.resolved()) {
        (Kind::Map(entries), _) if !entries.is_empty() => {
            let mut total = 0.0;
            for entry in entries {
                let Some(unit) = duration::unit(&entry.key) else {
                    let hint = did_you_mean(&entry.key, duration::unit_names());
                    let message = format!("unknown unit \"{}\" in `{key}`{hint}", entry.key);
                    report.error(entry.key_span, "bad-duration", message).help(duration::FORMS);
                    return None;
                };
                total += number(report, &entry.key, &entry.value)? * unit;
            }
            duration::in_range(total)
        }
        (Kind::Scalar(scalar), Some(resolved)) if resolved != Resolved::Null => {
            duration::parse(&scalar.text)
        }
        _ => {
            wrong(report, key, node, "a duration", duration::FORMS);
            return None;
        }
    };
    match parsed {
        Ok(seconds) => Some(seconds),
        Err(reason) => {
            let what = node.text().map_or_else(|| "this".to_owned(), |text| format!("\"{text}\""));
            let message = format!("the duration {what} of `{key}` {reason}");
            report.error(value_span(node), "bad-duration", message).help(duration::FORMS);
            None
        }
    }
}

/// An instant; one without a zone is in `zone`.
pub(crate) fn at(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let Some(text) = node.text().filter(|_| !node.is_null()) else {
        wrong(report, key, node, "a date", instant::FORMS);
        return None;
    };
    match instant::parse(text, zone) {
        Ok(instant) => Some(instant),
        Err(reason) => {
            let message = format!("the date \"{text}\" of `{key}` {reason}");
            let relative = !text.contains("20")
                && (text.starts_with(|c: char| c.is_alphabetic()) || text.contains("day"));
            let found = report.error(value_span(node), "bad-date", message);
            if relative {
                found.help(format!(
                    "a date that moves would make every day another DAG; {}",
                    instant::FORMS
                ));
            } else {
                found.help(instant::FORMS);
            }
            None
        }
    }
}

/// A list of texts, or one text. Each comes with its node.
pub(crate) fn texts<'n>(
    report: &mut Report<'_>,
    key: &str,
    node: &'n Node,
) -> Option<Vec<(String, &'n Node)>> {
    match &node.kind {
        Kind::List(items) => {
            let read: Vec<_> = items
                .iter()
                .filter_map(|item| text(report, key, item).map(|text| (text, item)))
                .collect();
            (read.len() == items.len()).then_some(read)
        }
        Kind::Scalar(_) | Kind::Raw(_) if !node.is_null() => {
            text(report, key, node).map(|text| vec![(text, node)])
        }
        _ => {
            wrong(report, key, node, "a list of texts", "write `[a, b]`");
            None
        }
    }
}

/// One of some words.
pub(crate) fn word(
    report: &mut Report<'_>,
    key: &str,
    node: &Node,
    words: &'static [&'static str],
) -> Option<&'static str> {
    let text = text(report, key, node)?;
    let found = words.iter().copied().find(|word| *word == text);
    if found.is_none() {
        let hint = did_you_mean(&text, words.iter().copied());
        report
            .error(
                value_span(node),
                "unknown-word",
                format!("unknown {} \"{text}\"{hint}", key.replace('_', " ")),
            )
            .help(format!("one of {}", words.join(", ")));
    }
    found
}

/// Warns, in a place where any value may stand, of plain words and numbers that YAML 1.1 (as
/// Airflow's tools read it) took for something else.
pub(crate) fn surprises(report: &mut Report<'_>, key: &str, node: &Node) {
    match &node.kind {
        Kind::List(items) => {
            for item in items {
                surprises(report, key, item);
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                surprises(report, &entry.key, &entry.value);
            }
        }
        Kind::Scalar(scalar) if scalar.style == Style::Plain => {
            let text = scalar.text.as_str();
            if let Some(value) = yaml_1_1_bool(text) {
                report
                    .warning(
                        node.span,
                        "word-not-truth",
                        format!("`{key}: {text}` is the text \"{text}\", not {value}"),
                    )
                    .help(format!("write `{value}` if you mean that, or quote it: \"{text}\""));
            } else if text.len() > 1
                && text.starts_with('0')
                && text.bytes().all(|b| b.is_ascii_digit())
            {
                let value = text.trim_start_matches('0');
                let value = if value.is_empty() { "0" } else { value };
                report
                    .warning(
                        node.span,
                        "leading-zero",
                        format!("`{key}: {text}` is the number {value}"),
                    )
                    .help(format!("quote it to keep the zeros: \"{text}\""));
            } else if is_clock(text) {
                let message = format!("`{key}: {text}` is the text \"{text}\", not a number");
                report.warning(node.span, "clock-time", message).help(format!(
                    "quote it, since other readers of YAML make it a number of seconds: \"{text}\""
                ));
            }
        }
        _ => {}
    }
}

/// Whether YAML 1.1 took a text for a number to the base 60: `1:30` was 90.
fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_first = |part: &str| (1..=9).contains(&part.len()) && is_number(part);
    let is_next = |part: &str| {
        is_number(part) && part.len() <= 2 && part.parse::<u8>().is_ok_and(|part| part < 60)
    };
    parts.next().is_some_and(is_first) && text.contains(':') && parts.all(is_next)
}
