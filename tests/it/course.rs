//! The users' course: its two pipelines for real, its trigger rules, its first DAG.

use std::process::Command;

use crate::harness::{Metadata, root};

/// Training for two days and deployment in eight situations, through the public API.
///
/// The runs share the name of the service's container, so they go one after another, also when the
/// tests of two folders run at the same time.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
fn both_pipelines(form: &str, metadata: Metadata) {
    let path = std::env::temp_dir().join("millrace-acceptance.lock");
    let lock = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file");
    lock.lock().expect("locked");
    let mut command = Command::new(root().join("tests/stack/acceptance.sh"));
    command.args(["light", form]).env("MILLRACE", env!("CARGO_BIN_EXE_millrace"));
    match metadata.url() {
        Some(url) => command.env("MILLRACE_DATABASE", url),
        None => command.env_remove("MILLRACE_DATABASE"),
    };
    let output = command.output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{form} on {metadata:?}:\n{said}\n{complained}");
    // A script that ended early without a word would be green too.
    let checks = said.lines().filter(|line| line.starts_with("  ok ")).count();
    assert!(checks >= 27, "only {checks} checks were made:\n{said}");
}

#[test]
fn without_containers_on_sqlite() {
    both_pipelines("local", Metadata::Sqlite);
}

#[test]
fn without_containers_on_mariadb() {
    both_pipelines("local", Metadata::MariaDb);
}

#[test]
fn in_containers_on_sqlite() {
    both_pipelines("container", Metadata::Sqlite);
}

#[test]
fn in_containers_on_mariadb() {
    both_pipelines("container", Metadata::MariaDb);
}
