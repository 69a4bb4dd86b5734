//! The tables `asset_queue` and `asset_run`: how far DAGs have read the events of assets, and what
//! their runs consumed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{AssetEventKey, AssetKey, AssetQueueRow, AssetRunRow};
use millrace_core::state::RunState;

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::page::Filter;
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "asset_queue",
    columns: &["dag_id", "asset", "after_event", "last_event", "queued_at"],
    key: &["dag_id", "asset"],
};

const RUN: Table = Table {
    name: "asset_run",
    columns: &["run", "asset", "dag_id", "after_event", "last_event"],
    key: &["run", "asset"],
};

fn args(row: &AssetQueueRow) -> Vec<Arg<'_>> {
    vec![
        row.dag_id.as_str().into(),
        row.asset.into(),
        row.after_event.into(),
        row.last_event.into(),
        row.queued_at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<AssetQueueRow, StoreError> {
    Ok(AssetQueueRow {
        dag_id: reader.id()?,
        asset: reader.int()?,
        after_event: reader.int()?,
        last_event: reader.opt_int()?,
        queued_at: reader.opt_time()?,
    })
}

pub(crate) async fn write(tx: &mut Tx, rows: &[&AssetQueueRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "asset_queue::write", values)).await?;
    }
    Ok(())
}

pub(crate) async fn insert_runs(tx: &mut Tx, rows: &[&AssetRunRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| {
            vec![
                row.run.into(),
                row.asset.into(),
                row.dag_id.as_str().into(),
                row.after_event.into(),
                row.last_event.into(),
            ]
        });
        tx.exec(RUN.insert("asset_queue::insert_runs", values.collect())).await?;
    }
    Ok(())
}

/// Every place in every queue, in a transaction.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<AssetQueueRow>, StoreError> {
    let text = format!(
        "-- asset_queue::all\nSELECT {} FROM asset_queue q ORDER BY q.dag_id, q.asset",
        TABLE.list("q")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// The events that wait for a run of a DAG, those of an asset, or both.
pub async fn waiting(
    store: &Store,
    dag_id: Option<&str>,
    asset: Option<AssetKey>,
) -> Result<Vec<AssetQueueRow>, StoreError> {
    let filter = Filter::default()
        .also("q.last_event IS NOT NULL".to_owned(), Vec::<i64>::new())
        .when("q.dag_id = ?", dag_id)
        .when("q.asset = ?", asset);
    let head = format!("-- asset_queue::waiting\nSELECT {} FROM asset_queue q", TABLE.list("q"));
    let rows = store.db.rows(filter.all(&head, "ORDER BY q.queued_at, q.dag_id, q.asset")).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// A run that consumed an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its DAG.
    pub dag_id: DagId,
    /// Its name.
    pub run_id: RunId,
    /// Its state.
    pub state: RunState,
    /// Its logical date.
    pub logical_date: Option<Timestamp>,
    /// The start of its data interval.
    pub data_interval_start: Option<Timestamp>,
    /// Its end.
    pub data_interval_end: Option<Timestamp>,
    /// When the run started.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
    /// Whether the event is the newest that it consumed, hence the one that started it.
    pub is_triggering: bool,
}

/// The runs that consumed each of these events.
pub async fn consumers(
    store: &Store,
    events: &[AssetEventKey],
) -> Result<BTreeMap<AssetEventKey, Vec<Consumer>>, StoreError> {
    let mut found: BTreeMap<AssetEventKey, Vec<Consumer>> = BTreeMap::new();
    for piece in pieces(events) {
        for row in store.db.rows(consumers_sql(piece)).await? {
            let mut reader = row.reader();
            let event = reader.int()?;
            found.entry(event).or_default().push(Consumer {
                dag_id: reader.id()?,
                run_id: reader.id()?,
                state: reader.word(RunState::from_word)?,
                logical_date: reader.opt_time()?,
                data_interval_start: reader.opt_time()?,
                data_interval_end: reader.opt_time()?,
                start_date: reader.opt_time()?,
                end_date: reader.opt_time()?,
                is_triggering: reader.int()? == event,
            });
        }
    }
    Ok(found)
}

/// Each DAG that ever waited for the asset is asked for its first run that read so far: the cost
/// does not grow with the number of runs.
pub(crate) fn consumers_sql(events: &[AssetEventKey]) -> Sql<'static> {
    let text = format!(
        "-- asset_queue::consumers
SELECT e.id, r.dag_id, r.run_id, r.state, r.logical_date, r.data_interval_start,
r.data_interval_end, r.start_date, r.end_date,
(SELECT MAX(o.last_event) FROM asset_run o WHERE o.run = c.run)
FROM asset_event e JOIN asset_queue q ON q.asset = e.asset
JOIN asset_run c ON c.asset = q.asset AND c.dag_id = q.dag_id AND c.last_event =
(SELECT MIN(n.last_event) FROM asset_run n
WHERE n.asset = q.asset AND n.dag_id = q.dag_id AND n.last_event >= e.id)
JOIN dag_run r ON r.id = c.run
WHERE c.after_event < e.id AND e.id IN ({}) ORDER BY e.id, r.id",
        marks(events.len())
    );
    Sql::new(text).bind_all(events.iter().copied())
}
