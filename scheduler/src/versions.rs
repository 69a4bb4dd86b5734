//! Reads a stored DAG version again.

use std::sync::Arc;

use millrace_core::dag::Dag;
use millrace_core::dagfile::{self, Known, SourceFile};
use millrace_core::record::VersionRow;

use crate::config::SchedulerConfig;
use crate::folder::known;

/// The DAG of a version, with what this scheduler knows.
pub(crate) fn dag_of(version: &VersionRow, config: &SchedulerConfig) -> Result<Arc<Dag>, String> {
    read_version(version, &known(config))
}

/// The DAG of a version; the same text gives the same DAG.
///
/// # Errors
/// The errors of the text, when a newer Millrace no longer reads it.
pub fn read_version(version: &VersionRow, known: &Known<'_>) -> Result<Arc<Dag>, String> {
    let file = SourceFile {
        name: version.file.clone(),
        text: version.source.to_string(),
        files: version.files.iter().map(|(name, text)| (name.clone(), Ok(text.clone()))).collect(),
    };
    let mut documents = dagfile::read(&file, known);
    let found = documents.iter_mut().find(|doc| doc.dag_id.as_ref() == Some(&version.dag_id));
    let Some(document) = found else {
        return Err(format!("its text holds no dag \"{}\"", version.dag_id));
    };
    document.dag.take().map(Arc::new).ok_or_else(|| {
        let errors = document.diagnostics.iter().filter(|d| d.is_error());
        errors.map(|d| d.message.clone()).collect::<Vec<_>>().join("; ")
    })
}
