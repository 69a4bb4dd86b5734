//! The tables `asset` and `asset_reference`: what assets there are, and who reads and writes them.
//!
//! Rows are written by the leader alone, through [`crate::apply`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use millrace_core::ids::{DagId, TaskId};
use millrace_core::record::{AssetKey, AssetReference, AssetRole, AssetRow};

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "asset",
    columns: &["id", "name", "uri", "asset_group", "extra", "created_at", "updated_at"],
    key: &["id"],
};

const REFERENCE: Table = Table {
    name: "asset_reference",
    columns: &["asset", "dag_id", "role", "task_id", "created_at", "updated_at"],
    key: &["asset", "dag_id", "role", "task_id"],
};

/// A use of an asset, with when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetUse {
    /// The asset.
    pub asset: AssetKey,
    /// The DAG.
    pub dag_id: DagId,
    /// How it is used.
    pub role: AssetRole,
    /// The task; absent for the DAG's schedule.
    pub task_id: Option<TaskId>,
    /// When a version of the DAG said so first.
    pub created_at: Timestamp,
    /// When the uses of the DAG last changed.
    pub updated_at: Timestamp,
}

fn args(row: &AssetRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        (&row.name).into(),
        (&row.uri).into(),
        (&row.group).into(),
        json_text(&row.extra).into(),
        row.created_at.into(),
        row.updated_at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<AssetRow, StoreError> {
    Ok(AssetRow {
        id: reader.int()?,
        name: reader.text()?,
        uri: reader.text()?,
        group: reader.text()?,
        extra: reader.json()?,
        created_at: reader.time()?,
        updated_at: reader.time()?,
    })
}

fn read_use(reader: &mut Reader<'_>) -> Result<AssetUse, StoreError> {
    Ok(AssetUse {
        asset: reader.int()?,
        dag_id: reader.id()?,
        role: reader.word(AssetRole::from_word)?,
        task_id: read_task(&reader.text()?, reader)?,
        created_at: reader.time()?,
        updated_at: reader.time()?,
    })
}

fn read_task(text: &str, reader: &Reader<'_>) -> Result<Option<TaskId>, StoreError> {
    let found = Some(text).filter(|text| !text.is_empty()).map(TaskId::new);
    found.transpose().map_err(|error| reader.corrupt(error.to_string()))
}

pub(crate) async fn write(tx: &mut Tx, rows: &[&AssetRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "asset::write", values)).await?;
    }
    Ok(())
}

/// Makes the uses of a DAG those given; those that stay keep when they began.
pub(crate) async fn write_references(
    tx: &mut Tx,
    dag_id: &str,
    given: &[AssetReference],
    at: Timestamp,
) -> Result<(), StoreError> {
    let text = format!(
        "-- asset::references_of_dag\nSELECT {} FROM asset_reference f WHERE f.dag_id = ?",
        REFERENCE.list("f")
    );
    let rows = tx.rows(Sql::new(text).bind(dag_id)).await?;
    let mut began = BTreeMap::new();
    for row in &rows {
        let AssetUse { asset, role, task_id, created_at, .. } = read_use(&mut row.reader())?;
        began.insert(AssetReference { asset, role, task_id }, created_at);
    }
    let delete = Sql::new(
        "-- asset::delete_references
DELETE FROM asset_reference WHERE dag_id = ?",
    );
    tx.exec(delete.bind(dag_id)).await?;
    let given: Vec<&AssetReference> = given.iter().collect::<BTreeSet<_>>().into_iter().collect();
    for piece in pieces(&given) {
        let values = piece.iter().map(|row| {
            let began = began.get(*row).copied().unwrap_or(at);
            let task_id = row.task_id.as_ref().map_or("", TaskId::as_str);
            vec![
                row.asset.into(),
                dag_id.into(),
                row.role.as_str().into(),
                task_id.into(),
                began.into(),
                at.into(),
            ]
        });
        tx.exec(REFERENCE.insert("asset::insert_references", values.collect())).await?;
    }
    Ok(())
}

/// Every asset, in a transaction.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<AssetRow>, StoreError> {
    let text = format!("-- asset::all\nSELECT {} FROM asset a ORDER BY a.id", TABLE.list("a"));
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// Which assets; an empty list or `None` asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct AssetFilter {
    /// The name has this text; with `%` it is a pattern.
    pub name_pattern: Option<String>,
    /// The URI has this text; with `%` it is a pattern.
    pub uri_pattern: Option<String>,
    /// Some of these DAGs reads, writes or waits for it.
    pub dag_ids: Vec<String>,
    /// Some DAG names it now.
    pub is_active: bool,
}

