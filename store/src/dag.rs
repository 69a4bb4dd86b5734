//! The table `dag`, with `dag_tag` and `dag_owner`, which exist to filter by.
//!
//! Rows are written by the leader alone, through [`crate::apply`].

use millrace_core::record::{DagAbout, DagRow};
use millrace_core::state::RunState;

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks};

const TABLE: Table = Table {
    name: "dag",
    columns: &[
        "dag_id",
        "is_paused",
        "is_stale",
        "file",
        "version",
        "last_interval_start",
        "last_interval_end",
        "next_run_after",
        "next_logical_date",
        "parsed_at",
        "consecutive_failures",
        "display_name",
        "description",
        "schedule_text",
        "timezone",
        "owners",
        "tags",
        "max_active_runs",
        "max_active_tasks",
        "max_consecutive_failed_dag_runs",
        "catchup",
        "allowed_run_types",
        "has_task_concurrency_limits",
    ],
    key: &["dag_id"],
};

/// The longest tag or owner that can be filtered by, in characters; longer ones are cut.
const WORD_CHARS_MAX: usize = 250;

fn args(row: &DagRow) -> Vec<Arg<'_>> {
    let about = &row.about;
    vec![
        row.dag_id.as_str().into(),
        row.is_paused.into(),
        row.is_stale.into(),
        (&row.file).into(),
        row.version.into(),
        row.last_interval_start.into(),
        row.last_interval_end.into(),
        row.next_run_after.into(),
        row.next_logical_date.into(),
        row.parsed_at.into(),
        row.consecutive_failures.into(),
        (&about.display_name).into(),
        about.description.as_deref().into(),
        about.schedule_text.as_deref().into(),
        (&about.timezone).into(),
        json_text(&about.owners).into(),
        json_text(&about.tags).into(),
        about.max_active_runs.into(),
        about.max_active_tasks.into(),
        about.max_consecutive_failed_dag_runs.into(),
        about.catchup.into(),
        about.allowed_run_types.as_ref().map(json_text).into(),
        about.has_task_concurrency_limits.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<DagRow, StoreError> {
    Ok(DagRow {
        dag_id: reader.id()?,
        is_paused: reader.flag()?,
        is_stale: reader.flag()?,
        file: reader.text()?,
        version: reader.int()?,
        last_interval_start: reader.opt_time()?,
        last_interval_end: reader.opt_time()?,
        next_run_after: reader.opt_time()?,
        next_logical_date: reader.opt_time()?,
        parsed_at: reader.time()?,
        consecutive_failures: reader.num()?,
        about: DagAbout {
            display_name: reader.text()?,
            description: reader.opt_text()?,
            schedule_text: reader.opt_text()?,
            timezone: reader.text()?,
            owners: reader.json()?,
            tags: reader.json()?,
            max_active_runs: reader.num()?,
            max_active_tasks: reader.num()?,
            max_consecutive_failed_dag_runs: reader.num()?,
            catchup: reader.flag()?,
            allowed_run_types: reader.opt_json()?,
            has_task_concurrency_limits: reader.flag()?,
        },
    })
}

/// Writes a DAG's row, its tags and its owners.
pub(crate) async fn write(tx: &mut Tx, row: &DagRow) -> Result<(), StoreError> {
    let sql = TABLE.upsert(tx.dialect(), "dag::write", vec![args(row)]);
    tx.exec(sql).await?;
    words(tx, &DAG_TAG, row, &row.about.tags).await?;
    words(tx, &DAG_OWNER, row, &row.about.owners).await
}

const DAG_TAG: Words = Words {
    table: Table { name: "dag_tag", columns: &["dag_id", "name"], key: &["dag_id", "name"] },
    list: "-- dag::tags_of
SELECT name FROM dag_tag WHERE dag_id = ?",
    delete: "-- dag::tags_delete
DELETE FROM dag_tag WHERE dag_id = ?",
};
const DAG_OWNER: Words = Words {
    table: Table { name: "dag_owner", columns: &["dag_id", "name"], key: &["dag_id", "name"] },
    list: "-- dag::owners_of
SELECT name FROM dag_owner WHERE dag_id = ?",
    delete: "-- dag::owners_delete
DELETE FROM dag_owner WHERE dag_id = ?",
};

struct Words {
    table: Table,
    list: &'static str,
    delete: &'static str,
}

/// Makes the words of a DAG those given; most writes of a DAG do not change them.
async fn words(tx: &mut Tx, of: &Words, row: &DagRow, given: &[String]) -> Result<(), StoreError> {
    let mut wanted: Vec<String> =
        given.iter().map(|word| word.chars().take(WORD_CHARS_MAX).collect()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let rows = tx.rows(Sql::new(of.list).bind(row.dag_id.as_str())).await?;
    let mut found =
        rows.iter().map(|row| row.reader().text()).collect::<Result<Vec<_>, StoreError>>()?;
    found.sort_unstable();
    if found == wanted {
        return Ok(());
    }
    tx.exec(Sql::new(of.delete).bind(row.dag_id.as_str())).await?;
    for piece in crate::table::pieces(&wanted) {
        let values = piece.iter().map(|word| vec![row.dag_id.as_str().into(), word.into()]);
        tx.exec(of.table.insert("dag::words", values.collect())).await?;
    }
    Ok(())
}

/// Every DAG, in a transaction.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<DagRow>, StoreError> {
    let text = format!("-- dag::all\nSELECT {} FROM dag d ORDER BY dag_id", TABLE.list("d"));
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// Which DAGs; an empty list or `None` asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct DagFilter {
    /// Paused, or not.
    pub is_paused: Option<bool>,
    /// Whether the file is gone, or not.
    pub is_stale: Option<bool>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// All of the tags, rather than any (Airflow: `tags_match_mode=all`).
    pub all_tags: bool,
    /// Any of these owners.
    pub owners: Vec<String>,
    /// One of these DAGs.
    pub dag_ids: Vec<String>,
    /// The name or display name has this text; with `%` it is a pattern.
    pub pattern: Option<String>,
    /// The newest run is in this state.
    pub last_run_state: Option<RunState>,
}

/// What a list of DAGs is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DagOrder {
    /// By name.
    #[default]
    DagId,
    /// By the name for people.
    DisplayName,
    /// By the time of the next run; those without one come first when ascending.
    NextRunAfter,
    /// By the time of the newest run; those without one come first when ascending.
    LastRunAfter,
    /// By the state of the newest run.
    LastRunState,
}

