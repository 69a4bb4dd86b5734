//! What the commands about one dag run share: finding the run that is meant.

use clap::Args;
use millrace_core::ids::DagId;
use millrace_core::record::{RunRow, TiRow};
use millrace_store::dag_run::{RunFilter, RunOrder};
use millrace_store::page::{Direction, Paging};
use millrace_store::{Store, dag, dag_run, task_instance};

use crate::failure::Failure;
use crate::local::fault;

/// The word for the newest run of a DAG.
const LATEST: &str = "latest";

/// A dag run, as people name it.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneRun {
    /// The DAG
    #[arg(value_name = "DAG")]
    pub dag_id: DagId,

    /// The dag run's id; `latest` is the newest one
    #[arg(value_name = "RUN")]
    pub run: String,
}

impl OneRun {
    /// The run.
    ///
    /// # Errors
    /// There is none of that name; the message says which there are.
    pub(crate) async fn find(&self, store: &Store) -> Result<RunRow, Failure> {
        let dag_id = &self.dag_id;
        if self.run != LATEST {
            let found = dag_run::get(store, dag_id.as_str(), &self.run).await.map_err(fault)?;
            if let Some(run) = found {
                return Ok(run);
            }
        }
        let newest = newest(store, dag_id, 5).await?;
        if self.run == LATEST
            && let Some(run) = newest.first()
        {
            return Ok(run.clone());
        }
        if newest.is_empty() {
            dag_of(store, dag_id).await?;
            return Err(Failure::wrong(format!("dag \"{dag_id}\" has no dag run yet")));
        }
        let names: Vec<_> = newest.iter().map(|run| run.run_id.as_str()).collect();
        Err(Failure::wrong(format!(
            "dag \"{dag_id}\" has no dag run \"{}\"; its newest are {}",
            self.run,
            names.join(", ")
        )))
    }

    /// The run and one of its task instances.
    pub(crate) async fn find_ti(
        &self,
        store: &Store,
        task_id: &str,
        map_index: i32,
    ) -> Result<(RunRow, TiRow), Failure> {
        let run = self.find(store).await?;
        let tis = task_instance::of_run(store, run.id).await.map_err(fault)?;
        let is_meant = |ti: &TiRow| ti.task_id == *task_id && ti.map_index == map_index;
        if let Some(ti) = tis.iter().find(|ti| is_meant(ti)) {
            return Ok((run, ti.clone()));
        }
        let names: Vec<_> = tis.iter().map(|ti| ti.task_id.as_str()).take(30).collect();
        Err(Failure::wrong(format!(
            "the dag run \"{}\" has no task \"{task_id}\"; it has {}",
            run.run_id,
            names.join(", ")
        )))
    }
}

/// The newest runs of a DAG, newest first.
async fn newest(store: &Store, dag_id: &DagId, count: u32) -> Result<Vec<RunRow>, Failure> {
    let wanted = RunFilter { dag_ids: vec![dag_id.to_string()], ..RunFilter::default() };
    let paging = Paging { limit: count, offset: 0 };
    let page = dag_run::list(store, &wanted, RunOrder::RunAfter, Direction::Descending, paging);
    Ok(page.await.map_err(fault)?.rows)
}

/// A DAG's row.
///
/// # Errors
/// There is no such DAG.
pub(crate) async fn dag_of(
    store: &Store,
    dag_id: &DagId,
) -> Result<millrace_core::record::DagRow, Failure> {
    dag::get(store, dag_id.as_str()).await.map_err(fault)?.ok_or_else(|| {
        Failure::wrong(format!("there is no dag \"{dag_id}\"; millrace dags list names them"))
    })
}
