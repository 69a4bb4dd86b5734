//! The table `pool`: slots, and how many are taken.
//!
//! Pools are written by the leader alone, through [`crate::apply`].

use std::collections::BTreeMap;

use millrace_core::record::PoolRow;
use millrace_core::state::TaskState;

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::store::Store;
use crate::table::Table;

const TABLE: Table = Table {
    name: "pool",
    columns: &["name", "slots", "description", "include_deferred"],
    key: &["name"],
};

fn args(row: &PoolRow) -> Vec<Arg<'_>> {
    vec![
        (&row.name).into(),
        row.slots.into(),
        row.description.as_deref().into(),
        row.include_deferred.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<PoolRow, StoreError> {
    Ok(PoolRow {
        name: reader.text()?,
        slots: reader.int()?,
        description: reader.opt_text()?,
        include_deferred: reader.flag()?,
    })
}

pub(crate) async fn write(tx: &mut Tx, row: &PoolRow) -> Result<(), StoreError> {
    tx.exec(TABLE.upsert(tx.dialect(), "pool::write", vec![args(row)])).await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    let sql = Sql::new(
        "-- pool::delete
DELETE FROM pool WHERE name = ?",
    );
    tx.exec(sql.bind(name)).await?;
    Ok(())
}

/// Every pool, in a transaction.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<PoolRow>, StoreError> {
    let text = format!("-- pool::all\nSELECT {} FROM pool p ORDER BY p.name", TABLE.list("p"));
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// Every pool, by name.
pub async fn list(store: &Store) -> Result<Vec<PoolRow>, StoreError> {
    let text = format!("-- pool::list\nSELECT {} FROM pool p ORDER BY p.name", TABLE.list("p"));
    let rows = store.db.rows(Sql::new(text)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// The pool of a name.
pub async fn get(store: &Store, name: &str) -> Result<Option<PoolRow>, StoreError> {
    let text = format!("-- pool::get\nSELECT {} FROM pool p WHERE p.name = ?", TABLE.list("p"));
    let row = store.db.row(Sql::new(text).bind(name)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The slots that task instances ask for or hold, by pool and state: those that are scheduled,
/// queued, running, restarting or deferred. A task of several pools counts in its first.
pub async fn usage(
    store: &Store,
) -> Result<BTreeMap<String, BTreeMap<TaskState, i64>>, StoreError> {
    let sql = Sql::new(
        "-- pool::usage
SELECT t.pool, t.state, CAST(SUM(t.pool_slots) AS SIGNED) FROM task_instance t
WHERE t.state IN ('scheduled', 'queued', 'running', 'restarting', 'deferred')
GROUP BY t.pool, t.state",
    );
    let mut usage: BTreeMap<String, BTreeMap<TaskState, i64>> = BTreeMap::new();
    for row in store.db.rows(sql).await? {
        let mut reader = row.reader();
        let (pool, state) = (reader.text()?, reader.word(TaskState::from_word)?);
        usage.entry(pool).or_default().insert(state, reader.int()?);
    }
    Ok(usage)
}
