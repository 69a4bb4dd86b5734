//! The table `notice`: notices to be sent. A row goes when its notice was sent or given up.

use millrace_core::record::NoticeRow;

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "notice",
    columns: &[
        "id",
        "run",
        "ti",
        "occasion",
        "cause",
        "position",
        "try_number",
        "reason",
        "created_at",
    ],
    key: &["id"],
};

fn args(row: &NoticeRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        row.run.into(),
        row.ti.into(),
        (&row.occasion).into(),
        row.cause.as_deref().into(),
        row.position.into(),
        row.try_number.into(),
        row.reason.as_deref().into(),
        row.created_at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<NoticeRow, StoreError> {
    Ok(NoticeRow {
        id: reader.int()?,
        run: reader.int()?,
        ti: reader.opt_int()?,
        occasion: reader.text()?,
        cause: reader.opt_text()?,
        position: reader.num()?,
        try_number: reader.num()?,
        reason: reader.opt_text()?,
        created_at: reader.time()?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, rows: &[&NoticeRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("notice::insert", values)).await?;
    }
    Ok(())
}

pub(crate) async fn delete(tx: &mut Tx, ids: &[i64]) -> Result<(), StoreError> {
    for piece in pieces(ids) {
        let text =
            format!("-- notice::delete\nDELETE FROM notice WHERE id IN ({})", marks(piece.len()));
        tx.exec(Sql::new(text).bind_all(piece.iter().copied())).await?;
    }
    Ok(())
}

/// The notices that were not sent yet, oldest first.
pub async fn pending(store: &Store) -> Result<Vec<NoticeRow>, StoreError> {
    let text =
        format!("-- notice::pending\nSELECT {} FROM notice n ORDER BY n.id", TABLE.list("n"));
    let rows = store.db.rows(Sql::new(text)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}
