//! The table `task_instance`: rows, and what is read of them.
//!
//! Rows are written by the leader alone, through [`crate::apply`]: there is no other UPDATE.

use std::collections::BTreeMap;

use jiff::Timestamp;
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{RunKey, TiKey, TiRow};
use millrace_core::state::TaskState;

use crate::db::{Arg, Reader, Sql, StoreError, Tx, json_text};
use crate::page::{Direction, Filter, Page, Paging, like};
use crate::store::Store;
use crate::table::{Table, marks, pieces};

const TABLE: Table = Table {
    name: "task_instance",
    columns: &[
        "id",
        "run",
        "task_id",
        "map_index",
        "state",
        "try_number",
        "max_tries",
        "epoch",
        "infra_tries",
        "version",
        "pool",
        "pool_slots",
        "queue",
        "priority_weight",
        "operator",
        "scheduled_at",
        "queued_at",
        "start_date",
        "end_date",
        "retry_at",
        "worker",
        "exit_code",
        "reason",
        "note",
        "skip_memory",
        "wait",
        "rendered_map_index",
    ],
    key: &["id"],
};

fn args(row: &TiRow) -> Vec<Arg<'_>> {
    vec![
        row.id.into(),
        row.run.into(),
        row.task_id.as_str().into(),
        row.map_index.into(),
        row.state.as_str().into(),
        row.try_number.into(),
        row.max_tries.into(),
        row.epoch.into(),
        row.infra_tries.into(),
        row.version.into(),
        (&row.pool).into(),
        row.pool_slots.into(),
        (&row.queue).into(),
        row.priority_weight.into(),
        (&row.operator).into(),
        row.scheduled_at.into(),
        row.queued_at.into(),
        row.start_date.into(),
        row.end_date.into(),
        row.retry_at.into(),
        row.worker.as_deref().into(),
        row.exit_code.into(),
        row.reason.as_deref().into(),
        row.note.as_deref().into(),
        row.skip_memory.as_ref().map(json_text).into(),
        row.wait.as_ref().map(json_text).into(),
        row.rendered_map_index.as_deref().into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<TiRow, StoreError> {
    Ok(TiRow {
        id: reader.int()?,
        run: reader.int()?,
        task_id: reader.id()?,
        map_index: reader.num()?,
        state: reader.word(TaskState::from_word)?,
        try_number: reader.num()?,
        max_tries: reader.num()?,
        epoch: reader.num()?,
        infra_tries: reader.num()?,
        version: reader.int()?,
        pool: reader.text()?,
        pool_slots: reader.num()?,
        queue: reader.text()?,
        priority_weight: reader.num()?,
        operator: reader.text()?,
        scheduled_at: reader.opt_time()?,
        queued_at: reader.opt_time()?,
        start_date: reader.opt_time()?,
        end_date: reader.opt_time()?,
        retry_at: reader.opt_time()?,
        worker: reader.opt_text()?,
        exit_code: reader.opt_num()?,
        reason: reader.opt_text()?,
        note: reader.opt_text()?,
        skip_memory: reader.opt_json()?,
        wait: reader.opt_json()?,
        rendered_map_index: reader.opt_text()?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, rows: &[&TiRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.insert("task_instance::insert", values)).await?;
    }
    Ok(())
}

/// Replaces rows that [`lock`] has locked and checked.
pub(crate) async fn replace(tx: &mut Tx, rows: &[&TiRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "task_instance::replace", values)).await?;
    }
    Ok(())
}

/// What a compare-and-set compares: state, try number and epoch.
pub(crate) type Compared = (TaskState, u32, u32);

/// Locks rows and gives what a compare-and-set compares.
pub(crate) async fn lock(
    tx: &mut Tx,
    ids: &[TiKey],
) -> Result<BTreeMap<TiKey, Compared>, StoreError> {
    let mut found = BTreeMap::new();
    let for_update = tx.for_update();
    for piece in pieces(ids) {
        let text = format!(
            "-- task_instance::lock
SELECT id, state, try_number, epoch FROM task_instance WHERE id IN ({}) ORDER BY id{for_update}",
            marks(piece.len())
        );
        for row in tx.rows(Sql::new(text).bind_all(piece.iter().copied())).await? {
            let mut reader = row.reader();
            let id = reader.int()?;
            found.insert(id, (reader.word(TaskState::from_word)?, reader.num()?, reader.num()?));
        }
    }
    Ok(found)
}

