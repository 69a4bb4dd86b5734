//! The table `xcom`: what task instances gave to others.

use millrace_core::mapping::{Given, Length};
use millrace_core::record::{RunKey, TiKey, XComRow};
use serde_json::Value;

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::page::{Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "xcom",
    columns: &["ti", "xcom_key", "run", "task_id", "map_index", "value", "created_at"],
    key: &["ti", "xcom_key"],
};

fn args(row: &XComRow) -> Vec<Arg<'_>> {
    vec![
        row.ti.into(),
        (&row.key).into(),
        row.run.into(),
        row.task_id.as_str().into(),
        row.map_index.into(),
        (&row.value).into(),
        row.created_at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<XComRow, StoreError> {
    let (ti, key) = (reader.int()?, reader.text()?);
    Ok(XComRow {
        ti,
        key,
        run: reader.int()?,
        task_id: reader.id()?,
        map_index: reader.num()?,
        value: reader.json()?,
        created_at: reader.time()?,
    })
}

pub(crate) async fn write(tx: &mut Tx, rows: &[&XComRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "xcom::write", values)).await?;
    }
    Ok(())
}

pub(crate) async fn clear(tx: &mut Tx, tis: &[TiKey]) -> Result<(), StoreError> {
    for piece in pieces(tis) {
        let text = format!("-- xcom::clear\nDELETE FROM xcom WHERE ti IN ({})", marks(piece.len()));
        tx.exec(Sql::new(text).bind_all(piece.iter().copied())).await?;
    }
    Ok(())
}

/// All XComs of a run, for the templates of its tasks.
pub async fn of_run(store: &Store, run: RunKey) -> Result<Vec<XComRow>, StoreError> {
    let text = format!(
        "-- xcom::of_run\nSELECT {} FROM xcom x WHERE x.run = ? ORDER BY x.ti, x.xcom_key",
        TABLE.list("x")
    );
    let rows = store.db.rows(Sql::new(text).bind(run)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// The XComs of a task instance.
pub async fn of_ti(store: &Store, ti: TiKey) -> Result<Vec<XComRow>, StoreError> {
    let text = format!(
        "-- xcom::of_ti\nSELECT {} FROM xcom x WHERE x.ti = ? ORDER BY x.xcom_key",
        TABLE.list("x")
    );
    let rows = store.db.rows(Sql::new(text).bind(ti)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// What one task of a run gave under a key, by map index.
pub async fn pull(
    store: &Store,
    run: RunKey,
    task_id: &str,
    key: &str,
) -> Result<Vec<XComRow>, StoreError> {
    let text = format!(
        "-- xcom::pull
SELECT {} FROM xcom x WHERE x.run = ? AND x.task_id = ? AND x.xcom_key = ? ORDER BY x.map_index",
        TABLE.list("x")
    );
    let rows = store.db.rows(Sql::new(text).bind(run).bind(task_id).bind(key)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// How much a task of a run gave to be mapped over: the elements of its value, or the values of a
/// mapped task.
pub async fn length(
    store: &Store,
    run: RunKey,
    task_id: &str,
    key: &str,
) -> Result<Length, StoreError> {
    let rows = pull(store, run, task_id, key).await?;
    let given: Vec<_> = rows.iter().map(|row| (row.map_index, &row.value)).collect();
    Ok(Given(&given).length())
}

/// One element of that; none when there are fewer.
pub async fn element(
    store: &Store,
    run: RunKey,
    task_id: &str,
    key: &str,
    index: u32,
) -> Result<Option<Value>, StoreError> {
    let at = |offset: u32| {
        let text = "-- xcom::element
SELECT x.map_index, x.value FROM xcom x WHERE x.run = ? AND x.task_id = ? AND x.xcom_key = ?
ORDER BY x.map_index LIMIT 1 OFFSET ?";
        Sql::new(text).bind(run).bind(task_id).bind(key).bind(offset)
    };
    let read = |row: &crate::db::Row| {
        let mut reader = row.reader();
        Ok::<(i32, Value), StoreError>((reader.num()?, reader.json()?))
    };
    let Some(first) = store.db.row(at(0)).await? else { return Ok(None) };
    let (map_index, value) = read(&first)?;
    if map_index < 0 {
        return Ok(Given(&[(map_index, &value)]).element(index));
    }
    let found = store.db.row(at(index)).await?;
    Ok(found.map(|row| read(&row)).transpose()?.map(|(_, value)| value))
}

/// Which XComs of a run; `None` asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct XComFilter {
    /// Of this task.
    pub task_id: Option<String>,
    /// Of this mapped item.
    pub map_index: Option<i32>,
    /// The key has this text; with `%` it is a pattern.
    pub key_pattern: Option<String>,
}

/// A page of the XComs of a run.
pub async fn list(
    store: &Store,
    run: RunKey,
    wanted: &XComFilter,
    paging: Paging,
) -> Result<Page<XComRow>, StoreError> {
    let filter = Filter::default()
        .when("x.run = ?", Some(run))
        .when("x.task_id = ?", wanted.task_id.as_deref())
        .when("x.map_index = ?", wanted.map_index)
        .when("LOWER(x.xcom_key) LIKE ? ESCAPE '|'", wanted.key_pattern.as_deref().map(like));
    let head = format!("-- xcom::list\nSELECT {} FROM xcom x", TABLE.list("x"));
    let found = store.db.rows(filter.page(&head, "ORDER BY x.ti, x.xcom_key", paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let total = store.count(filter.all("-- xcom::count\nSELECT COUNT(*) FROM xcom x", "")).await?;
    Ok(Page { rows, total })
}
