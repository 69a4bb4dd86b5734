//! The table `event`: everything that happened, append-only.
//!
//! The leader alone inserts, inside its fenced transactions: so numbers become visible in their
//! order, and "everything after number n" misses nothing.

use jiff::Timestamp;
use millrace_core::ids::{DagId, RunId, TaskId};
use millrace_core::record::{EventRow, RunKey, TiKey};

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::page::{Direction, Filter, LIMIT_MAX, Page, Paging};
use crate::store::Store;
use crate::table::{Table, pieces};

const TABLE: Table = Table {
    name: "event",
    columns: &[
        "at",
        "dag_id",
        "run",
        "ti",
        "kind",
        "from_state",
        "to_state",
        "try_number",
        "epoch",
        "actor",
        "detail",
    ],
    key: &[],
};

fn args(row: &EventRow) -> Vec<Arg<'_>> {
    vec![
        row.at.into(),
        row.dag_id.as_ref().map(DagId::as_str).into(),
        row.run.into(),
        row.ti.into(),
        (&row.kind).into(),
        row.from.as_deref().into(),
        row.to.as_deref().into(),
        row.try_number.into(),
        row.epoch.into(),
        row.actor.as_deref().into(),
        row.detail.as_ref().into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        at: reader.time()?,
        dag_id: reader.opt_id()?,
        run: reader.opt_int()?,
        ti: reader.opt_int()?,
        kind: reader.text()?,
        from: reader.opt_text()?,
        to: reader.opt_text()?,
        try_number: reader.opt_num()?,
        epoch: reader.opt_num()?,
        actor: reader.opt_text()?,
        detail: reader.opt_json()?,
    })
}

/// Inserts events; the number of the last one.
pub(crate) async fn insert(tx: &mut Tx, rows: &[&EventRow]) -> Result<Option<i64>, StoreError> {
    let mut last = None;
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        let sql = TABLE.insert("event::insert", values).and(" RETURNING id");
        for row in tx.rows(sql).await? {
            last = last.max(Some(row.reader().int()?));
        }
    }
    Ok(last)
}

/// An event with its number and the names of what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its number; larger ones are later.
    pub id: i64,
    /// The event.
    pub row: EventRow,
    /// The name of its run, unless that was deleted.
    pub run_id: Option<RunId>,
    /// The task of its task instance, unless that was deleted.
    pub task_id: Option<TaskId>,
    /// The mapped item of its task instance.
    pub map_index: Option<i32>,
}

fn read_stored(reader: &mut Reader<'_>) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        id: reader.int()?,
        row: read(reader)?,
        run_id: reader.opt_id()?,
        task_id: reader.opt_id()?,
        map_index: reader.opt_num()?,
    })
}

fn select(tag: &str) -> String {
    format!(
        "-- event::{tag}
SELECT e.id, {}, r.run_id, t.task_id, t.map_index
FROM event e LEFT JOIN dag_run r ON r.id = e.run LEFT JOIN task_instance t ON t.id = e.ti",
        TABLE.list("e")
    )
}

/// The events after a number, oldest first, at most `limit` (cut to [`LIMIT_MAX`]).
pub async fn after(store: &Store, id: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
    let text = format!("{} WHERE e.id > ? ORDER BY e.id LIMIT ?", select("after"));
    let rows = store.db.rows(Sql::new(text).bind(id).bind(limit.min(LIMIT_MAX))).await?;
    rows.iter().map(|row| read_stored(&mut row.reader())).collect()
}

/// The number of the newest event; 0 when there is none.
pub async fn last_id(store: &Store) -> Result<i64, StoreError> {
    let sql = Sql::new(
        "-- event::last_id
SELECT COALESCE(MAX(id), 0) FROM event",
    );
    store.db.row(sql).await?.map_or(Ok(0), |row| row.reader().int())
}

/// Which events; an empty list or `None` asks for nothing. Ranges include both ends.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this DAG.
    pub dag_id: Option<String>,
    /// Of this run.
    pub run: Option<RunKey>,
    /// Of the run of this name.
    pub run_id: Option<String>,
    /// Of this task instance.
    pub ti: Option<TiKey>,
    /// Of this task.
    pub task_id: Option<String>,
    /// Of one of these kinds.
    pub kinds: Vec<String>,
    /// By this person.
    pub actor: Option<String>,
    /// From this time.
    pub at_from: Option<Timestamp>,
    /// To this time.
    pub at_to: Option<Timestamp>,
}

/// A page of the event log, sorted by number.
pub async fn list(
    store: &Store,
    wanted: &EventFilter,
    direction: Direction,
    paging: Paging,
) -> Result<Page<StoredEvent>, StoreError> {
    let filter = Filter::default()
        .when("e.dag_id = ?", wanted.dag_id.as_deref())
        .when("e.run = ?", wanted.run)
        .when("r.run_id = ?", wanted.run_id.as_deref())
        .when("e.ti = ?", wanted.ti)
        .when("t.task_id = ?", wanted.task_id.as_deref())
        .one_of("e.kind", &wanted.kinds)
        .when("e.actor = ?", wanted.actor.as_deref())
        .when("e.at >= ?", wanted.at_from)
        .when("e.at <= ?", wanted.at_to);
    let tail = format!("ORDER BY e.id {}", direction.sql());
    let found = store.db.rows(filter.page(&select("list"), &tail, paging)).await?;
    let rows = found.iter().map(|row| read_stored(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- event::count
SELECT COUNT(*) FROM event e
LEFT JOIN dag_run r ON r.id = e.run LEFT JOIN task_instance t ON t.id = e.ti";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}
