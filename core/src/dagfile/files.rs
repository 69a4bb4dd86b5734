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
        let span = value::value_span(node);
        let named = file_name(&scalar.text, endings).map(|name| (name.to_owned(), false));
        let taken_in = |text: &str| included(text).into_iter().map(|name| (name, true));
        let mut wanted: Vec<(String, bool)> = taken_in(&scalar.text).chain(named).collect();
        while let Some((name, inside)) = wanted.pop() {
            if files.contains_key(&name) {
                continue;
            }
            if inside && !stays_inside(&name) {
                let message = format!("a template may not take in \"{name}\"");
                report
                    .error(span, "bad-include", message)
                    .help("name a file in the folder of the DAG file, without `..`");
                continue;
            }
            if inside && !context.inside.contains(&name) {
                context.inside.push(name.clone());
            }
            if files.len() >= FILES_MAX {
                let message = format!("more than {FILES_MAX} files in one task");
                report.error(span, "too-many-files", message).help("join some of them");
                return;
            }
            take(report, context, &name, span, files);
            if let Some(text) = files.get(&name) {
                wanted.extend(taken_in(text));
            }
        }
    }
}

/// The most files of one task, with those that they include.
const FILES_MAX: usize = 200;

/// A tag that names a file does so within so many bytes: the longest path, and its words.
const TAG_BYTES_MAX: usize = 4_500;

/// Whether a name can only mean a file below the folder; links are looked at by who reads it.
fn stays_inside(name: &str) -> bool {
    !name.starts_with('/') && name.split('/').all(|part| part != "..")
}

/// The files that a template takes in by a literal name: `{% include 'x.sql' %}`, `extends`,
/// `import` and `from`. Names are relative to the DAG file's folder, as all are.
fn included(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        // Not to the end of the tag: without one every tag would be as long as the rest.
        rest = &rest[start + 2..];
        let tag = &rest[..rest.floor_char_boundary(TAG_BYTES_MAX)];
        let tag = tag.split("%}").next().unwrap_or_default();
        let tag = tag.trim_start_matches(['-', '+']).trim_start();
        let Some((word, argument)) = tag.split_once(char::is_whitespace) else { continue };
        if !matches!(word, "include" | "extends" | "import" | "from") {
            continue;
        }
        let argument = argument.trim_start();
        let Some(quote) = argument.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            continue;
        };
        let name = argument[1..].split(quote).next().unwrap_or_default();
        if !name.is_empty() {
            found.push(name.to_owned());
        }
    }
    found
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

/// Takes in a file that something names.
pub(crate) fn take(
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
    fn what_a_template_takes_in() {
        let check = |text: &str, expected: &[&str]| assert_eq!(included(text), expected, "{text}");
        check("select 1", &[]);
        check("{% include 'a.sql' %} {%- extends \"b/c.sql\" -%}", &["a.sql", "b/c.sql"]);
        check("{% from 'm.sql' import x %}{% import 'n.sql' as n %}", &["m.sql", "n.sql"]);
        check("{% include name %}{% if x %}{% endif %}{{ include }}", &[]);
        check("{% include", &[]);
    }

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
