//! Runs the scripts of `tests/stack/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a script of `tests/stack/` and gives the last line that it printed.
///
/// # Panics
/// With the script's words when it fails.
#[expect(clippy::disallowed_methods, reason = "tests start real programs")]
pub(crate) fn stack(script: &str, arguments: &[&str]) -> String {
    let path = Path::new(&root()).join("tests/stack").join(script);
    let output = Command::new(&path)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", path.display()));
    assert!(
        output.status.success(),
        "{script} {arguments:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}
