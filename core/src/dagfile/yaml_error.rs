//! What the YAML parser complains about, in words that say what to do.
//!
//! The usual causes are not YAML at all: an unquoted cron expression or template, a tab, a colon
//! in a text. They are recognised by the source line. Must not read any value.

use serde_saphyr::granit_parser::{ErrorKind, ScanError, Tag};

use super::report::Report;
use super::source::Span;
use crate::suggest::did_you_mean;

/// Adds the finding for a syntax error; `offset` is where the document starts in the file.
pub(crate) fn explain(report: &mut Report<'_>, error: &ScanError, offset: usize) {
    let byte = error.marker().byte_offset().unwrap_or(0) + offset;
    let (line_number, _) = report.source.position(byte);
    let line = report.source.line(line_number);
    let line_start = report.source.line_start(line_number);
    let here = Span::new(byte, (byte + 1).min(report.source.text.len()));
    if let Some(value) = value_at(line, byte - line_start, "*")
        && matches!(
            error.kind(),
            ErrorKind::MissingAnchorOrAliasName | ErrorKind::ExpectedBlockMappingKey
        )
    {
        unquoted_star(report, value.shift(line_start));
        return;
    }
    if let Some(value) = value_at(line, byte - line_start, "{")
        && (line[value.start..].starts_with("{{") || line[value.start..].starts_with("{%"))
    {
        unquoted_template(report, value.shift(line_start));
        return;
    }
    if is_tab(error.kind()) || leading_tab(line) {
        let span = tab_span(report, line_number, here);
        report
            .error(span, "tab", "a tab stands where YAML wants spaces")
            .help("indent with spaces; most editors can replace tabs (`expand -t 2 file`)");
        return;
    }
    let (message, help) = words(error.kind(), line);
    let too_deep = matches!(error.kind(), ErrorKind::RecursionLimitExceeded);
    let code = if too_deep { "too-deep" } else { "yaml-syntax" };
    report.error(here, code, message).help(help);
}

/// An alias without an anchor: nearly always a cron expression or a glob without quotes.
pub(crate) fn unknown_alias(report: &mut Report<'_>, span: Span, name: &str) {
    let looks_like_cron =
        name.starts_with(['/', ' ']) || name.starts_with(|c: char| c.is_ascii_digit());
    if looks_like_cron {
        let (line, _) = report.source.position(span.start);
        let start = report.source.line_start(line);
        let text = report.source.line(line);
        let end = text.find(" #").unwrap_or(text.len());
        let value = inside(text, span.start - start, &text[span.start - start..end]);
        unquoted_star(report, Span::new(span.start, span.start + value.trim_end().len()));
        return;
    }
    report.error(span, "unknown-alias", format!("no value above is marked `&{name}`")).help(
        "a plain `*` starts an alias in YAML: quote the text, or mark a value above with `&name`",
    );
}

fn unquoted_star(report: &mut Report<'_>, span: Span) {
    let text = report.source.slice(span).trim_end().to_owned();
    report
        .error(span, "unquoted-star", "a text that starts with `*` is an alias in YAML")
        .help(format!("quote it: \"{text}\""));
}

fn unquoted_template(report: &mut Report<'_>, span: Span) {
    let text = report.source.slice(span).trim_end().to_owned();
    let quoted = if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") };
    report
        .error(span, "unquoted-template", "an unquoted `{` starts a map in YAML, not a template")
        .help(format!("quote the template: {quoted}"));
}

/// `{{ x }}` without quotes that happens to be YAML: a map whose key is a map.
pub(crate) fn template_as_map(report: &mut Report<'_>, map: Span, key: Span) {
    if map.start + 1 == key.start {
        let end = template_end(report, map.start);
        unquoted_template(report, Span::new(map.start, end));
        report.taint(Span::new(map.start, end));
        return;
    }
    report
        .error(key, "key-not-text", "a key must be a text, not a map")
        .help("quote it if it is meant to be one text");
}

/// A tag that is not known here.
pub(crate) fn foreign_tag(report: &mut Report<'_>, span: Span, value_end: usize, tag: &Tag) {
    let name = tag.suffix().to_owned();
    let hint = did_you_mean(&name, ["raw"]);
    let help = match name.as_str() {
        "timedelta" => "write the duration itself: `5m`, `1h30m`, `{minutes: 5}`",
        "days_ago" => "write the date itself: `2025-01-01`",
        "include" => "files are named by their keys, such as `sql: file.sql`",
        "env" | "ENV" => "use `{{ env('NAME') }}` in a template",
        _ => "remove it; the only tag is `!raw`, for a text that is no template",
    };
    report.error(span, "unknown-tag", format!("unknown tag \"!{name}\"{hint}")).help(help);
    report.taint(Span::new(span.start, value_end.max(span.end)));
}

