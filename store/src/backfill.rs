//! The tables `backfill` and `backfill_dag_run`, and what a plan needs to know of existing runs.
//!
//! Rows are written by the leader alone, through [`crate::apply`]. `open_dag` makes a second open
//! backfill of a DAG impossible.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::ids::RunId;
use millrace_core::record::{BackfillDateRow, BackfillKey, BackfillRow, NewestRun, RunRow};
use millrace_core::state::{BackfillDateState, BackfillEnding, ReprocessBehavior, RunState};

use crate::dag_run;
use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, Page, Paging};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "backfill",
    columns: &[
        "id",
        "dag_id",
        "open_dag",
        "from_date",
        "to_date",
        "run_backwards",
        "reprocess_behavior",
        "max_active_runs",
        "stop_after_failures",
        "run_on_latest_version",
        "conf",
        "version",
        "is_paused",
        "ending",
        "reason",
        "dates_total",
        "dates_waiting",
        "runs_active",
        "runs_succeeded",
        "runs_failed",
        "dates_skipped",
        "triggering_user",
        "created_at",
        "updated_at",
        "completed_at",
    ],
    key: &["id"],
};

const DATES: Table = Table {
    name: "backfill_dag_run",
    columns: &[
        "backfill",
        "sort_ordinal",
        "logical_date",
        "data_interval_start",
        "data_interval_end",
        "run_after",
        "state",
        "run",
        "exception_reason",
    ],
    key: &["backfill", "sort_ordinal"],
};

fn args(row: &BackfillRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        row.dag_id.as_str().into(),
        row.is_open.then_some(row.dag_id.as_str()).into(),
        row.from_date.into(),
        row.to_date.into(),
        row.run_backwards.into(),
        row.reprocess_behavior.as_str().into(),
        row.max_active_runs.into(),
        row.stop_after_failures.into(),
        row.run_on_latest_version.into(),
        row.conf.as_ref().map(json_text).into(),
        row.version.into(),
        row.is_paused.into(),
        row.ending.map(BackfillEnding::as_str).into(),
        row.reason.as_deref().into(),
        row.dates_total.into(),
        row.dates_waiting.into(),
        row.runs_active.into(),
        row.runs_succeeded.into(),
        row.runs_failed.into(),
        row.dates_skipped.into(),
        row.triggering_user.as_deref().into(),
        row.created_at.into(),
        row.updated_at.into(),
        row.completed_at.into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<BackfillRow, StoreError> {
    let (id, dag_id) = (reader.int()?, reader.id()?);
    Ok(BackfillRow {
        id,
        dag_id,
        is_open: reader.opt_text()?.is_some(),
        from_date: reader.time()?,
        to_date: reader.time()?,
        run_backwards: reader.flag()?,
        reprocess_behavior: reader.word(ReprocessBehavior::from_word)?,
        max_active_runs: reader.num()?,
        stop_after_failures: reader.num()?,
        run_on_latest_version: reader.flag()?,
        conf: reader.opt_json()?,
        version: reader.int()?,
        is_paused: reader.flag()?,
        ending: reader.opt_word(BackfillEnding::from_word)?,
        reason: reader.opt_text()?,
        dates_total: reader.num()?,
        dates_waiting: reader.num()?,
        runs_active: reader.num()?,
        runs_succeeded: reader.num()?,
        runs_failed: reader.num()?,
        dates_skipped: reader.num()?,
        triggering_user: reader.opt_text()?,
        created_at: reader.time()?,
        updated_at: reader.time()?,
        completed_at: reader.opt_time()?,
    })
}

fn date_args(row: &BackfillDateRow) -> Vec<Arg<'_>> {
    vec![
        row.backfill.into(),
        row.sort_ordinal.into(),
        row.logical_date.into(),
        row.data_interval_start.into(),
        row.data_interval_end.into(),
        row.run_after.into(),
        row.state.as_str().into(),
        row.run.into(),
        row.exception_reason.as_deref().into(),
    ]
}

fn read_date(reader: &mut Reader<'_>) -> Result<BackfillDateRow, StoreError> {
    Ok(BackfillDateRow {
        backfill: reader.int()?,
        sort_ordinal: reader.num()?,
        logical_date: reader.time()?,
        data_interval_start: reader.time()?,
        data_interval_end: reader.time()?,
        run_after: reader.time()?,
        state: reader.word(BackfillDateState::from_word)?,
        run: reader.opt_int()?,
        exception_reason: reader.opt_text()?,
    })
}

