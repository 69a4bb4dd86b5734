//! Places in a file: byte spans, and the line and character that a person counts.
//!
//! Must not know YAML.

use std::borrow::Cow;

use crate::diagnostic::{Diagnostic, Severity};

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
        Self { name, text, line_starts }
    }

    /// Line and character of a byte, both from 1.
    pub(crate) fn position(&self, byte: usize) -> (u32, u32) {
        let byte = floor_boundary(self.text, byte);
        let line = self.line_starts.partition_point(|&start| start <= byte) - 1;
        let chars = self.text[self.line_starts[line]..byte].chars().count();
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
        Diagnostic {
            severity,
            code: Cow::Borrowed(code),
            message: message.into(),
            help: None,
            file: self.name.to_owned(),
            line,
            column,
            end_line,
            end_column,
            snippet: Some(self.line(line).to_owned()),
        }
    }
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
        assert_eq!(source.line(1), "가나: 1");
        assert_eq!(source.line(4), "end");
        assert_eq!(source.line(5), "");
    }
}
