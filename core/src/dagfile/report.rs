//! Collects the findings of one document.
//!
//! Must not decide anything: it only turns spans into places and stops at a limit.

use crate::diagnostic::{Diagnostic, Severity};

use super::source::{Source, Span};

/// The most findings kept of one document; a file with more has one cause.
const FINDINGS_MAX: usize = 200;

/// The findings so far, and the text that their spans mean.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) source: &'a Source<'a>,
    pub(crate) found: Vec<Diagnostic>,
    /// Values that are wrong as a whole: what else is wrong inside them follows from that.
    tainted: Vec<Span>,
    /// Where findings go that are too many, already known, or follow from another.
    spare: Diagnostic,
}

impl<'a> Report<'a> {
    /// An empty report about a text.
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        let spare = Diagnostic::of_file(Severity::Note, "spare", "", "");
        Self { source, found: Vec::new(), tainted: Vec::new(), spare }
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.at(Severity::Error, code, span, message.into())
    }

    /// Adds a warning.
    pub(crate) fn warning(
        &mut self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.at(Severity::Warning, code, span, message.into())
    }

    /// Adds a note.
    pub(crate) fn note(
        &mut self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.at(Severity::Note, code, span, message.into())
    }

    /// Says that nothing more is to be reported inside a span.
    pub(crate) fn taint(&mut self, span: Span) {
        self.tainted.push(span);
    }

    fn at(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        if self.is_full()
            || self.tainted.iter().any(|known| known.start <= span.start && span.start < known.end)
        {
            return &mut self.spare;
        }
        self.add(self.source.diagnostic(severity, code, span, message))
    }

    /// Adds a finding; one that is there already (a shared anchor, an inherited key) counts once.
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let known = self.found.iter().any(|other| {
            other.line == diagnostic.line
                && other.column == diagnostic.column
                && other.message == diagnostic.message
                && other.file == diagnostic.file
        });
        if known || self.is_full() {
            return &mut self.spare;
        }
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Whether nothing more is kept: who reads on finds nothing new.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= FINDINGS_MAX
    }

    /// Whether an error was found.
    pub(crate) fn failed(&self) -> bool {
        crate::diagnostic::has_errors(&self.found)
    }
}
