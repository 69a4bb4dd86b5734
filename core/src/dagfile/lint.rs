//! Commands that do not do what they seem to.
//!
//! Warnings only. Must not refuse anything.

use crate::operator::{Field, TextUse};

use super::report::Report;
use super::source::Span;
use super::tree::{Kind, Node, Style};
use super::value;

/// Looks at one field of an operator.
pub(crate) fn check(report: &mut Report<'_>, field: &Field, node: &Node) {
    if let (TextUse::Shell(_), Kind::Scalar(scalar)) = (field.text, &node.kind) {
        compose_up(report, &scalar.text, scalar.style, node);
    }
}

/// `docker compose up` answers 0 when the container failed: the task would be green.
fn compose_up(report: &mut Report<'_>, text: &str, style: Style, node: &Node) {
    for (number, line) in text.lines().enumerate() {
        for command in line.split(['&', ';', '|']) {
            let words: Vec<&str> = command.split_whitespace().collect();
            if !is_bare_up(&words) {
                continue;
            }
            let span = match style {
                Style::Literal => literal_line(report, node, number),
                _ => value::value_span(node),
            };
            report
                .warning(span, "compose-up", "`docker compose up` succeeds even when the container failed")
                .help("add `--exit-code-from SERVICE`, or use `docker compose run` or the `docker` operator");
            return;
        }
    }
}

/// Whether the words are `docker compose … up …` in the foreground without a way to fail.
fn is_bare_up(words: &[&str]) -> bool {
    let start = words.iter().position(|word| {
        *word == "docker-compose" || word.ends_with("/docker-compose") || *word == "compose"
    });
    let Some(start) = start else { return false };
    if words[start] == "compose" && (start == 0 || !words[start - 1].ends_with("docker")) {
        return false;
    }
    let rest = &words[start..];
    let Some(up) = rest.iter().position(|word| *word == "up") else { return false };
    let flags = &rest[up..];
    let safe = ["--exit-code-from", "--abort-on-container-exit", "--abort-on-container-failure"];
    let fails = flags.iter().any(|flag| safe.iter().any(|safe| flag.starts_with(safe)));
    let detached = flags.iter().any(|flag| matches!(*flag, "-d" | "--detach" | "--wait"));
    !fails && !detached
}

/// The place of a line of a `|` block.
fn literal_line(report: &Report<'_>, node: &Node, number: usize) -> Span {
    let (first, _) = report.source.position(node.span.start);
    let line = first + u32::try_from(number).unwrap_or(0);
    let text = report.source.line(line);
    let start = report.source.line_start(line);
    let indent = text.len() - text.trim_start().len();
    Span::new(start + indent, start + text.trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_up_without_an_exit_code() {
        let check = |command: &str, expected: bool| {
            let words: Vec<&str> = command.split_whitespace().collect();
            assert_eq!(is_bare_up(&words), expected, "{command}");
        };
        check("docker compose up --build", true);
        check("docker-compose -f x.yml up", true);
        check("sudo docker compose up", true);
        check("docker compose up --exit-code-from train", false);
        check("docker compose up --abort-on-container-exit", false);
        check("docker compose up -d", false);
        check("docker compose run train", false);
        check("echo compose up", false);
        check("", false);
    }
}
