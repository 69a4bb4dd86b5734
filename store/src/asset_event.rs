//! The table `asset_event`: what happened to assets, append-only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::record::{
    AssetEventKey, AssetEventRow, AssetKey, AssetSource, LastAssetEvent, RunKey,
};

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, LIMIT_MAX, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "asset_event",
    columns: &[
        "id",
        "asset",
        "at",
        "extra",
        "source_dag_id",
        "source_run_id",
        "source_task_id",
        "source_map_index",
    ],
    key: &["id"],
};

fn args(row: &AssetEventRow) -> Vec<Arg<'_>> {
    let source = row.source.as_ref();
    vec![
        row.id.into(),
        row.asset.into(),
        row.at.into(),
        json_text(&row.extra).into(),
        source.map(|source| source.dag_id.as_str()).into(),
        source.map(|source| source.run_id.as_str()).into(),
        source.map(|source| source.task_id.as_str()).into(),
        source.map_or(-1, |source| source.map_index).into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<AssetEventRow, StoreError> {
    let (id, asset, at, extra) = (reader.int()?, reader.int()?, reader.time()?, reader.json()?);
    let (dag_id, run_id, task_id) = (reader.opt_id()?, reader.opt_id()?, reader.opt_id()?);
    let map_index = reader.num()?;
    let source = match (dag_id, run_id, task_id) {
        (Some(dag_id), Some(run_id), Some(task_id)) => {
            Some(AssetSource { dag_id, run_id, task_id, map_index })
        }
        _ => None,
    };
    Ok(AssetEventRow { id, asset, at, extra, source })
}

pub(crate) async fn insert(tx: &mut Tx, rows: &[&AssetEventRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("asset_event::insert", values)).await?;
    }
    Ok(())
}

/// Which events; `None` asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct AssetEventFilter {
    /// Of this asset.
    pub asset: Option<AssetKey>,
    /// Of an asset whose name has this text; with `%` it is a pattern.
    pub name_pattern: Option<String>,
    /// From a task of this DAG.
    pub source_dag_id: Option<String>,
    /// From a task of a run of this name.
    pub source_run_id: Option<String>,
    /// From a task of this name.
    pub source_task_id: Option<String>,
    /// From this mapped item.
    pub source_map_index: Option<i32>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
}

/// What a list of events is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssetEventOrder {
    /// By number, which is by time.
    #[default]
    Id,
    /// By the DAG of the task that wrote it.
    SourceDagId,
    /// By its task.
    SourceTaskId,
    /// By its run.
    SourceRunId,
}

impl AssetEventOrder {
    fn sql(self) -> &'static str {
        match self {
            Self::Id => "e.id",
            Self::SourceDagId => "e.source_dag_id",
            Self::SourceTaskId => "e.source_task_id",
            Self::SourceRunId => "e.source_run_id",
        }
    }
}

fn filter(wanted: &AssetEventFilter) -> Filter<'_> {
    let filter = Filter::default()
        .when("e.asset = ?", wanted.asset)
        .when("e.source_dag_id = ?", wanted.source_dag_id.as_deref())
        .when("e.source_run_id = ?", wanted.source_run_id.as_deref())
        .when("e.source_task_id = ?", wanted.source_task_id.as_deref())
        .when("e.source_map_index = ?", wanted.source_map_index)
        .when("e.at >= ?", wanted.from)
        .when("e.at <= ?", wanted.to);
    match &wanted.name_pattern {
        Some(pattern) => filter.also(
            "e.asset IN (SELECT a.id FROM asset a WHERE LOWER(a.name) LIKE ? ESCAPE '|')"
                .to_owned(),
            [like(pattern)],
        ),
        None => filter,
    }
}

