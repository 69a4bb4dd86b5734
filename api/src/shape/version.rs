//! A DAG version.

use millrace_core::record::VersionRow;
use serde::Serialize;

use super::At;
use crate::uuid;

/// The name of the one place where DAGs come from (Airflow: the default bundle's name).
pub(crate) const BUNDLE: &str = "dags-folder";

/// Airflow: `DagVersionResponse`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct VersionShape {
    id: String,
    version_number: u32,
    dag_id: String,
    bundle_name: &'static str,
    bundle_version: Option<String>,
    created_at: At,
    dag_display_name: String,
    bundle_url: Option<String>,
}

impl VersionShape {
    pub(crate) fn of(row: &VersionRow, dag_display_name: &str) -> Self {
        Self {
            id: uuid::of("dag_version", row.id),
            version_number: row.version_number,
            dag_id: row.dag_id.to_string(),
            bundle_name: BUNDLE,
            bundle_version: None,
            created_at: At(row.created_at),
            dag_display_name: dag_display_name.to_owned(),
            bundle_url: None,
        }
    }
}