/// Writes new backfills. Not an upsert: on MariaDB that would replace another open backfill of the
/// DAG instead of failing.
pub(crate) async fn insert(tx: &mut Tx, rows: &[&BackfillRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("backfill::insert", values)).await?;
    }
    Ok(())
}

/// Replaces backfills that exist.
pub(crate) async fn replace(tx: &mut Tx, rows: &[&BackfillRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "backfill::replace", values)).await?;
    }
    Ok(())
}

/// Writes dates, new or changed.
pub(crate) async fn write_dates(tx: &mut Tx, rows: &[&BackfillDateRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| date_args(row)).collect();
        tx.exec(DATES.upsert(tx.dialect(), "backfill::write_dates", values)).await?;
    }
    Ok(())
}

/// Every open backfill, in a transaction.
pub(crate) async fn open(tx: &mut Tx) -> Result<Vec<BackfillRow>, StoreError> {
    let text = format!(
        "-- backfill::open\nSELECT {} FROM backfill b WHERE b.open_dag IS NOT NULL ORDER BY b.id",
        TABLE.list("b")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// The dates of open backfills that wait or have an unfinished run, in a transaction.
pub(crate) async fn unfinished(tx: &mut Tx) -> Result<Vec<BackfillDateRow>, StoreError> {
    let text = format!(
        "-- backfill::unfinished
SELECT {} FROM backfill b JOIN backfill_dag_run d ON d.backfill = b.id
WHERE b.open_dag IS NOT NULL AND d.state IN ('waiting', 'active')
ORDER BY d.backfill, d.sort_ordinal",
        DATES.list("d")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read_date(&mut row.reader())).collect()
}

/// How far the runs of every DAG reach, in a transaction.
pub(crate) async fn newest_runs(tx: &mut Tx) -> Result<Vec<NewestRun>, StoreError> {
    // Two seeks in an index for each DAG.
    let sql = Sql::new(
        "-- backfill::newest_runs
SELECT d.dag_id,
    (SELECT MAX(r.logical_date) FROM dag_run r WHERE r.dag_id = d.dag_id),
    (SELECT MAX(r.run_after) FROM dag_run r WHERE r.dag_id = d.dag_id)
FROM dag d ORDER BY d.dag_id",
    );
    let rows = tx.rows(sql).await?;
    let of = rows.iter().map(|row| {
        let mut reader = row.reader();
        Ok(NewestRun {
            dag_id: reader.id()?,
            logical_date: reader.opt_time()?,
            run_after: reader.opt_time()?,
        })
    });
    of.filter(|newest| !newest.as_ref().is_ok_and(|newest| newest.run_after.is_none())).collect()
}

/// The backfill of a number.
pub async fn get(store: &Store, id: BackfillKey) -> Result<Option<BackfillRow>, StoreError> {
    let text =
        format!("-- backfill::get\nSELECT {} FROM backfill b WHERE b.id = ?", TABLE.list("b"));
    let row = store.db.row(Sql::new(text).bind(id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// The open backfill of a DAG.
pub async fn open_of(store: &Store, dag_id: &str) -> Result<Option<BackfillRow>, StoreError> {
    let text = format!(
        "-- backfill::open_of\nSELECT {} FROM backfill b WHERE b.open_dag = ?",
        TABLE.list("b")
    );
    let row = store.db.row(Sql::new(text).bind(dag_id)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}

/// A page of the backfills of a DAG, or of all.
pub async fn list(
    store: &Store,
    dag_id: Option<&str>,
    direction: Direction,
    paging: Paging,
) -> Result<Page<BackfillRow>, StoreError> {
    let filter = Filter::default().when("b.dag_id = ?", dag_id);
    let head = format!("-- backfill::list\nSELECT {} FROM backfill b", TABLE.list("b"));
    let tail = format!("ORDER BY b.id {}", direction.sql());
    let found = store.db.rows(filter.page(&head, &tail, paging)).await?;
    let rows = found.iter().map(|row| read(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- backfill::count\nSELECT COUNT(*) FROM backfill b";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// One date of a backfill with the name and state of its run.
#[derive(Debug, Clone, PartialEq)]
pub struct DateOf {
    /// The date.
    pub row: BackfillDateRow,
    /// Its run, unless it has none or it was deleted.
    pub run: Option<(RunId, RunState)>,
}

/// Dates of a backfill in its order, from the `first` place on.
pub async fn dates(
    store: &Store,
    id: BackfillKey,
    first: u32,
    count: u32,
) -> Result<Vec<DateOf>, StoreError> {
    let text = format!(
        "-- backfill::dates
SELECT {}, r.run_id, r.state FROM backfill_dag_run d LEFT JOIN dag_run r ON r.id = d.run
WHERE d.backfill = ? AND d.sort_ordinal >= ? ORDER BY d.sort_ordinal LIMIT ?",
        DATES.list("d")
    );
    let rows = store.db.rows(Sql::new(text).bind(id).bind(first).bind(count)).await?;
    let of = rows.iter().map(|row| {
        let mut reader = row.reader();
        let row = read_date(&mut reader)?;
        let run_id: Option<RunId> = reader.opt_id()?;
        let state = reader.opt_word(RunState::from_word)?;
        Ok(DateOf { row, run: run_id.zip(state) })
    });
    of.collect()
}

/// The runs of a DAG with one of these logical dates or names: what is in the way of new ones.
pub async fn existing(
    store: &Store,
    dag_id: &str,
    dates: &[Timestamp],
    run_ids: &[RunId],
) -> Result<Vec<RunRow>, StoreError> {
    let mut found: BTreeMap<i64, RunRow> = BTreeMap::new();
    for piece in pieces(dates) {
        for row in store.db.rows(existing_sql(dag_id, piece)).await? {
            let run = dag_run::read(&mut row.reader())?;
            found.insert(run.id, run);
        }
    }
    for piece in pieces(run_ids) {
        for row in store.db.rows(named_sql(dag_id, piece)).await? {
            let run = dag_run::read(&mut row.reader())?;
            found.insert(run.id, run);
        }
    }
    Ok(found.into_values().collect())
}

fn existing_sql<'a>(dag_id: &'a str, dates: &[Timestamp]) -> Sql<'a> {
    let text = format!(
        "-- backfill::existing\nSELECT {} FROM dag_run r \
         WHERE r.dag_id = ? AND r.logical_date IN ({})",
        dag_run::TABLE.list("r"),
        marks(dates.len())
    );
    Sql::new(text).bind(dag_id).bind_all(dates.iter().copied())
}

fn named_sql<'a>(dag_id: &'a str, run_ids: &'a [RunId]) -> Sql<'a> {
    let text = format!(
        "-- backfill::named\nSELECT {} FROM dag_run r WHERE r.dag_id = ? AND r.run_id IN ({})",
        dag_run::TABLE.list("r"),
        marks(run_ids.len())
    );
    Sql::new(text).bind(dag_id).bind_all(run_ids.iter().map(RunId::as_str))
}

/// The names and states of a DAG's runs by logical date, for a plan.
pub async fn states(
    store: &Store,
    dag_id: &str,
    dates: &[Timestamp],
) -> Result<BTreeMap<Timestamp, (RunId, RunState)>, StoreError> {
    let mut found = BTreeMap::new();
    for piece in pieces(dates) {
        for row in store.db.rows(states_sql(dag_id, piece)).await? {
            let mut reader = row.reader();
            let date = reader.time()?;
            found.insert(date, (reader.id()?, reader.word(RunState::from_word)?));
        }
    }
    Ok(found)
}

fn states_sql<'a>(dag_id: &'a str, dates: &[Timestamp]) -> Sql<'a> {
    let text = format!(
        "-- backfill::states\nSELECT r.logical_date, r.run_id, r.state FROM dag_run r \
         WHERE r.dag_id = ? AND r.logical_date IN ({})",
        marks(dates.len())
    );
    Sql::new(text).bind(dag_id).bind_all(dates.iter().copied())
}

/// How long the newest successful runs of a DAG took, in seconds; of its 50 newest runs.
pub async fn durations(store: &Store, dag_id: &str) -> Result<Vec<f64>, StoreError> {
    let rows = store.db.rows(durations_sql(dag_id)).await?;
    let mut found = Vec::new();
    for row in &rows {
        let mut reader = row.reader();
        let state = reader.word(RunState::from_word)?;
        let (start, end) = (reader.opt_time()?, reader.opt_time()?);
        if let (RunState::Success, Some(start), Some(end)) = (state, start, end) {
            found.push(end.duration_since(start).as_secs_f64().max(0.0));
        }
    }
    Ok(found)
}

fn durations_sql(dag_id: &str) -> Sql<'_> {
    let sql = Sql::new(
        "-- backfill::durations
SELECT r.state, r.start_date, r.end_date FROM dag_run r WHERE r.dag_id = ?
ORDER BY r.run_after DESC, r.id DESC LIMIT 50",
    );
    sql.bind(dag_id)
}
