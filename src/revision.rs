//! A DAG file as it was: at a revision of git, or another file.
//!
//! `git show` is asked with arguments of its own, never through a shell; a revision has only the
//! characters that revisions have, so that it cannot be an option.

use std::path::Path;

use millrace_core::dag::Dag;
use millrace_core::dagfile::FILE_BYTES_MAX;
use millrace_scheduler::disk::{read_dag_file, read_dag_text};

use crate::command::dags_of;
use crate::failure::Failure;
use crate::settings::Settings;

/// The DAGs of a file at a revision, or of another file of that name.
///
/// # Errors
/// There is no such revision or file; the file had errors then.
pub(crate) fn dags(
    settings: &Settings,
    file: &Path,
    other: &str,
    dag_id: Option<&str>,
) -> Result<Vec<Dag>, Failure> {
    let zones = settings.zones()?;
    let known = settings.known(&zones);
    let path = Path::new(other);
    if path.is_file() {
        return dags_of(read_dag_file(path, other, &known), dag_id);
    }
    if !is_revision(other) {
        return Err(Failure::usage(format!(
            "\"{other}\" is no file, and no revision of git, such as HEAD~1, main or 1a2b3c4"
        )));
    }
    let folder =
        file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| Failure::usage(format!("{}: no file", file.display())))?;
    let mut read = |name: &str| show(folder, other, name);
    let text = read(&name)
        .map_err(|reason| Failure::usage(format!("{} at {other}: {reason}", file.display())))?;
    let shown = format!("{} at {other}", file.display());
    dags_of(read_dag_text(&shown, text, folder, &mut read, &known), dag_id)
}

fn is_revision(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/~^@{}-".contains(c);
    !text.is_empty() && text.len() <= 250 && !text.starts_with('-') && text.chars().all(allowed)
}

/// The text of a file at a revision; `name` is relative to `folder`.
#[expect(clippy::disallowed_methods, reason = "git alone knows what a file was")]
fn show(folder: &Path, revision: &str, name: &str) -> Result<String, String> {
    if Path::new(name).is_absolute() {
        return Err("only files of the repository have revisions".to_owned());
    }
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["show", "--no-textconv", "--end-of-options"])
        .arg(format!("{revision}:./{name}"))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("git cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("git says nothing");
        return Err(said.trim_start_matches("fatal: ").to_owned());
    }
    if output.stdout.len() > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(output.stdout).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_never_an_option() {
        for good in ["HEAD", "HEAD~1", "main", "v1.2", "origin/main", "1a2b3c4", "@{1}", "HEAD^"] {
            assert!(is_revision(good), "{good}");
        }
        for bad in ["", "-p", "--output=x", "HEAD:x", "a b", "$(id)", "x;y", "a\nb"] {
            assert!(!is_revision(bad), "{bad}");
        }
    }
}