/// The task instances of all unfinished runs, in a transaction.
pub(crate) async fn unfinished(tx: &mut Tx) -> Result<Vec<TiRow>, StoreError> {
    let text = format!(
        "-- task_instance::unfinished
SELECT {} FROM task_instance t JOIN dag_run r ON r.id = t.run
WHERE r.state IN ('queued', 'running') ORDER BY t.id",
        TABLE.list("t")
    );
    tx.rows(Sql::new(text)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// The task instances of a run, in a transaction.
pub(crate) async fn of(tx: &mut Tx, run: RunKey) -> Result<Vec<TiRow>, StoreError> {
    let text = format!(
        "-- task_instance::of\nSELECT {} FROM task_instance t WHERE t.run = ? ORDER BY t.id",
        TABLE.list("t")
    );
    tx.rows(Sql::new(text).bind(run)).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// A task instance with the names that its dag run gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct TiOfRun {
    /// The task instance.
    pub row: TiRow,
    /// The DAG.
    pub dag_id: DagId,
    /// The dag run.
    pub run_id: RunId,
    /// The logical date of the run.
    pub logical_date: Option<Timestamp>,
    /// The time from which the run may start.
    pub run_after: Timestamp,
}

fn read_with_run(reader: &mut Reader<'_>) -> Result<TiOfRun, StoreError> {
    Ok(TiOfRun {
        row: read(reader)?,
        dag_id: reader.id()?,
        run_id: reader.id()?,
        logical_date: reader.opt_time()?,
        run_after: reader.time()?,
    })
}

fn select_with_run(tag: &str) -> String {
    format!(
        "-- task_instance::{tag}
SELECT {}, r.dag_id, r.run_id, r.logical_date, r.run_after
FROM task_instance t JOIN dag_run r ON r.id = t.run",
        TABLE.list("t")
    )
}

/// The task instance of a name; `map_index` is -1 for tasks that are not mapped.
pub async fn get(
    store: &Store,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    map_index: i32,
) -> Result<Option<TiOfRun>, StoreError> {
    let text = format!(
        "{} WHERE r.dag_id = ? AND r.run_id = ? AND t.task_id = ? AND t.map_index = ?",
        select_with_run("get")
    );
    let sql = Sql::new(text).bind(dag_id).bind(run_id).bind(task_id).bind(map_index);
    let row = store.db.row(sql).await?;
    row.map(|row| read_with_run(&mut row.reader())).transpose()
}

/// The task instance of a number.
pub async fn by_key(store: &Store, ti: TiKey) -> Result<Option<TiOfRun>, StoreError> {
    let text = format!("{} WHERE t.id = ?", select_with_run("by_key"));
    let row = store.db.row(Sql::new(text).bind(ti)).await?;
    row.map(|row| read_with_run(&mut row.reader())).transpose()
}

/// The task instances of a run, in the order in which they were created.
pub async fn of_run(store: &Store, run: RunKey) -> Result<Vec<TiRow>, StoreError> {
    let text = format!(
        "-- task_instance::of_run\nSELECT {} FROM task_instance t WHERE t.run = ? ORDER BY t.id",
        TABLE.list("t")
    );
    let rows = store.db.rows(Sql::new(text).bind(run)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// Which task instances; an empty list or `None` asks for nothing. Ranges include both ends.
#[derive(Debug, Clone, Default)]
pub struct TiFilter {
    /// Of one of these DAGs.
    pub dag_ids: Vec<String>,
    /// Of runs of one of these names.
    pub run_ids: Vec<String>,
    /// Of one of these runs.
    pub runs: Vec<RunKey>,
    /// Of one of these tasks.
    pub task_ids: Vec<String>,
    /// The task's name has this text; with `%` it is a pattern.
    pub task_id_pattern: Option<String>,
    /// In one of these states.
    pub states: Vec<TaskState>,
    /// In one of these pools.
    pub pools: Vec<String>,
    /// In one of these queues.
    pub queues: Vec<String>,
    /// Of one of these operators.
    pub operators: Vec<String>,
    /// Of this mapped item.
    pub map_index: Option<i32>,
    /// Of runs from this time of `run_after`.
    pub run_after_from: Option<Timestamp>,
    /// Of runs to this time of `run_after`.
    pub run_after_to: Option<Timestamp>,
    /// Of runs from this logical date.
    pub logical_date_from: Option<Timestamp>,
    /// Of runs to this logical date.
    pub logical_date_to: Option<Timestamp>,
    /// Started from this time.
    pub start_date_from: Option<Timestamp>,
    /// Started until this time.
    pub start_date_to: Option<Timestamp>,
    /// Ended from this time.
    pub end_date_from: Option<Timestamp>,
    /// Ended until this time.
    pub end_date_to: Option<Timestamp>,
}

/// What a list of task instances is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TiOrder {
    /// By creation.
    #[default]
    Id,
    /// By task.
    TaskId,
    /// By mapped item.
    MapIndex,
    /// By state.
    State,
    /// By start of the last attempt.
    StartDate,
    /// By end of the last attempt.
    EndDate,
    /// By the logical date of the run.
    LogicalDate,
    /// By the time from which the run may start.
    RunAfter,
}

impl TiOrder {
    fn sql(self) -> &'static str {
        match self {
            Self::Id => "t.id",
            Self::TaskId => "t.task_id",
            Self::MapIndex => "t.map_index",
            Self::State => "t.state",
            Self::StartDate => "t.start_date",
            Self::EndDate => "t.end_date",
            Self::LogicalDate => "r.logical_date",
            Self::RunAfter => "r.run_after",
        }
    }
}

fn filter(wanted: &TiFilter) -> Filter<'_> {
    Filter::default()
        .one_of("r.dag_id", &wanted.dag_ids)
        .one_of("r.run_id", &wanted.run_ids)
        .one_of("t.run", wanted.runs.iter().copied())
        .one_of("t.task_id", &wanted.task_ids)
        .when("LOWER(t.task_id) LIKE ? ESCAPE '|'", wanted.task_id_pattern.as_deref().map(like))
        .one_of("t.state", wanted.states.iter().map(|state| state.as_str()))
        .one_of("t.pool", &wanted.pools)
        .one_of("t.queue", &wanted.queues)
        .one_of("t.operator", &wanted.operators)
        .when("t.map_index = ?", wanted.map_index)
        .when("r.run_after >= ?", wanted.run_after_from)
        .when("r.run_after <= ?", wanted.run_after_to)
        .when("r.logical_date >= ?", wanted.logical_date_from)
        .when("r.logical_date <= ?", wanted.logical_date_to)
        .when("t.start_date >= ?", wanted.start_date_from)
        .when("t.start_date <= ?", wanted.start_date_to)
        .when("t.end_date >= ?", wanted.end_date_from)
        .when("t.end_date <= ?", wanted.end_date_to)
}

/// A page of task instances, of one run or across runs.
pub async fn list(
    store: &Store,
    wanted: &TiFilter,
    order: TiOrder,
    direction: Direction,
    paging: Paging,
) -> Result<Page<TiOfRun>, StoreError> {
    let filter = filter(wanted);
    let way = direction.sql();
    let tail = format!("ORDER BY {} {way}, t.id {way}", order.sql());
    let found = store.db.rows(filter.page(&select_with_run("list"), &tail, paging)).await?;
    let rows =
        found.iter().map(|row| read_with_run(&mut row.reader())).collect::<Result<_, _>>()?;
    let count = "-- task_instance::count
SELECT COUNT(*) FROM task_instance t JOIN dag_run r ON r.id = t.run";
    let total = store.count(filter.all(count, "")).await?;
    Ok(Page { rows, total })
}

/// How many task instances are in each state, of runs that may start from `since` on; of one DAG
/// or all.
pub async fn count_by_state(
    store: &Store,
    dag_id: Option<&str>,
    since: Option<Timestamp>,
) -> Result<BTreeMap<TaskState, u64>, StoreError> {
    let filter = Filter::default().when("r.dag_id = ?", dag_id).when("r.run_after >= ?", since);
    let head = "-- task_instance::count_by_state
SELECT t.state, COUNT(*) FROM task_instance t JOIN dag_run r ON r.id = t.run";
    let rows = store.db.rows(filter.all(head, "GROUP BY t.state")).await?;
    rows.iter()
        .map(|row| {
            let mut reader = row.reader();
            Ok((reader.word(TaskState::from_word)?, reader.num()?))
        })
        .collect()
}
