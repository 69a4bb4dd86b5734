//! What an operator says at its end, before it becomes the attempt's result.

use std::time::Duration;

use millrace_core::record::AttemptKey;
use millrace_core::wire::{AttemptResult, Outcome};
use serde_json::{Map, Value};

use crate::stop::StopReason;

/// The end of an operator's run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The exit code, where there is one.
    pub(crate) exit_code: Option<i32>,
    /// Why, in words.
    pub(crate) reason: Option<String>,
    /// The XCom `return_value`.
    pub(crate) return_value: Option<Value>,
    /// Numbers that the task reported.
    pub(crate) metrics: Map<String, Value>,
    /// What the task says of the assets that it wrote: extras by name or URI.
    pub(crate) assets: Map<String, Value>,
    /// A branch's chosen tasks.
    pub(crate) chosen: Option<Vec<String>>,
    /// Whether a short circuit goes on.
    pub(crate) go_on: Option<bool>,
}

impl Report {
    /// A report with nothing but its outcome.
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            exit_code: None,
            reason: None,
            return_value: None,
            metrics: Map::new(),
            assets: Map::new(),
            chosen: None,
            go_on: None,
        }
    }

    /// A success with its value.
    pub(crate) fn success(return_value: Option<Value>) -> Self {
        Self { return_value, ..Self::new(Outcome::Success) }
    }

    /// The same report with an exit code.
    pub(crate) fn exit_code(mut self, exit_code: Option<i32>) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Whether it is good news.
    pub(crate) fn is_success(&self) -> bool {
        self.outcome == Outcome::Success
    }

    /// The result that goes to the scheduler.
    pub(crate) fn into_result(self, key: AttemptKey, rendered: Option<Value>) -> AttemptResult {
        let mut result = AttemptResult::new(key, self.outcome);
        if let Some(value) = self.return_value {
            result.xcoms.insert("return_value".to_owned(), value);
        }
        result.exit_code = self.exit_code;
        result.reason = self.reason;
        result.metrics = self.metrics;
        result.assets = self.assets;
        result.chosen = self.chosen;
        result.go_on = self.go_on;
        result.rendered = rendered;
        result
    }
}

/// Why an operator did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    outcome: Outcome,
    exit_code: Option<i32>,
    reason: String,
}

impl Failure {
    /// By the task's fault.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, exit_code: None, reason: reason.into() }
    }

    /// By the task's fault, and a retry cannot mend it.
    pub(crate) fn for_good(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::FailedForGood, exit_code: None, reason: reason.into() }
    }

    /// Without the task's fault.
    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Lost, exit_code: None, reason: reason.into() }
    }

    /// It was stopped.
    pub(crate) fn stopped(reason: &StopReason) -> Self {
        let outcome = match reason {
            StopReason::TimedOut { .. } => Outcome::Failed,
            StopReason::Ordered(_) => Outcome::Killed,
            StopReason::LeaseLost | StopReason::ShuttingDown => Outcome::Lost,
        };
        Self { outcome, exit_code: None, reason: reason.to_string() }
    }

    /// The same with more words.
    pub(crate) fn adding(mut self, words: &str) -> Self {
        self.reason.push_str(words);
        self
    }

    /// Why.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// The same failure with an exit code.
    pub(crate) fn exit_code(mut self, exit_code: i32) -> Self {
        self.exit_code = Some(exit_code);
        self
    }
}

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        Self {
            exit_code: failure.exit_code,
            reason: Some(failure.reason),
            ..Self::new(failure.outcome)
        }
    }
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// A time span for people: `5 s`, `0.25 s`.
pub(crate) fn seconds(span: Duration) -> String {
    let secs = span.as_secs_f64();
    if secs.fract() == 0.0 { format!("{secs:.0} s") } else { format!("{secs:.3} s") }
}
