//! The table `worker`: workers that registered, for people to see.
//!
//! Nothing is decided by it: leases live in the scheduler's memory.

use jiff::Timestamp;
use millrace_core::engine::{SeenWorker, Workers};

use crate::db::{Arg, Sql, StoreError, json_text};
use crate::store::Store;
use crate::table::Table;

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its name, which outlives restarts.
    pub name: String,
    /// The number of its start.
    pub incarnation: u64,
    /// Its machine.
    pub hostname: String,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// How many it ran when last seen.
    pub running: u32,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
}

const TABLE: Table = Table {
    name: "worker",
    columns: &[
        "name",
        "incarnation",
        "hostname",
        "queues",
        "slots",
        "running",
        "registered_at",
        "last_seen_at",
    ],
    key: &["name"],
};

fn args(row: &WorkerRow) -> Vec<Arg<'_>> {
    vec![
        (&row.name).into(),
        // A text: the number may not fit a signed column.
        row.incarnation.to_string().into(),
        (&row.hostname).into(),
        json_text(&row.queues).into(),
        row.slots.into(),
        row.running.into(),
        row.registered_at.into(),
        row.last_seen_at.into(),
    ]
}

/// Writes a worker that registered.
pub async fn put(store: &Store, row: &WorkerRow) -> Result<(), StoreError> {
    store.db.exec(TABLE.upsert(store.dialect(), "worker::put", vec![args(row)])).await?;
    Ok(())
}

/// Remembers that a worker was seen; call it rarely (each 30 s), it is for people alone.
pub async fn seen(
    store: &Store,
    name: &str,
    running: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = Sql::new(
        "-- worker::seen
UPDATE worker SET running = ?, last_seen_at = ? WHERE name = ?",
    );
    store.db.exec(sql.bind(running).bind(now).bind(name)).await?;
    Ok(())
}

/// Forgets a worker.
pub async fn delete(store: &Store, name: &str) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- worker::delete
DELETE FROM worker WHERE name = ?",
    );
    Ok(store.db.exec(sql.bind(name)).await? > 0)
}

/// The workers that serve a queue, as they were last seen.
pub async fn serving(store: &Store, queue: &str, now: Timestamp) -> Result<Workers, StoreError> {
    let rows = list(store).await?;
    let seen = rows.iter().map(|row| SeenWorker {
        queues: &row.queues,
        slots: row.slots,
        running: row.running,
        last_seen_at: row.last_seen_at,
    });
    Ok(Workers::serving(queue, now, seen))
}

/// Every worker, by name.
pub async fn list(store: &Store) -> Result<Vec<WorkerRow>, StoreError> {
    let text = format!("-- worker::list\nSELECT {} FROM worker w ORDER BY w.name", TABLE.list("w"));
    let rows = store.db.rows(Sql::new(text)).await?;
    rows.iter()
        .map(|row| {
            let mut reader = row.reader();
            Ok(WorkerRow {
                name: reader.text()?,
                incarnation: reader.id()?,
                hostname: reader.text()?,
                queues: reader.json()?,
                slots: reader.num()?,
                running: reader.num()?,
                registered_at: reader.time()?,
                last_seen_at: reader.time()?,
            })
        })
        .collect()
}
