//! Reads one DAG file and the files that it names from disk.
//!
//! The only place that joins `core::dagfile` with the file system; the folder reader and the
//! command line's `validate`, `render` and `run` use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_core::dagfile::{self, Document, FILE_BYTES_MAX, Known, SourceFile};
use millrace_core::diagnostic::{Diagnostic, Severity};

/// A DAG file as it was read.
#[derive(Debug)]
pub struct DagFile {
    /// Its DAGs and what is wrong with them.
    pub documents: Vec<Document>,
    /// The text of the files that they name, by the name written; missing ones are left out.
    pub files: BTreeMap<String, String>,
    /// Where those files are, also the missing ones.
    pub paths: Vec<PathBuf>,
}

/// The DAG files below a folder, by path below it with `/`, sorted.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn dag_files(folder: &Path) -> std::io::Result<Vec<String>> {
    Ok(crate::folder::dag_files(folder)?.into_iter().collect())
}

/// Reads the DAG file `path`, called `name` in messages.
pub fn read_dag_file(path: &Path, name: &str, known: &Known<'_>) -> DagFile {
    let bytes = match bounded(path) {
        Ok(bytes) => bytes,
        Err(Unread::TooLarge(bytes)) => return with_diagnostic(dagfile::too_large(name, bytes)),
        Err(Unread::Other(message)) => return unreadable(name, &message),
    };
    let text = match dagfile::text_of(name, &bytes) {
        Ok(text) => text,
        Err(diagnostic) => return with_diagnostic(*diagnostic),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    read_dag_text(name, text, folder, &mut |name| read_text(&folder.join(name)), known)
}

/// Reads the text of a DAG file that may be elsewhere than on disk; `read` brings the files that
/// it names, which would be in `folder`.
pub fn read_dag_text(
    name: &str,
    text: String,
    folder: &Path,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
    known: &Known<'_>,
) -> DagFile {
    let mut file = SourceFile { name: name.to_owned(), text, files: BTreeMap::new() };
    let mut documents = dagfile::read(&file, known);
    // A file that was read may take in others.
    for _ in 0..ROUNDS_MAX {
        let unread: Vec<String> = documents.iter().flat_map(|doc| doc.unread.clone()).collect();
        if unread.is_empty() {
            break;
        }
        for name in unread {
            let inside = documents.iter().any(|doc| doc.inside.contains(&name));
            let text = if inside && leads_out(folder, &name) {
                Err("it is a link that leads out of the DAG file's folder".to_owned())
            } else {
                read(&name)
            };
            file.files.insert(name, text);
        }
        documents = dagfile::read(&file, known);
    }
    let paths = file.files.keys().map(|name| folder.join(name)).collect();
    let files =
        file.files.into_iter().filter_map(|(name, text)| Some((name, text.ok()?))).collect();
    DagFile { documents, files, paths }
}

/// Files that take in files that take in files: so deep at most.
const ROUNDS_MAX: usize = 10;

/// Whether a file that exists lies elsewhere than its name says.
fn leads_out(folder: &Path, name: &str) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match (folder.canonicalize(), folder.join(name).canonicalize()) {
        (Ok(folder), Ok(file)) => !file.starts_with(folder),
        _ => false,
    }
}

/// Why a file was not read.
enum Unread {
    /// So many bytes are too many.
    TooLarge(usize),
    /// Something else, in words.
    Other(String),
}

/// A file's bytes, bounded.
fn bounded(path: &Path) -> Result<Vec<u8>, Unread> {
    let failed = |error: std::io::Error| Unread::Other(words(&error));
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(Unread::Other("it is not a file".to_owned()));
    }
    if meta.len() > FILE_BYTES_MAX as u64 {
        return Err(Unread::TooLarge(usize::try_from(meta.len()).unwrap_or(usize::MAX)));
    }
    std::fs::read(path).map_err(failed)
}

/// A file's text, bounded; why not, in words.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = bounded(path).map_err(|unread| match unread {
        Unread::TooLarge(bytes) => {
            format!("it has {bytes} bytes; at most {FILE_BYTES_MAX} are read")
        }
        Unread::Other(message) => message,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 (byte {} cannot be read)", error.utf8_error().valid_up_to())
    })
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => error.to_string(),
    }
}

fn unreadable(name: &str, message: &str) -> DagFile {
    with_diagnostic(Diagnostic::of_file(Severity::Error, "unreadable", name, message))
}

fn with_diagnostic(diagnostic: Diagnostic) -> DagFile {
    let document = Document::bare(diagnostic);
    DagFile { documents: vec![document], files: BTreeMap::new(), paths: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use millrace_core::timetable::Zones;

    use super::*;

    /// A folder of DAGs in a folder with a secret beside it.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let dags = folder.path().join("dags");
        std::fs::create_dir_all(dags.join("sql")).expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("secret.sql", "select 'secret'");
        write("dags/sql/part.sql", "select 1");
        write("dags/sql/outer.sql", "{% include 'sql/part.sql' %}");
        write("dags/sql/nested.sql", "{% include '../secret.sql' %}");
        let large = "x".repeat(FILE_BYTES_MAX + 1);
        write("dags/sql/large.sql", &large);
        symlink("../../secret.sql", dags.join("sql/link.sql")).expect("a link");
        symlink("part.sql", dags.join("sql/near.sql")).expect("a link");
        symlink("/dev/zero", dags.join("sql/zero.sql")).expect("a link");
        folder
    }

    /// What is said of a task whose command takes in `name`.
    fn said(folder: &Path, name: &str) -> String {
        let zones = Zones::default();
        let path = folder.join("dags/a.yaml");
        let text = format!(
            "dag_id: a\ntasks:\n  t:\n    operator: bash\n    bash_command: \"{{% include '{name}' %}} \"\n"
        );
        std::fs::write(&path, text).expect("written");
        let read = read_dag_file(&path, "a.yaml", &Known::new(&zones));
        assert!(read.files.values().all(|text| !text.contains("'secret'")), "{name}");
        let said = read.documents.iter().flat_map(|document| &document.diagnostics);
        said.map(|found| found.message.clone()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn templates_take_in_files_of_the_folder_alone() {
        let folder = folder();
        let absolute = folder.path().join("secret.sql").to_string_lossy().into_owned();
        for (name, expected) in [
            ("sql/part.sql", ""),
            ("sql/outer.sql", ""),
            ("sql/near.sql", ""),
            ("../secret.sql", "a template may not take in \"../secret.sql\""),
            ("sql/../../secret.sql", "a template may not take in \"sql/../../secret.sql\""),
            (absolute.as_str(), "a template may not take in"),
            ("/dev/zero", "a template may not take in \"/dev/zero\""),
            ("sql/nested.sql", "a template may not take in \"../secret.sql\""),
            ("sql/link.sql", "it is a link that leads out of the DAG file's folder"),
            ("sql/zero.sql", "it is a link that leads out of the DAG file's folder"),
            ("sql", "it is not a file"),
            ("sql/gone.sql", "there is no such file"),
            ("sql/large.sql", "at most"),
        ] {
            let said = said(folder.path(), name);
            assert!(said.contains(expected), "{name}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{name}: {said}");
        }
    }
}
