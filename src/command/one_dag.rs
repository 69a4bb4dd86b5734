//! What the offline commands share: reading a file's DAGs, reading a date.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use millrace_core::dag::Dag;
use millrace_core::dagfile::parse_instant;
use millrace_core::diagnostic::Paint;
use millrace_scheduler::disk::{DagFile, read_dag_file};

use crate::failure::Failure;
use crate::settings::Settings;

/// A file that is named must be one.
///
/// # Errors
/// It is not there, or it is a folder.
pub(crate) fn there(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    if file.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder; name one DAG file")));
    }
    if file.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!("{shown}: there is no such file")))
}

/// The DAGs of a file, or the one named.
///
/// # Errors
/// It is no file; the file's errors as `validate` prints them; a name that it does not hold.
pub(crate) fn read(
    settings: &Settings,
    file: &Path,
    dag_id: Option<&str>,
) -> Result<Vec<Dag>, Failure> {
    there(file)?;
    let zones = settings.zones()?;
    let read = read_dag_file(file, &file.display().to_string(), &settings.known(&zones));
    of(read, dag_id)
}

/// The DAGs of a file that was read, or the one named.
///
/// # Errors
/// The file's errors as `validate` prints them; a name that it does not hold.
pub(crate) fn of(read: DagFile, dag_id: Option<&str>) -> Result<Vec<Dag>, Failure> {
    let mut dags = Vec::new();
    let mut errors = Vec::new();
    for document in read.documents {
        errors.extend(
            document.diagnostics.iter().filter(|d| d.is_error()).map(|d| d.render(Paint::Plain)),
        );
        dags.extend(document.dag);
    }
    if !errors.is_empty() {
        return Err(Failure::wrong(format!("the file has errors\n{}", errors.join("\n"))));
    }
    if let Some(wanted) = dag_id {
        let names: Vec<_> = dags.iter().map(|dag| dag.dag_id.to_string()).collect();
        dags.retain(|dag| dag.dag_id == *wanted);
        if dags.is_empty() {
            let names = names.join(", ");
            return Err(Failure::usage(format!(
                "the file has no dag \"{wanted}\"; it has {names}"
            )));
        }
    }
    Ok(dags)
}

/// A date as people write it: an instant with a zone, or a date and time of `zone`.
pub(crate) fn instant(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let text = text.trim();
    parse_instant(text, zone).map(millrace_core::time::truncate).map_err(|reason| {
        Failure::usage(format!(
            "\"{text}\" {reason}; write 2025-08-22, 2025-08-22T06:00 or 2025-08-21T21:24:23Z"
        ))
    })
}
