//! What is wrong in a file, where, and what to do: the one shape in which every check answers.
//!
//! Owns the type and its text form. It must not know YAML or DAGs: whoever finds a problem fills
//! in the place; the CLI, the API and the dashboard only print it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The widest part of a source line that is shown, in columns of a terminal.
const SNIPPET_COLUMNS_MAX: usize = 120;

/// The longest message or help, in bytes: the words of a file that they repeat may be longer.
const WORDS_BYTES_MAX: usize = 2_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The DAG does not load.
    Error,
    /// The DAG loads, and probably does not do what was meant.
    Warning,
    /// The DAG loads; something could be written better.
    Note,
}

impl Severity {
    /// The word shown to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Error => "\x1b[1;31m",
            Self::Warning => "\x1b[1;33m",
            Self::Note => "\x1b[1;36m",
        }
    }
}

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the kind of finding, in words with hyphens: `unknown-key`.
    pub code: Cow<'static, str>,
    /// What is wrong, in lower case, with the user's own words in quotes.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file, as its reader named it.
    pub file: String,
    /// The line where it starts, from 1.
    pub line: u32,
    /// The character in that line, from 1.
    pub column: u32,
    /// The line where it ends.
    pub end_line: u32,
    /// The character after its end.
    pub end_column: u32,
    /// The source line where it starts; of a very long one, the part around the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
    /// The character of the line with which the snippet starts, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub snippet_column: u32,
}

/// A snippet is the whole line unless it says otherwise.
const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first(column: &u32) -> bool {
    *column == 1
}

/// How a finding is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text alone.
    Plain,
    /// With ANSI colours.
    Colour,
}

impl Diagnostic {
    /// A finding about a file as a whole.
    pub fn of_file(
        severity: Severity,
        code: &'static str,
        file: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: Cow::Borrowed(code),
            message: bounded(message.into()),
            help: None,
            file: file.into(),
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
            snippet: None,
            snippet_column: 1,
        }
    }

    /// Says what to do.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(bounded(text.into()));
        self
    }

    /// Whether the DAG cannot load.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The finding with its source line and a caret below the place, ending in a newline.
    pub fn render(&self, paint: Paint) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, paint);
        out
    }

    fn write(&self, out: &mut String, paint: Paint) -> fmt::Result {
        let (strong, blue, off) = match paint {
            Paint::Plain => ("", "", ""),
            Paint::Colour => (self.severity.colour(), "\x1b[1;34m", "\x1b[0m"),
        };
        let (severity, code) = (self.severity.as_str(), &self.code);
        writeln!(out, "{strong}{severity}[{code}]{off}: {}", printable(&self.message))?;
        let number = self.line.to_string();
        let pad = " ".repeat(number.len());
        let file = printable(&self.file);
        writeln!(out, "{pad}{blue}-->{off} {file}:{}:{}", self.line, self.column)?;
        if let Some(snippet) = &self.snippet {
            let (line, blanks, carets) = self.mark(snippet);
            let (blanks, carets) = (" ".repeat(blanks), "^".repeat(carets));
            writeln!(out, "{pad} {blue}|{off}")?;
            writeln!(out, "{blue}{number} |{off} {line}")?;
            writeln!(out, "{pad} {blue}|{off} {blanks}{strong}{carets}{off}")?;
        }
        if let Some(help) = &self.help {
            writeln!(out, "{pad} {blue}={off} help: {}", printable(help))?;
        }
        Ok(())
    }

    /// The shown part of the source line, the columns before the carets, and how many carets.
    fn mark(&self, snippet: &str) -> (String, usize, usize) {
        let chars: Vec<char> = snippet.chars().map(visible).collect();
        let skipped = self.snippet_column.max(1) as usize;
        let index = |column: u32| (column as usize).saturating_sub(skipped).min(chars.len());
        let at = index(self.column);
        let end = if self.end_line > self.line { chars.len() } else { index(self.end_column) };
        let width = |part: &[char]| part.iter().map(|&c| columns(c)).sum::<usize>();
        let before = fitting(chars[..at].iter().rev(), SNIPPET_COLUMNS_MAX / 2);
        let first = at - before;
        let room = SNIPPET_COLUMNS_MAX - width(&chars[first..at]);
        let last = at + fitting(chars[at..].iter(), room);
        let cut_left = first > 0 || skipped > 1;
        let mut line = String::new();
        if cut_left {
            line.push('…');
        }
        line.extend(&chars[first..last]);
        if last < chars.len() {
            line.push('…');
        }
        let blanks = width(&chars[first..at]) + usize::from(cut_left);
        let carets = width(&chars[at..end.clamp(at, last.max(at))]).max(1);
        (line.trim_end().to_owned(), blanks, carets)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, .. } = self;
        write!(f, "{file}:{line}:{column}: {}: {message}", self.severity.as_str())
    }
}

/// How many of the characters fit into so many columns.
fn fitting<'c>(chars: impl Iterator<Item = &'c char>, columns_max: usize) -> usize {
    let mut used = 0;
    chars
        .take_while(|&&c| {
            used += columns(c);
            used <= columns_max
        })
        .count()
}

/// A text of at most [`WORDS_BYTES_MAX`].
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > WORDS_BYTES_MAX {
        text.truncate(text.floor_char_boundary(WORDS_BYTES_MAX));
        text.push('…');
    }
    text
}

/// Whether any of them keeps a DAG from loading.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// `2 errors, 1 warning`; `no problems` when there are none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity, word: &str| {
        let found = diagnostics.iter().filter(|d| d.severity == severity).count();
        match found {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        }
    };
    let parts: Vec<String> = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

/// A text from a file, safe for a terminal: control characters cannot move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { ' ' } else { visible(c) }).collect()
}

/// One character as it is shown, in as many columns as [`columns`] says.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

/// The columns that a character takes on a terminal: two for East Asian wide ones.
const fn columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(snippet: &str, column: u32, end_column: u32) -> Diagnostic {
        Diagnostic {
            line: 12,
            column,
            end_line: 12,
            end_column,
            snippet: Some(snippet.to_owned()),
            ..Diagnostic::of_file(Severity::Error, "bad-thing", "a.yaml", "no good")
        }
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let check = |snippet: &str, column, end, expected: &str| {
            assert_eq!(at(snippet, column, end).render(Paint::Plain), expected);
        };
        check(
            "    retires: 2",
            5,
            12,
            "error[bad-thing]: no good\n  --> a.yaml:12:5\n   |\n12 |     retires: 2\n   |     ^^^^^^^\n",
        );
        check(
            "이름: 값\tx",
            5,
            6,
            "error[bad-thing]: no good\n  --> a.yaml:12:5\n   |\n12 | 이름: 값 x\n   |       ^^\n",
        );
        check(
            "a\u{1b}[2J",
            9,
            99,
            "error[bad-thing]: no good\n  --> a.yaml:12:9\n   |\n12 | a\u{fffd}[2J\n   |      ^\n",
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = at(&"가".repeat(500), 250, 251).render(Paint::Plain);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(SNIPPET_COLUMNS_MAX + 10), "{text}");
        assert!(text.contains("…가") && text.contains("가…"), "{text}");
    }

    #[test]
    fn json_is_stable() {
        let mut found = at("x", 1, 2);
        found.help("mend it");
        let json = serde_json::to_string(&found).expect("plain data");
        let back: Diagnostic = serde_json::from_str(&json).expect("its own form");
        assert_eq!(back, found);
        assert!(json.contains(r#""severity":"error","code":"bad-thing""#), "{json}");
        assert_eq!(summary(&[found.clone(), found]), "2 errors");
    }
}