const LAST_STATE: &str = "(SELECT r.state FROM dag_run r WHERE r.dag_id = d.dag_id \
     ORDER BY r.run_after DESC, r.id DESC LIMIT 1)";

impl DagOrder {
    fn sql(self) -> String {
        match self {
            Self::DagId => "d.dag_id".to_owned(),
            Self::DisplayName => "d.display_name".to_owned(),
            Self::NextRunAfter => "d.next_run_after".to_owned(),
            Self::LastRunAfter => {
                "(SELECT MAX(r.run_after) FROM dag_run r WHERE r.dag_id = d.dag_id)".to_owned()
            }
            Self::LastRunState => LAST_STATE.to_owned(),
        }
    }
}

fn filter(wanted: &DagFilter) -> Filter<'_> {
    let mut filter = Filter::default()
        .when("d.is_paused = ?", wanted.is_paused)
        .when("d.is_stale = ?", wanted.is_stale)
        .one_of("d.dag_id", &wanted.dag_ids);
    if !wanted.tags.is_empty() {
        let count = if wanted.all_tags { wanted.tags.len() } else { 1 };
        let text = format!(
            "(SELECT COUNT(*) FROM dag_tag g WHERE g.dag_id = d.dag_id AND g.name IN ({})) >= {count}",
            marks(wanted.tags.len())
        );
        filter = filter.also(text, &wanted.tags);
    }
    if !wanted.owners.is_empty() {
        let text = format!(
            "EXISTS (SELECT 1 FROM dag_owner o WHERE o.dag_id = d.dag_id AND o.name IN ({}))",
            marks(wanted.owners.len())
        );
        filter = filter.also(text, &wanted.owners);
    }
    if let Some(pattern) = &wanted.pattern {
        let text = "(LOWER(d.dag_id) LIKE ? ESCAPE '|' OR LOWER(d.display_name) LIKE ? ESCAPE '|')"
            .to_owned();
        filter = filter.also(text, [like(pattern), like(pattern)]);
    }
    if let Some(state) = wanted.last_run_state {
        filter = filter.also(format!("{LAST_STATE} = ?"), [state.as_str()]);
    }
    filter
}

/// A page of DAGs.
pub async fn list(
    store: &Store,
    wanted: &DagFilter,
    order: DagOrder,
    direction: Direction,
    paging: Paging,
) -> Result<Page<DagRow>, StoreError> {
    let filter = filter(wanted);
    let head = format!("-- dag::list\nSELECT {} FROM dag d", TABLE.list("d"));
    let tail = format!("ORDER BY {} {}, d.dag_id", order.sql(), direction.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let total = store.count(filter.all("-- dag::count\nSELECT COUNT(*) FROM dag d", "")).await?;
    Ok(Page { rows, total })
}

/// The DAG of a name.
pub async fn get(store: &Store, dag_id: &str) -> Result<Option<DagRow>, StoreError> {
    let text = format!("-- dag::get\nSELECT {} FROM dag d WHERE d.dag_id = ?", TABLE.list("d"));
    let row = store.db.row(Sql::new(text).bind(dag_id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// Every tag that some DAG has, sorted.
pub async fn tags(store: &Store) -> Result<Vec<String>, StoreError> {
    let sql = Sql::new(
        "-- dag::tags
SELECT DISTINCT name FROM dag_tag ORDER BY name",
    );
    store.db.rows(sql).await?.iter().map(|row| row.reader().text()).collect()
}
