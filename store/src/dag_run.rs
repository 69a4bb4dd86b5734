//! The table `dag_run`: rows, and what is read of them.
//!
//! Rows are written by the leader alone, through [`crate::apply`]. `schedule_key` makes a second
//! run of one logical date impossible (Airflow: unique `dag_id, logical_date`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::ids::DagId;
use millrace_core::record::{RunKey, RunRow};
use millrace_core::state::{RunState, RunType, TriggeredBy};
use millrace_core::time::to_micros;

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

pub(crate) const TABLE: Table = Table {
    name: "dag_run",
    columns: &[
        "id",
        "dag_id",
        "run_id",
        "schedule_key",
        "run_type",
        "state",
        "version",
        "logical_date",
        "data_interval_start",
        "data_interval_end",
        "run_after",
        "queued_at",
        "start_date",
        "end_date",
        "conf",
        "params",
        "note",
        "triggered_by",
        "triggering_user",
        "clear_number",
        "reason",
        "deadlines",
    ],
    key: &["id"],
};

/// One run for each logical date; runs without one are told apart by their names.
fn schedule_key(row: &RunRow) -> String {
    row.logical_date.map_or_else(
        || format!("r:{}", row.run_id),
        |logical_date| format!("d:{}", to_micros(logical_date)),
    )
}

fn args(row: &RunRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        row.dag_id.as_str().into(),
        row.run_id.as_str().into(),
        schedule_key(row).into(),
        row.run_type.as_str().into(),
        row.state.as_str().into(),
        row.version.into(),
        row.logical_date.into(),
        row.data_interval_start.into(),
        row.data_interval_end.into(),
        row.run_after.into(),
        row.queued_at.into(),
        row.start_date.into(),
        row.end_date.into(),
        row.conf.as_ref().map(json_text).into(),
        json_text(&row.params).into(),
        row.note.as_deref().into(),
        row.triggered_by.as_str().into(),
        row.triggering_user.as_deref().into(),
        row.clear_number.into(),
        row.reason.as_deref().into(),
        (!row.deadlines.is_empty()).then(|| json_text(&row.deadlines)).into(),
    ]
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<RunRow, StoreError> {
    let (id, dag_id, run_id) = (reader.int()?, reader.id()?, reader.id()?);
    reader.text()?; // the schedule key follows from the rest
    Ok(RunRow {
        id,
        dag_id,
        run_id,
        run_type: reader.word(RunType::from_word)?,
        state: reader.word(RunState::from_word)?,
        version: reader.int()?,
        logical_date: reader.opt_time()?,
        data_interval_start: reader.opt_time()?,
        data_interval_end: reader.opt_time()?,
        run_after: reader.time()?,
        queued_at: reader.time()?,
        start_date: reader.opt_time()?,
        end_date: reader.opt_time()?,
        conf: reader.opt_json()?,
        params: reader.json()?,
        note: reader.opt_text()?,
        triggered_by: reader.word(TriggeredBy::from_word)?,
        triggering_user: reader.opt_text()?,
        clear_number: reader.num()?,
        reason: reader.opt_text()?,
        deadlines: reader.opt_json()?.unwrap_or_default(),
    })
}

pub(crate) async fn insert(tx: &mut Tx, rows: &[&RunRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("dag_run::insert", values)).await?;
    }
    Ok(())
}

/// Replaces rows that [`lock`] has locked and checked.
pub(crate) async fn replace(tx: &mut Tx, rows: &[&RunRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "dag_run::replace", values)).await?;
    }
    Ok(())
}

/// Locks rows and gives their states.
pub(crate) async fn lock(
    tx: &mut Tx,
    ids: &[RunKey],
) -> Result<BTreeMap<RunKey, RunState>, StoreError> {
    let mut found = BTreeMap::new();
    let for_update = tx.for_update();
    for piece in pieces(ids) {
        let text = format!(
            "-- dag_run::lock\nSELECT id, state FROM dag_run WHERE id IN ({}) ORDER BY id{for_update}",
            marks(piece.len())
        );
        for row in tx.rows(Sql::new(text).bind_all(piece.iter().copied())).await? {
            let mut reader = row.reader();
            found.insert(reader.int()?, reader.word(RunState::from_word)?);
        }
    }
    Ok(found)
}

