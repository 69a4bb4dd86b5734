//! How a command ends: an exit code, and one message on stderr.
//!
//! 0 all is well · 1 the thing asked about is wrong (an invalid DAG, a failed run) · 2 the command
//! was used wrongly or the surroundings are (settings, database, port) · 70 a defect of Millrace.

use std::fmt::Display;

/// The end of a command that did not go well.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// What to say; empty when all was said already.
    pub message: String,
}

impl Failure {
    /// The thing asked about is wrong.
    pub(crate) fn wrong(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// The command was used wrongly, or its surroundings are wrong.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// A defect.
    pub(crate) fn defect(message: impl Display) -> Self {
        Self { code: 70, message: message.to_string() }
    }
}
