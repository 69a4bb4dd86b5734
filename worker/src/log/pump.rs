//! One output stream of a task: bytes in, masked lines to the log, the last lines remembered.

use std::collections::VecDeque;

use millrace_core::log_line::Source;
use millrace_core::redact::RedactStream;

use super::AttemptLog;
use crate::xcom::LastLine;

/// A longer line goes to the log in pieces.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// How many last lines a failure's reason may quote, and how long each may be.
const QUOTED_LINES: usize = 5;
const QUOTED_CHARS: usize = 300;

/// Turns the bytes of one stream into lines of the log.
pub(crate) struct LinePump {
    source: Source,
    log: AttemptLog,
    redact: RedactStream,
    masked: Vec<u8>,
    partial: Vec<u8>,
    after_return: bool,
    last_line: LastLine,
    quoted: VecDeque<String>,
}

impl LinePump {
    /// A stream at its beginning.
    pub(crate) fn new(source: Source, log: AttemptLog) -> Self {
        let redact = RedactStream::new(log.redactor());
        Self {
            source,
            log,
            redact,
            masked: Vec::new(),
            partial: Vec::new(),
            after_return: false,
            last_line: LastLine::default(),
            quoted: VecDeque::new(),
        }
    }

    /// Takes a chunk; waits when the log is not sent as fast as the task writes.
    pub(crate) async fn push(&mut self, chunk: &[u8]) {
        let mut masked = std::mem::take(&mut self.masked);
        masked.clear();
        self.redact.push(chunk, &mut masked);
        let mut lines = Lines::new(self.log.prefix(self.source));
        self.cut(&masked, &mut lines);
        self.masked = masked;
        self.remember(&lines);
        self.log.write(lines.text).await;
    }

    /// The stream has ended (or is no longer looked at): what is left is the last line.
    pub(crate) async fn finish(&mut self) {
        let mut masked = Vec::new();
        self.redact.finish(&mut masked);
        let mut lines = Lines::new(self.log.prefix(self.source));
        self.cut(&masked, &mut lines);
        if !self.partial.is_empty() {
            lines.end(&mut self.partial);
        }
        self.remember(&lines);
        self.log.write(lines.text).await;
    }

    /// The last line, for the XCom.
    pub(crate) fn last_line(&self) -> &LastLine {
        &self.last_line
    }

    /// The last lines that are not blank, oldest first, for a failure's reason.
    pub(crate) fn quoted(&self) -> impl Iterator<Item = &str> {
        self.quoted.iter().map(String::as_str)
    }

    /// A progress bar ends its "lines" with a lone carriage return: each is a line of the log.
    fn cut(&mut self, bytes: &[u8], lines: &mut Lines) {
        self.last_line.push(bytes);
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let is_second_half = rest[end] == b'\n' && end == 0 && self.after_return;
            self.after_return = rest[end] == b'\r';
            if !is_second_half {
                self.extend(&rest[..end], lines);
                lines.end(&mut self.partial);
            }
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.extend(rest, lines);
        }
    }

    fn extend(&mut self, mut bytes: &[u8], lines: &mut Lines) {
        while self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            let room = LINE_BYTES_MAX - self.partial.len();
            self.partial.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            lines.end(&mut self.partial);
        }
        self.partial.extend_from_slice(bytes);
    }

    fn remember(&mut self, lines: &Lines) {
        let new = lines.text.lines().rev().map(|line| &line[lines.prefix.len()..]);
        let new: Vec<_> = new.filter(|line| !line.trim().is_empty()).take(QUOTED_LINES).collect();
        for line in new.into_iter().rev() {
            if self.quoted.len() == QUOTED_LINES {
                self.quoted.pop_front();
            }
            self.quoted.push_back(line.chars().take(QUOTED_CHARS).collect());
        }
    }
}

/// Whole lines, stamped.
struct Lines {
    prefix: String,
    text: String,
}

impl Lines {
    fn new(prefix: String) -> Self {
        Self { prefix, text: String::new() }
    }

    fn end(&mut self, line: &mut Vec<u8>) {
        self.text.push_str(&self.prefix);
        self.text.push_str(&String::from_utf8_lossy(line));
        self.text.push('\n');
        line.clear();
    }
}
