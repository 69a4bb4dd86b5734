//! Reads a stored DAG version again.

use std::sync::Arc;

use millrace_core::dag::Dag;
use millrace_core::record::VersionRow;

use crate::config::SchedulerConfig;
use crate::folder::known;

/// The DAG of a version; the same text gives the same DAG.
///
/// # Errors
/// The first error of the text, when a newer Millrace no longer reads it.
pub(crate) fn dag_of(version: &VersionRow, config: &SchedulerConfig) -> Result<Arc<Dag>, String> {
    millrace_core::dagfile::read_version(version, &known(config)).map(Arc::new)
}
