//! Test files of the repository, for this module's tests alone.
#![expect(clippy::disallowed_methods, reason = "tests read and write fixtures; the crate does not")]

use std::path::{Path, PathBuf};

/// A path of the repository.
pub(super) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The YAML files of a folder, by name.
pub(super) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    paths.sort();
    paths
}

/// Whether expected transcripts are written anew instead of compared.
pub(super) fn updates() -> bool {
    std::env::var_os("MILLRACE_UPDATE_EXPECTED").is_some()
}

/// Writes an expected transcript.
pub(super) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a writable folder");
}
