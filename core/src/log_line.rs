//! The form of a line in an attempt's log: `2026-11-20T09:31:05.079453Z out text`.
//!
//! The worker writes it, the API and the command line read it. Always one space between the
//! three parts, the instant always with six digits, so that lines sort and can be cut by position.

use jiff::Timestamp;

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The task's standard output.
    Out,
    /// The task's standard error.
    Err,
    /// Millrace itself: what it does for the task.
    Info,
    /// Millrace itself: something odd that does not stop the task.
    Warn,
    /// Millrace itself: why the task fails.
    Error,
}

impl Source {
    /// The word in the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The source of a word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Out, Self::Err, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|source| source.as_str() == word)
    }

    /// The level that people filter by: what a task prints is `info`, on both streams.
    pub const fn level(self) -> &'static str {
        match self {
            Self::Out | Self::Err | Self::Info => "info",
            Self::Warn => "warning",
            Self::Error => "error",
        }
    }
}

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'t> {
    /// When the worker saw it.
    pub at: Option<Timestamp>,
    /// Where it comes from; `Out` when the line does not say.
    pub source: Source,
    /// Its text, without the line end.
    pub text: &'t str,
}

/// What stands before a line's text; made once for all lines seen at the same time.
pub fn prefix(at: Timestamp, source: Source) -> String {
    let micros = at.as_microsecond().rem_euclid(1_000_000);
    format!("{}.{micros:06}Z {} ", at.strftime("%Y-%m-%dT%H:%M:%S"), source.as_str())
}

/// Appends a line, with its end; a line end inside of `text` would make two records, so the
/// caller splits first.
pub fn write(out: &mut String, at: Timestamp, source: Source, text: &str) {
    out.push_str(&prefix(at, source));
    out.push_str(text);
    out.push('\n');
}

/// Takes a line apart; one in another form is all text.
pub fn parse(line: &str) -> LogLine<'_> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let mut parts = line.splitn(3, ' ');
    let at = parts.next().and_then(|at| at.parse().ok());
    let source = parts.next().and_then(Source::from_word);
    match (at, source, parts.next()) {
        (Some(at), Some(source), Some(text)) => LogLine { at: Some(at), source, text },
        _ => LogLine { at: None, source: Source::Out, text: line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_and_read_back() {
        let at: Timestamp = "2026-11-20T09:31:05.079Z".parse().expect("an instant");
        for (source, text) in [(Source::Out, "a b"), (Source::Error, ""), (Source::Err, " x ")] {
            let mut line = String::new();
            write(&mut line, at, source, text);
            assert!(line.starts_with("2026-11-20T09:31:05.079000Z "), "{line}");
            assert_eq!(parse(&line), LogLine { at: Some(at), source, text });
        }
        let foreign = LogLine { at: None, source: Source::Out, text: "no instant here" };
        assert_eq!(parse("no instant here\n"), foreign);
    }
}
