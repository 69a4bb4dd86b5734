//! The Docker daemon as a test sees it from outside: which containers are there, and which ever were.

use std::process::Command;
use std::sync::OnceLock;

use super::stack::stack;
use super::wait::now;

/// The image of a shell and the usual small commands, made from this machine's busybox.
pub(crate) fn busybox() -> &'static str {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        stack("dockerd.sh", &[]);
        stack("busybox_image.sh", &[]);
    });
    "millrace/busybox:latest"
}

/// `docker ARGUMENTS`: its stdout.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The containers of a DAG, running or not.
pub(crate) fn containers(dag_id: &str) -> Vec<String> {
    let filter = format!("label=millrace.dag={dag_id}");
    lines(&docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]))
}

/// Every container of a DAG that the daemon has ever created since `since` (seconds of the epoch).
pub(crate) fn created(dag_id: &str, since: i64) -> Vec<String> {
    let label = format!("label=millrace.dag={dag_id}");
    let (since, until) = (since.to_string(), (now().as_second() + 1).to_string());
    lines(&docker(&[
        "events",
        "--since",
        &since,
        "--until",
        &until,
        "--filter",
        &label,
        "--filter",
        "event=create",
        "--format",
        "{{.ID}}",
    ]))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