/// Where a template that starts at a byte ends: with its line, or inside of brackets with `}}`.
fn template_end(report: &Report<'_>, start: usize) -> usize {
    let (number, _) = report.source.position(start);
    let line = report.source.line(number);
    let at = start - report.source.line_start(number);
    let in_brackets = line[..at].contains(['[', '{']);
    let rest = &line[at..];
    let length = match rest.find("}}") {
        Some(close) if in_brackets => close + 2,
        _ => rest.find(" #").unwrap_or(rest.len()),
    };
    start + rest[..length].trim_end().len()
}

/// A part of a line, in bytes.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
}

impl Part {
    fn shift(self, by: usize) -> Span {
        Span::new(self.start + by, self.end + by)
    }
}

/// The value of the line (behind `key: `, `- ` or a flow bracket) that starts with `first`, at or
/// before the byte where the parser gave up.
fn value_at(line: &str, byte: usize, first: &str) -> Option<Part> {
    let mut best = None;
    for (at, _) in line.match_indices(first) {
        let before = line[..at].trim_end_matches(' ');
        let opens = before.ends_with([':', '-', '[', ',']) || before.is_empty();
        if opens && at <= byte {
            best = best.or(Some(at));
        }
    }
    let start = best?;
    let end = line.find(" #").filter(|&end| end > start).unwrap_or(line.len());
    Some(Part { start, end: start + inside(line, start, &line[start..end]).trim_end().len() })
}

/// A value without the brackets that were opened before it on its line.
fn inside<'l>(line: &str, start: usize, value: &'l str) -> &'l str {
    let mut open = line[..start].matches(['[', '{']).count();
    let mut value = value.trim_end();
    while let Some(inner) = value.strip_suffix([']', '}']).filter(|_| open > 0) {
        let is_own = inner.matches(['[', '{']).count() > inner.matches([']', '}']).count();
        if is_own {
            break;
        }
        value = inner.trim_end();
        open -= 1;
    }
    value
}

const fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart
    )
}

fn leading_tab(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t')
}

/// The first tab of the line's indentation, or of the next line's, where the parser looks ahead.
fn tab_span(report: &Report<'_>, line: u32, fallback: Span) -> Span {
    for number in [line, line + 1] {
        let text = report.source.line(number);
        if leading_tab(text) {
            let at = report.source.line_start(number) + text.find('\t').unwrap_or(0);
            return Span::new(at, at + 1);
        }
    }
    fallback
}

/// Message and help of the other syntax errors.
fn words(kind: &ErrorKind, line: &str) -> (String, String) {
    let pair = |message: &str, help: &str| (message.to_owned(), help.to_owned());
    match kind {
        ErrorKind::InvalidColonPlacement => pair(
            "a `:` cannot stand here",
            "close the bracket or the quote that is open above, or quote a text with `:` in it",
        ),
        ErrorKind::MappingValueNotAllowed => pair(
            "a second `: ` on this line; YAML reads the first part as a key",
            "quote a text that has `: ` in it, or write it below as a `|` block; check the indentation",
        ),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => (
            format!("the control character U+{:04X} cannot stand in YAML", u32::from(*character)),
            "remove it; in a text in double quotes write it as an escape, such as \"\\t\" or \"\\e\"".to_owned(),
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a text cannot start with `{character}` in YAML"),
            format!("quote it: \"{}\"", value_text(line, *character)),
        ),
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => pair(
            "a quote that was opened above is not closed",
            "close it; inside double quotes write \\\" for a quote, inside single ones ''",
        ),
        ErrorKind::UnclosedFlowCollection { open } => (
            format!("the bracket `{open}` is not closed"),
            "close it, or quote the text that it stands in".to_owned(),
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => (
            format!("the bracket `{open}` is closed by `{close}`"),
            "close each bracket by its own kind".to_owned(),
        ),
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => pair(
            "a `,` or the closing bracket is missing here",
            "separate the values by `, `; quote texts with brackets, braces or colons in them",
        ),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey => pair(
            "this line does not continue what stands above it",
            "check the indentation and the `key: value` or `- item` form; quote texts with special characters",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => pair(
            "a list item `- ` cannot start here",
            "start the list on the next line, indented below its key",
        ),
        ErrorKind::UnknownQuotedScalarEscape => pair(
            "an unknown escape in a double-quoted text",
            "write \\\\ for a backslash, or use single quotes, where nothing is escaped",
        ),
        ErrorKind::RecursionLimitExceeded => pair(
            "too many maps and lists inside each other",
            "a DAG file is rarely deeper than 10; look for unclosed brackets or runaway indentation",
        ),
        other => (
            format!("this is not YAML: {other}"),
            "check this line and the one above it".to_owned(),
        ),
    }
}

/// The text from a character to the end of the line, without a comment.
fn value_text(line: &str, first: char) -> String {
    let start = line.find(first).unwrap_or(0);
    let text = line[start..].split(" #").next().unwrap_or_default();
    text.trim_end().replace('"', "\\\"")
}
