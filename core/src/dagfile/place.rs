//! Places in a document that outlive its reading: for what is found later, such as a failed case.

use std::collections::BTreeMap;

use super::Document;
use super::source::{Source, Span};
use super::task::Built;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ids::TaskId;

/// A part of a file's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { start: span.start, end: span.end }
    }
}

/// Where the tasks of a DAG stand.
#[derive(Debug, Clone, Default)]
pub struct TaskPlaces {
    tasks: BTreeMap<TaskId, (Place, Option<Place>)>,
}

impl TaskPlaces {
    pub(crate) fn of(built: &[Built]) -> Self {
        let place = |built: &Built| {
            let rule = built.trigger_rule_span.map(Place::from);
            (built.task.task_id.clone(), (built.id_span.into(), rule))
        };
        Self { tasks: built.iter().map(place).collect() }
    }

    /// Where a task's name stands.
    pub fn task(&self, task_id: &str) -> Option<Place> {
        self.tasks.get(task_id).map(|(task, _)| *task)
    }

    /// Where a task's trigger rule stands; its name when it says none.
    pub fn trigger_rule(&self, task_id: &str) -> Option<Place> {
        self.tasks.get(task_id).map(|(task, rule)| rule.unwrap_or(*task))
    }
}

impl Document {
    /// A finding at a place of this document; `file` is what messages call its file.
    pub fn finding(
        &self,
        file: &str,
        severity: Severity,
        code: &'static str,
        place: Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        let source = Source::new(file, &self.text);
        let span = Span::new(
            place.start.saturating_sub(self.byte_offset),
            place.end.saturating_sub(self.byte_offset),
        );
        let mut found = source.diagnostic(severity, code, span, message);
        found.line += self.line_offset;
        found.end_line += self.line_offset;
        found
    }
}
