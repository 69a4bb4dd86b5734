//! The table `import_error`: what is wrong in DAG files. The rows of a file are replaced together.

use std::collections::{BTreeMap, BTreeSet};

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

/// Makes these the errors of files, by file; none when one is good or gone. `file` of the rows is
/// ignored. A thousand files without errors, before and now, are one query.
pub async fn replace(
    store: &Store,
    errors: &BTreeMap<String, Vec<ImportError>>,
) -> Result<(), StoreError> {
    let before = files(store).await?;
    let is_change =
        |file: &String, errors: &[ImportError]| !errors.is_empty() || before.contains(file);
    if !errors.iter().any(|(file, errors)| is_change(file, errors)) {
        return Ok(());
    }
    let mut tx = store.db.begin().await?;
    for (file, errors) in errors.iter().filter(|(file, errors)| is_change(file, errors)) {
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
    }
    tx.commit().await
}

/// Drops the errors of all files but these: for the start, when files may have gone meanwhile.
pub async fn keep_only(store: &Store, kept: &[String]) -> Result<(), StoreError> {
    let gone = files(store).await?.into_iter().filter(|file| !kept.contains(file));
    replace(store, &gone.map(|file| (file, Vec::new())).collect()).await
}

/// The files that have errors.
async fn files(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let sql = Sql::new(
        "-- import_error::files
SELECT DISTINCT file FROM import_error",
    );
    store.db.rows(sql).await?.iter().map(|row| row.reader().text()).collect()
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
