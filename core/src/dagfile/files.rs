//! Files that a DAG names: scripts and SQL beside it.
//!
//! Core reads no files. A first reading says which are wanted; the caller brings their text and
//! reads again. Must not open anything.

use indexmap::IndexMap;

use crate::operator::{Field, TextUse};

use super::Context;
use super::report::Report;
use super::source::Span;
use super::split::FILE_BYTES_MAX;
use super::tree::{Kind, Node};
use super::value;

/// Adds the files that a field names to the DAG's references, and their text to the task's.
pub(crate) fn collect(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    field: &Field,
    node: &Node,
    files: &mut IndexMap<String, String>,
) {
    let endings = endings(field.text);
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for node in nodes {
        let Kind::Scalar(scalar) = &node.kind else { continue };
        let Some(name) = file_name(&scalar.text, endings) else { continue };
        take(report, context, name, value::value_span(node), files);
    }
}

/// The endings by which a field's text is the name of a file.
pub(crate) fn endings(text: TextUse) -> &'static [&'static str] {
    match text {
        TextUse::File(endings) | TextUse::Shell(endings) => endings,
        _ => &[],
    }
}

/// The text as a file's name, if it is one: it ends as a file does, and has no blank in it and no
/// template (a command such as `bash run.sh` is none).
pub(crate) fn file_name<'t>(text: &'t str, endings: &[&str]) -> Option<&'t str> {
    let named = endings.iter().any(|ending| text.len() > ending.len() && text.ends_with(ending));
    let plain = !text.contains(char::is_whitespace) && !value::is_template(text);
    (named && plain).then_some(text)
}

fn take(
    report: &mut Report<'_>,
    context: &mut Context<'_>,
    name: &str,
    span: Span,
    files: &mut IndexMap<String, String>,
) {
    if !context.file_refs.iter().any(|known| known == name) {
        context.file_refs.push(name.to_owned());
    }
    match context.files.get(name) {
        None => {
            if !context.unread.iter().any(|known| known == name) {
                context.unread.push(name.to_owned());
            }
        }
        Some(Err(reason)) => {
            report
                .error(span, "missing-file", format!("cannot read the file \"{name}\": {reason}"))
                .help(
                    "files are named relative to the DAG file's folder; for a command that only \
                       looks like a file add a blank at its end",
                );
        }
        Some(Ok(text)) if text.len() > FILE_BYTES_MAX => {
            let message = format!("the file \"{name}\" has {} bytes", text.len());
            report
                .error(span, "file-too-large", message)
                .help(format!("a template file has at most {FILE_BYTES_MAX} bytes"));
        }
        Some(Ok(text)) => {
            files.insert(name.to_owned(), text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_file_name() {
        let check = |text: &str, expected: bool| {
            assert_eq!(file_name(text, &[".sh", ".bash"]).is_some(), expected, "{text:?}");
        };
        check("deploy.sh", true);
        check("./deploy.sh", true);
        check("/opt/run.bash", true);
        check("bash deploy.sh", false);
        check("/opt/run.sh ", false);
        check("{{ params.script }}.sh", false);
        check(".sh", false);
        check("echo done", false);
    }
}
