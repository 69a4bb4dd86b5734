//! The table `dag_version`: the text of a DAG at one time. Rows are never changed.

use std::sync::Arc;

use millrace_core::record::{VersionKey, VersionRow};

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::store::Store;
use crate::table::{Table, pieces};

const TABLE: Table = Table {
    name: "dag_version",
    columns: &[
        "id",
        "dag_id",
        "version_number",
        "content_hash",
        "file",
        "source",
        "files",
        "created_at",
    ],
    key: &["id"],
};

fn args(row: &VersionRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        row.dag_id.as_str().into(),
        row.version_number.into(),
        (&row.content_hash).into(),
        (&row.file).into(),
        (&*row.source).into(),
        json_text(&*row.files).into(),
        row.created_at.into(),
    ]
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<VersionRow, StoreError> {
    Ok(VersionRow {
        id: reader.int()?,
        dag_id: reader.id()?,
        version_number: reader.num()?,
        content_hash: reader.text()?,
        file: reader.text()?,
        source: reader.text()?.into(),
        files: Arc::new(reader.json()?),
        created_at: reader.time()?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, rows: &[&VersionRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("dag_version::insert", values)).await?;
    }
    Ok(())
}

/// The newest version of every DAG, and every version that an unfinished run or an open backfill
/// has.
pub(crate) async fn needed(tx: &mut Tx) -> Result<Vec<VersionRow>, StoreError> {
    let text = format!(
        "-- dag_version::needed
SELECT {} FROM dag_version v
WHERE v.id IN (SELECT version FROM dag)
   OR v.id IN (SELECT version FROM dag_run WHERE state IN ('queued', 'running'))
   OR v.id IN (SELECT version FROM backfill WHERE open_dag IS NOT NULL)
ORDER BY v.id",
        TABLE.list("v")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// The version of a number, in a transaction.
pub(crate) async fn of(tx: &mut Tx, id: VersionKey) -> Result<Option<VersionRow>, StoreError> {
    let text =
        format!("-- dag_version::of\nSELECT {} FROM dag_version v WHERE v.id = ?", TABLE.list("v"));
    let row = tx.row(Sql::new(text).bind(id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The versions of a DAG, newest first.
pub async fn list(store: &Store, dag_id: &str) -> Result<Vec<VersionRow>, StoreError> {
    let text = format!(
        "-- dag_version::list
SELECT {} FROM dag_version v WHERE v.dag_id = ? ORDER BY v.version_number DESC LIMIT 1000",
        TABLE.list("v")
    );
    let rows = store.db.rows(Sql::new(text).bind(dag_id)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// A version by its number within the DAG.
pub async fn get(
    store: &Store,
    dag_id: &str,
    version_number: u32,
) -> Result<Option<VersionRow>, StoreError> {
    let text = format!(
        "-- dag_version::get
SELECT {} FROM dag_version v WHERE v.dag_id = ? AND v.version_number = ?",
        TABLE.list("v")
    );
    let row = store.db.row(Sql::new(text).bind(dag_id).bind(version_number)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// A version by its key.
pub async fn by_key(store: &Store, id: VersionKey) -> Result<Option<VersionRow>, StoreError> {
    let text = format!(
        "-- dag_version::by_key\nSELECT {} FROM dag_version v WHERE v.id = ?",
        TABLE.list("v")
    );
    let row = store.db.row(Sql::new(text).bind(id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}
