//! Places in a file: byte spans, and the line and character that a person counts.
//!
//! Must not know YAML.

use std::borrow::Cow;

use crate::diagnostic::{Diagnostic, Severity, bounded};

/// Lines of more bytes are shown in part.
const SNIPPET_BYTES_MAX: usize = 1_000;

/// How many characters before and after its place a finding in a long line shows.
const SNIPPET_CHARS_AROUND: usize = 200;

/// Characters are counted once for each so many bytes: a place in a line of a megabyte is found
/// as soon as any other.
const BLOCK_BYTES: usize = 1 << 10;

/// A part of a file's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

impl Span {
    /// The span of `start..end`.
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The empty span in front of this one.
    pub(crate) const fn head(self) -> Self {
        Self { start: self.start, end: self.start }
    }
}

/// A named text with an index of its lines.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    line_starts: Vec<usize>,
    /// How many characters start before each block of [`BLOCK_BYTES`].
    chars_before: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Indexes the lines of a text; `\n`, `\r\n` and a lone `\r` end one, as in YAML.
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut line_starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                line_starts.push(at + 1);
            }
        }
        let mut chars_before = vec![0];
        for block in bytes.chunks(BLOCK_BYTES) {
            let before = chars_before[chars_before.len() - 1];
            chars_before.push(before + chars_started(block));
        }
        Self { name, text, line_starts, chars_before }
    }

    /// How many characters start before a byte.
    fn chars_until(&self, byte: usize) -> usize {
        let block = byte / BLOCK_BYTES;
        self.chars_before[block] + chars_started(&self.text.as_bytes()[block * BLOCK_BYTES..byte])
    }

    /// Line and character of a byte, both from 1.
    pub(crate) fn position(&self, byte: usize) -> (u32, u32) {
        let byte = floor_boundary(self.text, byte);
        let line = self.line_starts.partition_point(|&start| start <= byte) - 1;
        let chars = self.chars_until(byte) - self.chars_until(self.line_starts[line]);
        (count(line + 1), count(chars + 1))
    }

    /// The text of a line, from 1, without its end.
    pub(crate) fn line(&self, line: u32) -> &'a str {
        let index = (line as usize).saturating_sub(1);
        let Some(&start) = self.line_starts.get(index) else { return "" };
        let end = self.line_starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The byte where a line starts, from 1; the end of the text for a line beyond it.
    pub(crate) fn line_start(&self, line: u32) -> usize {
        let index = (line as usize).saturating_sub(1);
        self.line_starts.get(index).copied().unwrap_or(self.text.len())
    }

    /// The text of a span.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        let start = floor_boundary(self.text, span.start);
        let end = floor_boundary(self.text, span.end).max(start);
        &self.text[start..end]
    }

    /// A finding at a span.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        let (line, column) = self.position(span.start);
        let (end_line, end_column) = self.position(span.end.max(span.start));
        let (snippet, snippet_column) = self.snippet(line, column, span.start);
        Diagnostic {
            severity,
            code: Cow::Borrowed(code),
            message: bounded(message.into()),
            help: None,
            file: self.name.to_owned(),
            line,
            column,
            end_line,
            end_column,
            snippet: Some(snippet),
            snippet_column,
        }
    }

    /// The line of a place, or what of a long one is around it; and with which character that
    /// starts, from 1.
    fn snippet(&self, line: u32, column: u32, byte: usize) -> (String, u32) {
        let whole = self.line(line);
        if whole.len() <= SNIPPET_BYTES_MAX {
            return (whole.to_owned(), 1);
        }
        let at = floor_boundary(self.text, byte).saturating_sub(self.line_start(line));
        let (before, after) = whole.split_at(at.min(whole.len()));
        let shown = before.char_indices().rev().take(SNIPPET_CHARS_AROUND);
        let (chars, start) = shown.fold((0, before.len()), |(chars, _), (at, _)| (chars + 1, at));
        let end = after.char_indices().nth(SNIPPET_CHARS_AROUND).map_or(after.len(), |(at, _)| at);
        (format!("{}{}", &before[start..], &after[..end]), column.saturating_sub(chars).max(1))
    }
}

/// How many characters start among these bytes of a text.
fn chars_started(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

fn floor_boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A file has at most as many lines and characters as [`super::FILE_BYTES_MAX`], far below 2^32.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_in_characters() {
        let source = Source::new("x", "가나: 1\r\nb: 다\n\nend");
        let check = |byte, expected| assert_eq!(source.position(byte), expected, "byte {byte}");
        check(0, (1, 1));
        check(3, (1, 2));
        check(4, (1, 2));
        check("가나: 1\r\nb: ".len(), (2, 4));
        check("가나: 1\r\nb: 다\n".len(), (3, 1));
        check(9_999, (4, 4));
        let long = "가a".repeat(5_000);
        let source = Source::new("x", &long);
        let check = |byte, expected| assert_eq!(source.position(byte), expected, "byte {byte}");
        check(1_024 * 4, (1, 2_049));
        check(1_024 * 4 + 3, (1, 2_050));
        check(19_999, (1, 10_000));
        check(20_000, (1, 10_001));
        let source = Source::new("x", "가나: 1\r\nb: 다\n\nend");
        assert_eq!(source.line(1), "가나: 1");
        assert_eq!(source.line(4), "end");
        assert_eq!(source.line(5), "");
    }
    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let check = |text: &str, byte: usize, chars: usize, column: u32, marked: &str| {
            let source = Source::new("x", text);
            let found = source.diagnostic(Severity::Error, "c", Span::new(byte, byte + 1), "m");
            let snippet = found.snippet.as_deref().expect("a snippet");
            assert_eq!((snippet.chars().count(), found.snippet_column), (chars, column), "{byte}");
            let shown = found.render(crate::diagnostic::Paint::Plain);
            let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
            let caret = lines[4].iter().position(|c| *c == '^').expect("a caret");
            assert_eq!(
                lines[3].get(caret).map_or(String::new(), char::to_string),
                marked,
                "{shown}"
            );
        };
        let long = format!("{}X{}", "a".repeat(5_000), "b".repeat(5_000));
        check("key: X", 5, 6, 1, "X");
        check(&long, 5_000, 400, 4_801, "X");
        check(&long, 0, 200, 1, "a");
        check(&long, 100, 300, 1, "a");
        check(&long, 10_001, 200, 9_802, "");
    }
}
