//! A file's bytes → text → the spans of its YAML documents.
//!
//! Splitting before parsing is what keeps one bad document from hiding the others: `---` at the
//! start of a line ends a document wherever it stands, also inside quotes. Must not parse YAML.

use crate::diagnostic::{Diagnostic, Severity};

use super::source::{Source, Span};

/// The largest DAG file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// The most YAML documents in one file.
pub const DOCUMENTS_MAX: usize = 1_000;

/// Reads a file's bytes as text, without a byte order mark.
///
/// # Errors
/// A diagnostic when the file is larger than [`FILE_BYTES_MAX`] or not UTF-8; then at the line and
/// character of the first wrong byte.
pub fn text_of(name: &str, bytes: &[u8]) -> Result<String, Box<Diagnostic>> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Box::new(too_large(name, bytes.len())));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes);
            let source = Source::new(name, &text);
            let byte = bytes[at];
            let message = format!("the byte 0x{byte:02x} is not UTF-8 text");
            let mut found =
                source.diagnostic(Severity::Error, "not-utf8", Span::new(at, at + 1), message);
            found.help(match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16; save it as UTF-8",
                _ => "save the file as UTF-8 (`iconv -f CP949 -t UTF-8` for older Korean files)",
            });
            Err(Box::new(found))
        }
    }
}

/// The finding for a file over the limit.
pub fn too_large(name: &str, bytes: usize) -> Diagnostic {
    let message = format!("the file has {bytes} bytes; a DAG file has at most {FILE_BYTES_MAX}");
    let mut found = Diagnostic::of_file(Severity::Error, "file-too-large", name, message);
    found.help("split it into several files, or move scripts and SQL to files beside it");
    found
}

/// The spans of a text's documents. Parts that hold nothing but comments are no documents; what
/// stands before the first `---` (comments, directives) belongs to the first one.
pub(crate) fn documents(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut at = 0;
    // Kept line by line: a file of nothing but markers is looked at once.
    let mut is_full = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let starts = bare == "---" || bare.starts_with("--- ") || bare.starts_with("---\t");
        let ends = bare == "..." || bare.starts_with("... ");
        if starts && is_full {
            spans.push(Span::new(start, at));
            start = at;
            is_full = false;
        }
        at += line.len();
        is_full |= has_content(line);
        if ends {
            if is_full {
                spans.push(Span::new(start, at));
            }
            start = at;
            is_full = false;
        }
    }
    if is_full {
        spans.push(Span::new(start, text.len()));
    }
    spans
}

/// Whether anything but comments, blank lines, directives and markers is there.
fn has_content(part: &str) -> bool {
    part.lines().any(|line| {
        let bare = line.trim();
        let marker = line.starts_with("---") || line.starts_with("...");
        let nothing = bare.is_empty() || bare.starts_with('#') || line.starts_with('%');
        let after_marker = bare.trim_start_matches(['-', '.']).trim_start();
        if marker { !after_marker.is_empty() && !after_marker.starts_with('#') } else { !nothing }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_split_at_markers() {
        let check = |text: &str, expected: &[&str]| {
            let got: Vec<&str> =
                documents(text).iter().map(|span| &text[span.start..span.end]).collect();
            assert_eq!(got, expected, "{text:?}");
        };
        check("a: 1\n", &["a: 1\n"]);
        check("", &[]);
        check("# only\n\n", &[]);
        check("# head\n---\na: 1\n---\nb: 2\n", &["# head\n---\na: 1\n", "---\nb: 2\n"]);
        check("a: 1\r\n---\r\n---\r\nb: 2", &["a: 1\r\n", "---\r\n---\r\nb: 2"]);
        check("a: 1\n...\n# x\n---\nb: 2\n", &["a: 1\n...\n", "# x\n---\nb: 2\n"]);
        check("a: |\n  ---\n  x\n", &["a: |\n  ---\n  x\n"]);
        check("a: '\n---\nb: 1\n", &["a: '\n", "---\nb: 1\n"]);
        check("--- {a: 1}\n", &["--- {a: 1}\n"]);
    }

    #[test]
    fn bytes_become_text() {
        let check =
            |bytes: &[u8], expected: Result<&str, (&str, u32, u32)>| match text_of("x", bytes) {
                Ok(text) => assert_eq!(Ok(text.as_str()), expected),
                Err(found) => {
                    assert_eq!(Err((&*found.code, found.line, found.column)), expected);
                }
            };
        check(b"\xef\xbb\xbfa: 1", Ok("a: 1"));
        check("a: 가\nb: \u{0}".as_bytes(), Ok("a: 가\nb: \u{0}"));
        check(b"a: 1\nb: \xea\xb0\x80\xb0", Err(("not-utf8", 2, 5)));
        check(&vec![b' '; FILE_BYTES_MAX + 1], Err(("file-too-large", 1, 1)));
    }
}
