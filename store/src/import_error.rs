//! The table `import_error`: what is wrong in DAG files. The rows of a file are replaced together.

use jiff::Timestamp;

use crate::db::{Arg, Reader, Sql, StoreError};
use crate::page::{Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, pieces};

/// Something wrong in a DAG file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// The file below the DAG folder.
    pub file: String,
    /// Its line, from 1.
    pub line: Option<u32>,
    /// Its column in characters, from 1.
    pub column: Option<u32>,
    /// What is wrong and what to do.
    pub message: String,
    /// The message with its source snippet.
    pub report: String,
    /// When the file was read.
    pub at: Timestamp,
}

const TABLE: Table = Table {
    name: "import_error",
    columns: &["file", "line", "column_number", "message", "report", "at"],
    key: &[],
};

fn args(row: &ImportError) -> Vec<Arg<'_>> {
    vec![
        (&row.file).into(),
        row.line.into(),
        row.column.into(),
        (&row.message).into(),
        (&row.report).into(),
        row.at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<ImportError, StoreError> {
    Ok(ImportError {
        id: reader.int()?,
        file: reader.text()?,
        line: reader.opt_num()?,
        column: reader.opt_num()?,
        message: reader.text()?,
        report: reader.text()?,
        at: reader.time()?,
    })
}

/// Makes these the errors of a file; none when it is good or gone. `file` of the rows is ignored.
pub async fn replace(store: &Store, file: &str, errors: &[ImportError]) -> Result<(), StoreError> {
    let mut tx = store.db.begin().await?;
    let sql = Sql::new(
        "-- import_error::delete
DELETE FROM import_error WHERE file = ?",
    );
    tx.exec(sql.bind(file)).await?;
    for piece in pieces(errors) {
        let rows = piece.iter().map(|row| {
            let mut values = args(row);
            values[0] = file.into();
            values
        });
        tx.exec(TABLE.insert("import_error::insert", rows.collect())).await?;
    }
    tx.commit().await
}

/// Drops the errors of all files but these: for the start, when files may have gone meanwhile.
pub async fn keep_only(store: &Store, files: &[String]) -> Result<(), StoreError> {
    let sql = Sql::new(
        "-- import_error::files
SELECT DISTINCT file FROM import_error",
    );
    for row in store.db.rows(sql).await? {
        let file = row.reader().text()?;
        if !files.contains(&file) {
            replace(store, &file, &[]).await?;
        }
    }
    Ok(())
}

/// A page of errors, by file and line; with a pattern those whose file has this text.
pub async fn list(
    store: &Store,
    file_pattern: Option<&str>,
    paging: Paging,
) -> Result<Page<ImportError>, StoreError> {
    let filter = Filter::default().when("LOWER(i.file) LIKE ? ESCAPE '|'", file_pattern.map(like));
    let head =
        format!("-- import_error::list\nSELECT i.id, {} FROM import_error i", TABLE.list("i"));
    let found = store.db.rows(filter.page(&head, "ORDER BY i.file, i.line, i.id", paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- import_error::count\nSELECT COUNT(*) FROM import_error i";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// The error of a number.
pub async fn get(store: &Store, id: i64) -> Result<Option<ImportError>, StoreError> {
    let text = format!(
        "-- import_error::get\nSELECT i.id, {} FROM import_error i WHERE i.id = ?",
        TABLE.list("i")
    );
    let row = store.db.row(Sql::new(text).bind(id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}
