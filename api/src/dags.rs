//! DAG versions that were read, kept by number: a version never changes.
//!
//! Owns finding DAGs for handlers. The text of a version is read by `millrace_core::dagfile`, at
//! most once while it is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millrace_core::dag::Dag;
use millrace_core::dagfile::{Known, read_version};
use millrace_core::ids::DagId;
use millrace_core::record::{DagRow, VersionKey, VersionRow};
use millrace_store::{asset, dag, dag_version};
use serde_json::{Value, json};

use crate::app::App;
use crate::graph::Layout;
use crate::path::no_dag;
use crate::problem::Problem;

/// The most versions kept.
const VERSIONS_MAX: usize = 512;

/// The versions kept.
#[derive(Default)]
pub(crate) struct DagCache {
    versions: Mutex<BTreeMap<VersionKey, Arc<Version>>>,
}

/// A version, read when somebody asks for its DAG.
pub(crate) struct Version {
    pub(crate) row: VersionRow,
    dag: OnceLock<Result<Arc<Dag>, String>>,
    layout: OnceLock<Layout>,
}

impl Version {
    /// Its DAG.
    pub(crate) fn dag(&self, app: &App) -> Result<&Arc<Dag>, Problem> {
        let read = self.dag.get_or_init(|| {
            let known =
                Known { default_timezone: &app.api.default_timezone, ..Known::new(&app.api.zones) };
            read_version(&self.row, &known)
        });
        read.as_ref().map_err(|reason| {
            Problem::conflict(format!(
                "version {} of dag \"{}\" cannot be read any more: {reason}",
                self.row.version_number, self.row.dag_id
            ))
        })
    }

    /// The name of a task for people; its id when the version cannot be read.
    pub(crate) fn task_display_name(&self, app: &App, task_id: &str) -> String {
        let task = self.dag(app).ok().and_then(|dag| dag.task(task_id));
        task.map_or(task_id, |(_, task)| task.display_name()).to_owned()
    }

    /// Its graph, laid out.
    pub(crate) fn layout(&self, app: &App) -> Result<&Layout, Problem> {
        let dag = self.dag(app)?;
        Ok(self.layout.get_or_init(|| Layout::of(dag)))
    }
}

/// The condition under which assets start a DAG (Airflow: `asset_expression`), each asset as the
/// scheduler knows it.
pub(crate) async fn asset_expression(app: &App, dag: &Dag) -> Result<Option<Value>, Problem> {
    let Some(condition) = &dag.assets else { return Ok(None) };
    let mut known = BTreeMap::new();
    for asset in condition.assets() {
        if let Some(row) = asset::named(app.store(), &asset.name).await? {
            known.insert(&asset.name, row);
        }
    }
    Ok(Some(condition.expression(&|asset| match known.get(&asset.name) {
        Some(row) => {
            json!({ "id": row.id, "name": row.name, "uri": row.uri, "group": row.group })
        }
        None => json!({ "name": asset.name, "uri": asset.uri(), "group": asset.group() }),
    })))
}

impl App {
    /// A DAG by its name.
    pub(crate) async fn dag(&self, dag_id: &DagId) -> Result<DagRow, Problem> {
        let found = dag::get(self.store(), dag_id.as_str()).await?;
        found.ok_or_else(|| no_dag(dag_id.as_str()))
    }

    /// A version by its key.
    pub(crate) async fn version(&self, key: VersionKey) -> Result<Arc<Version>, Problem> {
        if let Some(version) = self.kept(key) {
            return Ok(version);
        }
        let row = dag_version::by_key(self.store(), key).await?;
        let row = row.ok_or_else(|| Problem::not_found("the version of the DAG was deleted"))?;
        Ok(self.keep(row))
    }

    /// Versions by their keys, each once; those that were deleted are absent.
    pub(crate) async fn versions(
        &self,
        keys: Vec<VersionKey>,
    ) -> Result<HashMap<VersionKey, Arc<Version>>, Problem> {
        let mut found = HashMap::new();
        for key in keys {
            if found.contains_key(&key) {
                continue;
            }
            if let Some(version) = self.kept(key) {
                found.insert(key, version);
            } else if let Some(row) = dag_version::by_key(self.store(), key).await? {
                found.insert(key, self.keep(row));
            }
        }
        Ok(found)
    }

    fn kept(&self, key: VersionKey) -> Option<Arc<Version>> {
        let versions = self.dags.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.get(&key).cloned()
    }

    /// Keeps a version; the oldest one goes when there are too many.
    pub(crate) fn keep(&self, row: VersionRow) -> Arc<Version> {
        let mut versions = self.dags.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = row.id;
        let new = || Version { row, dag: OnceLock::new(), layout: OnceLock::new() };
        let version = Arc::clone(versions.entry(key).or_insert_with(|| Arc::new(new())));
        while versions.len() > VERSIONS_MAX {
            versions.pop_first();
        }
        version
    }
}
