//! The table `task_attempt`: every attempt at every task instance, kept.

use millrace_core::record::{AttemptKey, AttemptRow, RunKey, TiKey};
use millrace_core::state::TaskState;

use crate::db::{Arg, Reader, Sql, StoreError, Tx};
use crate::store::Store;
use crate::table::{Table, pieces};

const TABLE: Table = Table {
    name: "task_attempt",
    columns: &[
        "ti",
        "try_number",
        "epoch",
        "run",
        "version",
        "worker",
        "outcome",
        "start_date",
        "end_date",
        "exit_code",
        "reason",
        "rendered",
    ],
    key: &["ti", "try_number", "epoch"],
};

fn args(row: &AttemptRow) -> Vec<Arg<'_>> {
    vec![
        row.key.ti.into(),
        row.key.try_number.into(),
        row.key.epoch.into(),
        row.run.into(),
        row.version.into(),
        (&row.worker).into(),
        row.outcome.map(TaskState::as_str).into(),
        row.start_date.into(),
        row.end_date.into(),
        row.exit_code.into(),
        row.reason.as_deref().into(),
        row.rendered.as_ref().into(),
    ]
}

fn read(reader: &mut Reader<'_>) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        key: AttemptKey { ti: reader.int()?, try_number: reader.num()?, epoch: reader.num()? },
        run: reader.int()?,
        version: reader.int()?,
        worker: reader.text()?,
        outcome: reader.opt_word(TaskState::from_word)?,
        start_date: reader.time()?,
        end_date: reader.opt_time()?,
        exit_code: reader.opt_num()?,
        reason: reader.opt_text()?,
        rendered: reader.opt_json()?,
    })
}

pub(crate) async fn write(tx: &mut Tx, rows: &[&AttemptRow]) -> Result<(), StoreError> {
    for piece in pieces(rows) {
        let values = piece.iter().map(|row| args(row)).collect();
        tx.exec(TABLE.upsert(tx.dialect(), "task_attempt::write", values)).await?;
    }
    Ok(())
}

/// The attempts at a task instance, in order.
pub async fn of_ti(store: &Store, ti: TiKey) -> Result<Vec<AttemptRow>, StoreError> {
    let text = format!(
        "-- task_attempt::of_ti
SELECT {} FROM task_attempt a WHERE a.ti = ? ORDER BY a.try_number, a.epoch LIMIT 1000",
        TABLE.list("a")
    );
    let rows = store.db.rows(Sql::new(text).bind(ti)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// The attempts of a whole run, in order of their task instances.
pub async fn of_run(store: &Store, run: RunKey) -> Result<Vec<AttemptRow>, StoreError> {
    let text = format!(
        "-- task_attempt::of_run
SELECT {} FROM task_attempt a WHERE a.run = ? ORDER BY a.ti, a.try_number, a.epoch",
        TABLE.list("a")
    );
    let rows = store.db.rows(Sql::new(text).bind(run)).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// The last attempt of a try: the hand-out with the largest epoch.
pub async fn of_try(
    store: &Store,
    ti: TiKey,
    try_number: u32,
) -> Result<Option<AttemptRow>, StoreError> {
    let text = format!(
        "-- task_attempt::of_try
SELECT {} FROM task_attempt a WHERE a.ti = ? AND a.try_number = ? ORDER BY a.epoch DESC LIMIT 1",
        TABLE.list("a")
    );
    let row = store.db.row(Sql::new(text).bind(ti).bind(try_number)).await?;
    row.map(|row| read(&mut row.reader())).transpose()
}
