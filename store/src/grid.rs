//! The grid: the newest runs of a DAG with all their task instances, in one query.

use jiff::Timestamp;
use millrace_core::ids::{RunId, TaskId};
use millrace_core::record::{RunKey, TiKey, VersionKey};
use millrace_core::state::{RunState, RunType, TaskState};

use crate::db::{Reader, Sql, StoreError};
use crate::store::Store;

/// The most runs of a grid.
pub const RUNS_MAX: u32 = 365;

/// A column of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct GridRun {
    /// The run's number.
    pub id: RunKey,
    /// Its name.
    pub run_id: RunId,
    /// What made it.
    pub run_type: RunType,
    /// Its state.
    pub state: RunState,
    /// The version that it runs.
    pub version: VersionKey,
    /// Its logical date.
    pub logical_date: Option<Timestamp>,
    /// The start of its data interval.
    pub data_interval_start: Option<Timestamp>,
    /// The end of its data interval.
    pub data_interval_end: Option<Timestamp>,
    /// No task starts before it.
    pub run_after: Timestamp,
    /// When it was created or last cleared.
    pub queued_at: Timestamp,
    /// When it started.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
    /// Its task instances.
    pub cells: Vec<GridCell>,
}

/// A cell of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct GridCell {
    /// The task instance.
    pub ti: TiKey,
    /// Its task.
    pub task_id: TaskId,
    /// Its mapped item, -1 when the task is not mapped.
    pub map_index: i32,
    /// Its state.
    pub state: TaskState,
    /// Its try.
    pub try_number: u32,
    /// When its last attempt was handed out.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
}

fn read_run(reader: &mut Reader<'_>) -> Result<GridRun, StoreError> {
    Ok(GridRun {
        id: reader.int()?,
        run_id: reader.id()?,
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
        cells: Vec::new(),
    })
}

fn read_cell(reader: &mut Reader<'_>) -> Result<Option<GridCell>, StoreError> {
    let Some(ti) = reader.opt_int()? else {
        return Ok(None);
    };
    Ok(Some(GridCell {
        ti,
        task_id: reader.id()?,
        map_index: reader.num()?,
        state: reader.word(TaskState::from_word)?,
        try_number: reader.num()?,
        start_date: reader.opt_time()?,
        end_date: reader.opt_time()?,
    }))
}

/// The newest `count` runs of a DAG (at most [`RUNS_MAX`]), newest first, until `before` if given.
pub async fn newest(
    store: &Store,
    dag_id: &str,
    before: Option<Timestamp>,
    count: u32,
) -> Result<Vec<GridRun>, StoreError> {
    let sql = Sql::new(
        "-- grid::newest
SELECT r.id, r.run_id, r.run_type, r.state, r.version, r.logical_date, r.data_interval_start,
    r.data_interval_end, r.run_after, r.queued_at, r.start_date, r.end_date,
    t.id, t.task_id, t.map_index, t.state, t.try_number, t.start_date, t.end_date
FROM (SELECT * FROM dag_run WHERE dag_id = ? AND run_after <= ?
    ORDER BY run_after DESC, id DESC LIMIT ?) AS r
LEFT JOIN task_instance t ON t.run = r.id
ORDER BY r.run_after DESC, r.id DESC, t.id",
    );
    let before = before.unwrap_or(Timestamp::MAX);
    let rows = store.db.rows(sql.bind(dag_id).bind(before).bind(count.min(RUNS_MAX))).await?;
    let mut runs: Vec<GridRun> = Vec::new();
    for row in rows {
        let mut reader = row.reader();
        let run = read_run(&mut reader)?;
        let cell = read_cell(&mut reader)?;
        if runs.last().is_none_or(|last| last.id != run.id) {
            runs.push(run);
        }
        if let (Some(run), Some(cell)) = (runs.last_mut(), cell) {
            run.cells.push(cell);
        }
    }
    Ok(runs)
}