/// What a list of assets is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssetOrder {
    /// By number.
    #[default]
    Id,
    /// By name.
    Name,
    /// By URI.
    Uri,
    /// By when a DAG named it first.
    CreatedAt,
    /// By when what is said of it changed.
    UpdatedAt,
}

impl AssetOrder {
    fn sql(self) -> &'static str {
        match self {
            Self::Id => "a.id",
            Self::Name => "a.name",
            Self::Uri => "a.uri",
            Self::CreatedAt => "a.created_at",
            Self::UpdatedAt => "a.updated_at",
        }
    }
}

/// A page of assets.
pub async fn list(
    store: &Store,
    wanted: &AssetFilter,
    order: AssetOrder,
    direction: Direction,
    paging: Paging,
) -> Result<Page<AssetRow>, StoreError> {
    let mut filter = Filter::default()
        .when("LOWER(a.name) LIKE ? ESCAPE '|'", wanted.name_pattern.as_deref().map(like))
        .when("LOWER(a.uri) LIKE ? ESCAPE '|'", wanted.uri_pattern.as_deref().map(like));
    // Not EXISTS: SQLite's rewrite of it to a join counts an asset of several uses several times
    // when it skips an OFFSET.
    let used = "a.id IN (SELECT f.asset FROM asset_reference f";
    if !wanted.dag_ids.is_empty() {
        let text = format!("{used} WHERE f.dag_id IN ({}))", marks(wanted.dag_ids.len()));
        filter = filter.also(text, &wanted.dag_ids);
    }
    if wanted.is_active {
        filter = filter.also(format!("{used})"), Vec::<i64>::new());
    }
    let head = format!("-- asset::list\nSELECT {} FROM asset a", TABLE.list("a"));
    let tail = format!("ORDER BY {} {}, a.id", order.sql(), direction.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let total =
        store.count(filter.all("-- asset::count\nSELECT COUNT(*) FROM asset a", "")).await?;
    Ok(Page { rows, total })
}

/// Assets by their numbers.
pub async fn by_keys(
    store: &Store,
    keys: &[AssetKey],
) -> Result<BTreeMap<AssetKey, AssetRow>, StoreError> {
    let mut found = BTreeMap::new();
    for piece in pieces(keys) {
        let text = format!(
            "-- asset::by_keys\nSELECT {} FROM asset a WHERE a.id IN ({})",
            TABLE.list("a"),
            marks(piece.len())
        );
        for row in store.db.rows(Sql::new(text).bind_all(piece.iter().copied())).await? {
            let row = read(&mut row.reader())?;
            found.insert(row.id, row);
        }
    }
    Ok(found)
}

/// The asset of a name, else the oldest one with that URI.
pub async fn named(store: &Store, text: &str) -> Result<Option<AssetRow>, StoreError> {
    let sql = format!(
        "-- asset::named
SELECT {list} FROM asset a WHERE a.name = ? AND a.uri <> a.name
UNION ALL SELECT {list} FROM asset a WHERE a.uri = ?",
        list = TABLE.list("a")
    );
    let rows = store.db.rows(Sql::new(sql).bind(text).bind(text)).await?;
    let rows = rows.iter().map(|row| read(&mut row.reader())).collect::<Result<Vec<_>, _>>()?;
    // As the engine finds it: a name with a place, a place, a bare name.
    let rank = |row: &AssetRow| (row.uri == row.name, row.name != text, row.id);
    Ok(rows.into_iter().min_by_key(rank))
}

/// The uses of assets, by asset; bounded by what DAG files say.
pub async fn uses(store: &Store, keys: &[AssetKey]) -> Result<Vec<AssetUse>, StoreError> {
    let mut found = Vec::new();
    for piece in pieces(keys) {
        let text = format!(
            "-- asset::uses
SELECT {} FROM asset_reference f WHERE f.asset IN ({})
ORDER BY f.asset, f.dag_id, f.role, f.task_id",
            REFERENCE.list("f"),
            marks(piece.len())
        );
        for row in store.db.rows(Sql::new(text).bind_all(piece.iter().copied())).await? {
            found.push(read_use(&mut row.reader())?);
        }
    }
    Ok(found)
}