/// The unfinished runs, in a transaction.
pub(crate) async fn unfinished(tx: &mut Tx) -> Result<Vec<RunRow>, StoreError> {
    let text = format!(
        "-- dag_run::unfinished
SELECT {} FROM dag_run r WHERE r.state IN ('queued', 'running') ORDER BY r.id",
        TABLE.list("r")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// The run of a name, in a transaction.
pub(crate) async fn of(
    tx: &mut Tx,
    dag_id: &str,
    run_id: &str,
) -> Result<Option<RunRow>, StoreError> {
    let text = format!(
        "-- dag_run::of\nSELECT {} FROM dag_run r WHERE r.dag_id = ? AND r.run_id = ?",
        TABLE.list("r")
    );
    let row = tx.row(Sql::new(text).bind(dag_id).bind(run_id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The run of a name.
pub async fn get(store: &Store, dag_id: &str, run_id: &str) -> Result<Option<RunRow>, StoreError> {
    let text = format!(
        "-- dag_run::get\nSELECT {} FROM dag_run r WHERE r.dag_id = ? AND r.run_id = ?",
        TABLE.list("r")
    );
    let row = store.db.row(Sql::new(text).bind(dag_id).bind(run_id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The run of a number.
pub async fn by_key(store: &Store, run: RunKey) -> Result<Option<RunRow>, StoreError> {
    let text =
        format!("-- dag_run::by_key\nSELECT {} FROM dag_run r WHERE r.id = ?", TABLE.list("r"));
    let row = store.db.row(Sql::new(text).bind(run)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// Which runs; an empty list or `None` asks for nothing. Ranges include both ends.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of one of these DAGs.
    pub dag_ids: Vec<String>,
    /// The DAG's name has this text; with `%` it is a pattern.
    pub dag_id_pattern: Option<String>,
    /// The run's name has this text; with `%` it is a pattern.
    pub run_id_pattern: Option<String>,
    /// In one of these states.
    pub states: Vec<RunState>,
    /// Of one of these types.
    pub run_types: Vec<RunType>,
    /// The user that triggered it has this text; with `%` it is a pattern.
    pub triggering_user_pattern: Option<String>,
    /// From this logical date.
    pub logical_date_from: Option<Timestamp>,
    /// To this logical date.
    pub logical_date_to: Option<Timestamp>,
    /// From this time of `run_after`.
    pub run_after_from: Option<Timestamp>,
    /// To this time of `run_after`.
    pub run_after_to: Option<Timestamp>,
    /// Started from this time.
    pub start_date_from: Option<Timestamp>,
    /// Started until this time.
    pub start_date_to: Option<Timestamp>,
    /// Ended from this time.
    pub end_date_from: Option<Timestamp>,
    /// Ended until this time.
    pub end_date_to: Option<Timestamp>,
}

/// What a list of runs is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunOrder {
    /// By creation.
    Id,
    /// By the time from which it may start; for one DAG an index gives it.
    #[default]
    RunAfter,
    /// By logical date.
    LogicalDate,
    /// By start.
    StartDate,
    /// By end.
    EndDate,
    /// By state.
    State,
    /// By the DAG's name.
    DagId,
    /// By the run's name.
    RunId,
}

impl RunOrder {
    fn sql(self) -> &'static str {
        match self {
            Self::Id => "r.id",
            Self::RunAfter => "r.run_after",
            Self::LogicalDate => "r.logical_date",
            Self::StartDate => "r.start_date",
            Self::EndDate => "r.end_date",
            Self::State => "r.state",
            Self::DagId => "r.dag_id",
            Self::RunId => "r.run_id",
        }
    }
}

fn filter(wanted: &RunFilter) -> Filter<'_> {
    Filter::default()
        .one_of("r.dag_id", &wanted.dag_ids)
        .when("LOWER(r.dag_id) LIKE ? ESCAPE '|'", wanted.dag_id_pattern.as_deref().map(like))
        .when("LOWER(r.run_id) LIKE ? ESCAPE '|'", wanted.run_id_pattern.as_deref().map(like))
        .when(
            "LOWER(r.triggering_user) LIKE ? ESCAPE '|'",
            wanted.triggering_user_pattern.as_deref().map(like),
        )
        .one_of("r.state", wanted.states.iter().map(|state| state.as_str()))
        .one_of("r.run_type", wanted.run_types.iter().map(|kind| kind.as_str()))
        .when("r.logical_date >= ?", wanted.logical_date_from)
        .when("r.logical_date <= ?", wanted.logical_date_to)
        .when("r.run_after >= ?", wanted.run_after_from)
        .when("r.run_after <= ?", wanted.run_after_to)
        .when("r.start_date >= ?", wanted.start_date_from)
        .when("r.start_date <= ?", wanted.start_date_to)
        .when("r.end_date >= ?", wanted.end_date_from)
        .when("r.end_date <= ?", wanted.end_date_to)
}

/// A page of runs.
pub async fn list(
    store: &Store,
    wanted: &RunFilter,
    order: RunOrder,
    direction: Direction,
    paging: Paging,
) -> Result<Page<RunRow>, StoreError> {
    let filter = filter(wanted);
    let head = format!("-- dag_run::list\nSELECT {} FROM dag_run r", TABLE.list("r"));
    let way = direction.sql();
    let tail = format!("ORDER BY {} {way}, r.id {way}", order.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- dag_run::count\nSELECT COUNT(*) FROM dag_run r";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// The runs of a DAG whose logical dates lie in a range, both ends included and either absent for
/// no limit; oldest first, at most `most` of [`Page::total`].
pub async fn dated(
    store: &Store,
    dag_id: &DagId,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    most: u32,
) -> Result<Page<RunRow>, StoreError> {
    let wanted = RunFilter {
        dag_ids: vec![dag_id.to_string()],
        logical_date_from: from,
        logical_date_to: to,
        ..RunFilter::default()
    };
    let paging = Paging { limit: most, offset: 0 };
    list(store, &wanted, RunOrder::LogicalDate, Direction::Ascending, paging).await
}

/// The newest `count` runs of each of many DAGs, newest first, in one query for 32 DAGs.
pub async fn recent(
    store: &Store,
    dag_ids: &[DagId],
    count: u32,
) -> Result<BTreeMap<DagId, Vec<RunRow>>, StoreError> {
    let mut found: BTreeMap<DagId, Vec<RunRow>> = BTreeMap::new();
    for piece in dag_ids.chunks(32) {
        // One indexed range for each DAG; a window function would read every run.
        let part = format!(
            "SELECT * FROM (SELECT {} FROM dag_run r WHERE r.dag_id = ? \
             ORDER BY r.run_after DESC, r.id DESC LIMIT ?) AS newest",
            TABLE.list("r")
        );
        let text = vec![part.as_str(); piece.len()].join("\nUNION ALL ");
        let mut sql = Sql::new(format!("-- dag_run::recent\n{text}"));
        for dag_id in piece {
            sql = sql.bind(dag_id.as_str()).bind(count);
        }
        for row in store.db.rows(sql).await? {
            let run = read(&mut row.reader())?;
            found.entry(run.dag_id.clone()).or_default().push(run);
        }
    }
    for runs in found.values_mut() {
        runs.sort_by_key(|run| std::cmp::Reverse((run.run_after, run.id)));
    }
    Ok(found)
}

/// How many runs are in each state, of those that may start from `since` on; of one DAG or all.
pub async fn count_by_state(
    store: &Store,
    dag_id: Option<&str>,
    since: Option<Timestamp>,
) -> Result<BTreeMap<RunState, u64>, StoreError> {
    let filter = Filter::default().when("r.dag_id = ?", dag_id).when("r.run_after >= ?", since);
    let head = "-- dag_run::count_by_state\nSELECT r.state, COUNT(*) FROM dag_run r";
    let rows = store.db.rows(filter.all(head, "GROUP BY r.state")).await?;
    rows.iter()
        .map(|row| {
            let mut reader = row.reader();
            Ok((reader.word(RunState::from_word)?, reader.num()?))
        })
        .collect()
}
