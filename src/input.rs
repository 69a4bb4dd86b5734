//! What commands read besides their arguments: a file, or standard input.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The text of standard input without its last line break. For secrets: arguments can be seen by
/// everybody on the machine.
pub(crate) fn stdin_text() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// The map in a file, YAML or JSON; `-` is standard input.
pub(crate) fn map(file: &Path) -> Result<Map<String, Value>, Failure> {
    let name = file.display().to_string();
    let text = if file == Path::new("-") {
        stdin_text()?
    } else {
        std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}")))?
    };
    millrace_core::dagfile::plain_map(&name, &text)
        .map_err(|wrong| Failure::usage(wrong.to_string()))
}