/// A page of events.
pub async fn list(
    store: &Store,
    wanted: &AssetEventFilter,
    order: AssetEventOrder,
    direction: Direction,
    paging: Paging,
) -> Result<Page<AssetEventRow>, StoreError> {
    let found = store.db.rows(page_sql(wanted, order, direction, paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- asset_event::count\nSELECT COUNT(*) FROM asset_event e";
    Ok(Page { rows, total: store.count(filter(wanted).all(count, "")).await? })
}

pub(crate) fn page_sql(
    wanted: &AssetEventFilter,
    order: AssetEventOrder,
    direction: Direction,
    paging: Paging,
) -> Sql<'_> {
    let head = format!("-- asset_event::list\nSELECT {} FROM asset_event e", TABLE.list("e"));
    let tail = match order {
        AssetEventOrder::Id => format!("ORDER BY e.id {}", direction.sql()),
        order => format!("ORDER BY {} {}, e.id", order.sql(), direction.sql()),
    };
    filter(wanted).page(&head, &tail, paging)
}

/// The event of a number.
pub async fn get(store: &Store, id: AssetEventKey) -> Result<Option<AssetEventRow>, StoreError> {
    let text = format!(
        "-- asset_event::get\nSELECT {} FROM asset_event e WHERE e.id = ?",
        TABLE.list("e")
    );
    let row = store.db.row(Sql::new(text).bind(id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The newest events of an asset, oldest first.
pub async fn newest(
    store: &Store,
    asset: AssetKey,
    limit: u32,
) -> Result<Vec<AssetEventRow>, StoreError> {
    let wanted = AssetEventFilter { asset: Some(asset), ..AssetEventFilter::default() };
    let paging = Paging { limit, offset: 0 };
    let order = AssetEventOrder::Id;
    let rows = store.db.rows(page_sql(&wanted, order, Direction::Descending, paging)).await?;
    rows.iter().rev().map(|row| read(&mut row.reader())).collect()
}

/// The newest event of each asset.
pub async fn last_of(
    store: &Store,
    keys: &[AssetKey],
) -> Result<BTreeMap<AssetKey, AssetEventRow>, StoreError> {
    let mut found = BTreeMap::new();
    for piece in pieces(keys) {
        for row in store.db.rows(last_of_sql(piece)).await? {
            let row = read(&mut row.reader())?;
            found.insert(row.asset, row);
        }
    }
    Ok(found)
}

/// The newest event of every asset that has had one, in a transaction.
pub(crate) async fn last_of_all(tx: &mut Tx) -> Result<Vec<LastAssetEvent>, StoreError> {
    let rows = tx.rows(Sql::new(LAST_OF_ALL)).await?;
    let of = |reader: &mut Reader<'_>| {
        Ok(LastAssetEvent { asset: reader.int()?, id: reader.int()?, at: reader.time()? })
    };
    rows.iter().map(|row| of(&mut row.reader())).collect()
}

/// One look into an index for each asset.
pub(crate) const LAST_OF_ALL: &str = "-- asset_event::last_of_all
SELECT e.asset, e.id, e.at FROM asset a JOIN asset_event e
ON e.id = (SELECT MAX(n.id) FROM asset_event n WHERE n.asset = a.id) ORDER BY e.asset";

/// One look into an index for each asset.
pub(crate) fn last_of_sql(keys: &[AssetKey]) -> Sql<'static> {
    let text = format!(
        "-- asset_event::last_of
SELECT {} FROM asset a JOIN asset_event e
ON e.id = (SELECT MAX(n.id) FROM asset_event n WHERE n.asset = a.id) WHERE a.id IN ({})",
        TABLE.list("e"),
        marks(keys.len())
    );
    Sql::new(text).bind_all(keys.iter().copied())
}

/// The events that a run consumed, oldest first; the newest 1000, and how many there are.
pub async fn consumed(store: &Store, run: RunKey) -> Result<Page<AssetEventRow>, StoreError> {
    let rows = store.db.rows(consumed_sql(run)).await?;
    let rows = rows
        .iter()
        .rev()
        .map(|row| read(&mut row.reader()))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let sql = format!("-- asset_event::count_consumed\nSELECT COUNT(*) {CONSUMED}");
    let total = store.count(Sql::new(sql).bind(run)).await?;
    Ok(Page { rows, total })
}

const CONSUMED: &str = "FROM asset_run c JOIN asset_event e
ON e.asset = c.asset AND e.id > c.after_event AND e.id <= c.last_event WHERE c.run = ?";

pub(crate) fn consumed_sql(run: RunKey) -> Sql<'static> {
    let text = format!(
        "-- asset_event::consumed\nSELECT {} {CONSUMED} ORDER BY e.id DESC LIMIT ?",
        TABLE.list("e")
    );
    Sql::new(text).bind(run).bind(LIMIT_MAX)
}

/// What a batch of [`prune`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// So many events are gone.
    pub deleted: u64,
    /// Where the next batch begins; none when nothing older is left.
    pub next: Option<AssetEventKey>,
}

/// Deletes events before an instant, of the first `limit` after an event. What waits for a run,
/// what an unfinished run has consumed, and the newest event of each asset stay.
pub async fn prune(
    store: &Store,
    before: Timestamp,
    after: AssetEventKey,
    limit: u32,
) -> Result<Pruned, StoreError> {
    let mut tx = store.db.begin().await?;
    let mut kept = ranges(&mut tx, Sql::new(WAITING)).await?;
    kept.extend(ranges(&mut tx, Sql::new(IN_USE)).await?);
    let newest = last_of_all(&mut tx).await?;
    kept.extend(newest.into_iter().map(|last| (last.asset, last.id - 1, last.id)));
    let rows = tx.rows(Sql::new(NEXT).bind(after).bind(limit)).await?;
    let mut old = Vec::new();
    let mut next = None;
    for row in &rows {
        let mut reader = row.reader();
        let (id, asset, at) = (reader.int()?, reader.int()?, reader.time()?);
        if at >= before {
            next = None;
            break;
        }
        next = Some(id);
        let is_kept =
            |(of, from, to): &(AssetKey, i64, i64)| *of == asset && *from < id && id <= *to;
        if !kept.iter().any(is_kept) {
            old.push(id);
        }
    }
    for piece in pieces(&old) {
        let text = format!(
            "-- asset_event::prune\nDELETE FROM asset_event WHERE id IN ({})",
            marks(piece.len())
        );
        tx.exec(Sql::new(text).bind_all(piece.iter().copied())).await?;
    }
    tx.commit().await?;
    Ok(Pruned { deleted: old.len() as u64, next })
}

const NEXT: &str = "-- asset_event::next
SELECT e.id, e.asset, e.at FROM asset_event e WHERE e.id > ? ORDER BY e.id LIMIT ?";

/// The events that wait for runs.
const WAITING: &str = "-- asset_event::waiting
SELECT q.asset, q.after_event, q.last_event FROM asset_queue q WHERE q.last_event IS NOT NULL";

/// The events that unfinished runs have consumed.
const IN_USE: &str = "-- asset_event::in_use
SELECT c.asset, c.after_event, c.last_event FROM dag_run r JOIN asset_run c ON c.run = r.id
WHERE r.state IN ('queued', 'running')";

/// Stretches of events: the asset, the event before the first, and the last.
async fn ranges(tx: &mut Tx, sql: Sql<'_>) -> Result<Vec<(AssetKey, i64, i64)>, StoreError> {
    let rows = tx.rows(sql).await?;
    let of = |reader: &mut Reader<'_>| Ok((reader.int()?, reader.int()?, reader.int()?));
    rows.iter().map(|row| of(&mut row.reader())).collect()
}
