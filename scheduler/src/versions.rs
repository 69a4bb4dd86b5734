//! Reads a stored DAG version again.

use std::sync::Arc;

use millrace_core::dag::Dag;
use millrace_core::dagfile::read_version;
use millrace_core::record::VersionRow;

use crate::config::SchedulerConfig;
use crate::folder::known;

/// The DAG of a version, with what this scheduler knows.
pub(crate) fn dag_of(version: &VersionRow, config: &SchedulerConfig) -> Result<Arc<Dag>, String> {
    read_version(version, &known(config))
}
