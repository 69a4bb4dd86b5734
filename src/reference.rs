//! Keeps `docs/cli.md` equal to what the program says of itself.
//!
//! `MILLRACE_BLESS=1 cargo test -p millrace reference` writes it anew.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

const HEAD: &str = "# The command line

One program, `millrace`. Every command answers `--help` with examples. `--output json` gives what programs read; tables are for people and may change. This page is written by the program itself (`src/reference.rs`).

Exit codes: 0 all is well; 1 the thing asked about is wrong (an invalid DAG, a failed run); 2 the command was used wrongly, or its surroundings are (settings, database, port); 70 a defect of Millrace.

`RUN` is a dag run's id, or `latest`. Dates are instants (`2025-08-21T21:24:23Z`), or days and times in the DAG's zone (`2025-08-22`, `2025-08-22T06:00`). Commands read and write the database themselves and work without a running server; what changes runs waits for the scheduler.
";

fn reference() -> String {
    let mut command = crate::Cli::command();
    command.build();
    let mut text = HEAD.to_owned();
    text.push_str("\n## Settings of every command\n\n");
    table(&mut text, command.get_arguments().filter(|arg| arg.is_global_set()));
    for sub in command.get_subcommands() {
        section(&mut text, sub, "millrace");
    }
    text
}

fn section(text: &mut String, command: &Command, above: &str) {
    let name = format!("{above} {}", command.get_name());
    if command.get_name() == "help" {
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let children: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
    let level = if above.contains(' ') { "###" } else { "##" };
    let _ = write!(text, "\n{level} {name}\n\n{about}.\n");
    if children.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim();
        let _ = write!(text, "\n```text\n{usage}\n```\n");
        let own = command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
        let own: Vec<_> =
            own.filter(|a| !["help", "version"].contains(&a.get_id().as_str())).collect();
        if !own.is_empty() {
            text.push('\n');
            table(text, own.into_iter());
        }
    }
    if let Some(more) = command.get_after_help() {
        let _ = write!(text, "\n```text\n{more}\n```\n");
    }
    for child in children {
        section(text, child, &name);
    }
}

fn table<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | environment | meaning |\n|---|---|---|\n");
    for arg in arguments {
        let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        let name = arg.to_string();
        let env = arg.get_env().map(|env| format!("`{}`", env.to_string_lossy()));
        let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
        if arg.get_action().takes_values() {
            let values: Vec<_> = arg
                .get_possible_values()
                .iter()
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            if !values.is_empty() {
                let _ = write!(meaning, ": {}", values.join(", "));
            }
            let defaults: Vec<_> =
                arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
            if !defaults.is_empty() && !arg.is_hide_default_value_set() {
                let _ = write!(meaning, " [default: {}]", defaults.join(","));
            }
        }
        let meaning = meaning.replace('|', "\\|").replace('\n', " ");
        let env = env.unwrap_or_default();
        let _ = writeln!(text, "| `{short}{name}` | {env} | {meaning} |");
    }
}

/// Every environment variable that an option has.
fn variables(command: &Command, found: &mut Vec<String>) {
    for arg in command.get_arguments() {
        found.extend(arg.get_env().map(|env| env.to_string_lossy().into_owned()));
    }
    for sub in command.get_subcommands() {
        variables(sub, found);
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let now = reference();
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        std::fs::write(&path, &now).expect("docs/cli.md is written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == now,
        "docs/cli.md is old; run: MILLRACE_BLESS=1 cargo test -p millrace reference"
    );
}

#[test]
fn every_variable_is_in_the_operations_guide() {
    let guide = include_str!("../docs/operations.md");
    let mut found = Vec::new();
    variables(&crate::Cli::command(), &mut found);
    assert!(found.len() > 5, "{found:?}");
    for name in found {
        assert!(guide.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    crate::Cli::command().debug_assert();
}
