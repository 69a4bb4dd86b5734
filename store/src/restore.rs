//! What the leader reads: everything at its start, and single runs that are needed again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::ids::TaskId;
use millrace_core::record::{RunKey, RunRow, Snapshot, TiRow, VersionRow};
use millrace_core::state::{RunState, TaskState};
use millrace_core::wait::{Seen, WhichRun};
use millrace_core::wire::PreviousSuccess;

use crate::db::{Sql, StoreError, Tx};
use crate::store::Store;
use crate::{
    asset, asset_event, asset_queue, backfill, dag, dag_run, dag_version, pool, task_instance,
};

/// The states of a run's task instances by task and map index.
pub type PastStates = BTreeMap<(TaskId, i32), TaskState>;

impl Store {
    /// Everything that the engine needs to go on, as it was at one instant.
    pub async fn restore(&self) -> Result<Snapshot, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let snapshot = Snapshot {
            dags: dag::all(&mut tx).await?,
            versions: dag_version::needed(&mut tx).await?,
            runs: dag_run::unfinished(&mut tx).await?,
            tis: task_instance::unfinished(&mut tx).await?,
            pools: pool::all(&mut tx).await?,
            backfills: backfill::open(&mut tx).await?,
            backfill_dates: backfill::unfinished(&mut tx).await?,
            newest: backfill::newest_runs(&mut tx).await?,
            assets: asset::all(&mut tx).await?,
            last_asset_events: asset_event::last_of_all(&mut tx).await?,
            asset_queues: asset_queue::all(&mut tx).await?,
            last_run: last(&mut tx, "run", "SELECT MAX(id) FROM dag_run").await?,
            last_ti: last(&mut tx, "ti", "SELECT MAX(id) FROM task_instance").await?,
            last_version: last(&mut tx, "version", "SELECT MAX(id) FROM dag_version").await?,
            last_notice: last(&mut tx, "notice", "SELECT MAX(id) FROM notice").await?,
            last_backfill: last(&mut tx, "backfill", "SELECT MAX(id) FROM backfill").await?,
            last_asset_event: last(&mut tx, "asset_event", "SELECT MAX(id) FROM asset_event")
                .await?,
        };
        tx.commit().await?;
        Ok(snapshot)
    }

    /// A run with its task instances and the DAG's text, for a clear or a mark of an ended run.
    pub async fn load_run(
        &self,
        dag_id: &str,
        run_id: &str,
    ) -> Result<Option<(RunRow, Vec<TiRow>, VersionRow)>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let Some(run) = dag_run::of(&mut tx, dag_id, run_id).await? else {
            return Ok(None);
        };
        let tis = task_instance::of(&mut tx, run.id).await?;
        let version =
            dag_version::of(&mut tx, run.version).await?.ok_or_else(|| StoreError::Corrupt {
                statement: "restore::load_run".to_owned(),
                what: format!("version {}, which does not exist", run.version),
            })?;
        tx.commit().await?;
        Ok(Some((run, tis, version)))
    }

    /// The run before `before`, with the states of its task instances; none when there is
    /// no such run. A run without a logical date counts by its `run_after`. Airflow's
    /// `depends_on_past` looks at the previous *scheduled* run when the DAG catches up, else at the
    /// previous run of any type.
    pub async fn past_states(
        &self,
        dag_id: &str,
        before: Timestamp,
        only_scheduled: bool,
    ) -> Result<Option<(RunKey, PastStates)>, StoreError> {
        let kinds = if only_scheduled { "AND run_type = 'scheduled'" } else { "" };
        let text = format!(
            "-- restore::past_run
SELECT id FROM (
    SELECT * FROM (SELECT id, logical_date AS at FROM dag_run
        WHERE dag_id = ? AND logical_date < ? {kinds}
        ORDER BY logical_date DESC LIMIT 1) AS dated
    UNION ALL
    SELECT * FROM (SELECT id, run_after AS at FROM dag_run
        WHERE dag_id = ? AND logical_date IS NULL AND run_after < ? {kinds}
        ORDER BY run_after DESC, id DESC LIMIT 1) AS undated
) AS past ORDER BY at DESC, id DESC LIMIT 1"
        );
        // Two indexed looks: one over COALESCE would read every run of the DAG.
        let sql = Sql::new(text).bind(dag_id).bind(before).bind(dag_id).bind(before);
        let row = self.db.row(sql).await?;
        let Some(run) = row.map(|row| row.reader().int()).transpose()? else { return Ok(None) };
        let sql = Sql::new(
            "-- restore::past_states
SELECT t.task_id, t.map_index, t.state FROM task_instance t WHERE t.run = ? ORDER BY t.id",
        );
        let rows = self.db.rows(sql.bind(run)).await?;
        let states = rows.iter().map(|row| {
            let mut reader = row.reader();
            let name = (reader.id()?, reader.num()?);
            Ok((name, reader.word(TaskState::from_word)?))
        });
        Ok(Some((run, states.collect::<Result<_, StoreError>>()?)))
    }

    /// A run of a DAG by its date or name, with the states of all its task instances; none when
    /// there is no such run.
    pub async fn run_seen(
        &self,
        dag_id: &str,
        which: &WhichRun,
    ) -> Result<Option<Seen>, StoreError> {
        let head = "-- restore::run_seen\nSELECT id, state FROM dag_run WHERE dag_id = ? AND";
        let sql = match which {
            WhichRun::Date(date) => {
                Sql::new(format!("{head} logical_date = ?")).bind(dag_id).bind(*date)
            }
            WhichRun::Id(run_id) => {
                Sql::new(format!("{head} run_id = ?")).bind(dag_id).bind(run_id.as_str())
            }
        };
        let Some(row) = self.db.row(sql).await? else { return Ok(None) };
        let mut reader = row.reader();
        let (run, state) = (reader.int()?, reader.word(RunState::from_word)?);
        let sql = Sql::new(
            "-- restore::states_seen
SELECT t.task_id, t.state FROM task_instance t WHERE t.run = ? ORDER BY t.id",
        );
        let rows = self.db.rows(sql.bind(run)).await?;
        let tasks = rows.iter().map(|row| {
            let mut reader = row.reader();
            Ok((reader.id()?, reader.word(TaskState::from_word)?))
        });
        Ok(Some(Seen { state, tasks: tasks.collect::<Result<_, StoreError>>()? }))
    }

    /// The newest successful run of a DAG with a logical date before `before` (Airflow:
    /// `prev_data_interval_start_success`).
    pub async fn previous_success(
        &self,
        dag_id: &str,
        before: Timestamp,
    ) -> Result<Option<PreviousSuccess>, StoreError> {
        let sql = Sql::new(
            "-- restore::previous_success
SELECT data_interval_start, data_interval_end, start_date, end_date FROM dag_run
WHERE dag_id = ? AND logical_date < ? AND state = 'success'
ORDER BY logical_date DESC LIMIT 1",
        );
        let row = self.db.row(sql.bind(dag_id).bind(before)).await?;
        row.map(|row| {
            let mut reader = row.reader();
            Ok(PreviousSuccess {
                data_interval_start: reader.opt_time()?,
                data_interval_end: reader.opt_time()?,
                start_date: reader.opt_time()?,
                end_date: reader.opt_time()?,
            })
        })
        .transpose()
    }
}

/// The highest number ever given out: of the rows, or of those that were deleted.
async fn last(tx: &mut Tx, name: &str, highest: &str) -> Result<i64, StoreError> {
    let text = format!(
        "-- restore::last_{name}
SELECT COALESCE(({highest}), 0), COALESCE((SELECT value FROM key_floor WHERE name = ?), 0)"
    );
    let row = tx.row(Sql::new(text).bind(name)).await?;
    row.map_or(Ok(0), |row| {
        let mut reader = row.reader();
        Ok(reader.int()?.max(reader.int()?))
    })
}
