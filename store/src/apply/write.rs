//! Sends a plan: multi-row statements, tables in a fixed order, compare before set.

use std::collections::BTreeMap;
use std::fmt::Debug;

use millrace_core::record::RunKey;

use super::ApplyError;
use super::plan::Plan;
use crate::db::{Dialect, Sql, StoreError, Tx};
use crate::{
    asset, asset_event, asset_queue, backfill, dag, dag_run, dag_version, event, inbox, notice,
    pool, task_attempt, task_instance, xcom,
};

/// Writes the plan; the number of its last event.
pub(super) async fn write(tx: &mut Tx, plan: &Plan<'_>) -> Result<Option<i64>, ApplyError> {
    compare(tx, plan).await?;
    let last_event = set(tx, plan).await.map_err(ApplyError::before_commit)?;
    for (id, answer) in &plan.inbox {
        let done = inbox::done(tx, *id, answer).await.map_err(ApplyError::before_commit)?;
        if !done {
            return Err(ApplyError::Conflict {
                row: format!("inbox entry {id}"),
                expected: "waiting".to_owned(),
                found: "answered before, or gone".to_owned(),
            });
        }
    }
    Ok(last_event)
}

/// Locks every row that will be replaced, and compares it with what the changes expect.
async fn compare(tx: &mut Tx, plan: &Plan<'_>) -> Result<(), ApplyError> {
    let runs: Vec<_> = plan.runs.keys().copied().collect();
    let found = dag_run::lock(tx, &runs).await.map_err(ApplyError::before_commit)?;
    for (id, (expected, _)) in &plan.runs {
        same("dag run", *id, expected, &found)?;
    }
    let tis: Vec<_> = plan.tis.keys().copied().collect();
    let found = task_instance::lock(tx, &tis).await.map_err(ApplyError::before_commit)?;
    for (id, (expected, _)) in &plan.tis {
        same("task instance", *id, expected, &found)?;
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(
    what: &str,
    id: i64,
    expected: &T,
    found: &BTreeMap<i64, T>,
) -> Result<(), ApplyError> {
    let found = found.get(&id);
    if found == Some(expected) {
        return Ok(());
    }
    Err(ApplyError::Conflict {
        row: format!("{what} {id}"),
        expected: format!("{expected:?}"),
        found: found.map_or_else(|| "gone".to_owned(), |found| format!("{found:?}")),
    })
}

async fn set(tx: &mut Tx, plan: &Plan<'_>) -> Result<Option<i64>, StoreError> {
    for row in plan.dags.values() {
        dag::write(tx, row).await?;
    }
    dag_version::insert(tx, &plan.versions).await?;
    for run in &plan.runs_deleted {
        delete_run(tx, *run).await?;
    }
    dag_run::insert(tx, &plan.new_runs.values().copied().collect::<Vec<_>>()).await?;
    dag_run::replace(tx, &plan.runs.values().map(|(_, row)| *row).collect::<Vec<_>>()).await?;
    task_instance::insert(tx, &plan.new_tis.values().copied().collect::<Vec<_>>()).await?;
    task_instance::replace(tx, &plan.tis.values().map(|(_, row)| *row).collect::<Vec<_>>()).await?;
    notes(tx, plan).await?;
    task_attempt::write(tx, &plan.attempts.values().copied().collect::<Vec<_>>()).await?;
    xcom::clear(tx, &plan.xcoms_cleared.iter().copied().collect::<Vec<_>>()).await?;
    xcom::write(tx, &plan.xcoms.values().copied().collect::<Vec<_>>()).await?;
    for (name, row) in &plan.pools {
        match row {
            Some(row) => pool::write(tx, row).await?,
            None => pool::delete(tx, name).await?,
        }
    }
    // A lane that closes and the next that opens may come in one batch.
    backfill::replace(tx, &plan.backfills.values().copied().collect::<Vec<_>>()).await?;
    backfill::insert(tx, &plan.new_backfills.values().copied().collect::<Vec<_>>()).await?;
    let dates: Vec<_> = plan.backfill_dates.values().copied().collect();
    backfill::write_dates(tx, &dates).await?;
    notice::insert(tx, &plan.notices.values().copied().collect::<Vec<_>>()).await?;
    notice::delete(tx, &plan.notices_done.iter().copied().collect::<Vec<_>>()).await?;
    if let Some(last) = plan.notices_done.last() {
        raise_floor(tx, "notice", *last).await?;
    }
    assets(tx, plan).await?;
    event::insert(tx, &plan.events).await
}

async fn assets(tx: &mut Tx, plan: &Plan<'_>) -> Result<(), StoreError> {
    asset::write(tx, &plan.assets.values().copied().collect::<Vec<_>>()).await?;
    for (dag_id, (references, at)) in &plan.asset_references {
        asset::write_references(tx, dag_id, references, *at).await?;
    }
    asset_event::insert(tx, &plan.asset_events).await?;
    asset_queue::write(tx, &plan.asset_queues.values().copied().collect::<Vec<_>>()).await?;
    asset_queue::insert_runs(tx, &plan.asset_runs).await
}

async fn notes(tx: &mut Tx, plan: &Plan<'_>) -> Result<(), StoreError> {
    for (run, note) in &plan.run_notes {
        let sql = Sql::new(
            "-- apply::run_note
UPDATE dag_run SET note = ? WHERE id = ?",
        );
        tx.exec(sql.bind(*note).bind(*run)).await?;
    }
    for (ti, note) in &plan.ti_notes {
        let sql = Sql::new(
            "-- apply::ti_note
UPDATE task_instance SET note = ? WHERE id = ?",
        );
        tx.exec(sql.bind(*note).bind(*ti)).await?;
    }
    Ok(())
}

/// Deletes a run and all that belongs to it but its events, and keeps its numbers from being
/// given out again.
async fn delete_run(tx: &mut Tx, run: RunKey) -> Result<(), StoreError> {
    raise_floor(tx, "run", run).await?;
    let highest = [
        ("ti", "-- apply::last_ti\nSELECT MAX(id) FROM task_instance WHERE run = ?"),
        ("notice", "-- apply::last_notice\nSELECT MAX(id) FROM notice WHERE run = ?"),
    ];
    for (name, text) in highest {
        let row = tx.row(Sql::new(text).bind(run)).await?;
        if let Some(last) = row.map(|row| row.reader().opt_int()).transpose()?.flatten() {
            raise_floor(tx, name, last).await?;
        }
    }
    let deletes = [
        "-- apply::delete_xcoms\nDELETE FROM xcom WHERE run = ?",
        "-- apply::delete_attempts\nDELETE FROM task_attempt WHERE run = ?",
        "-- apply::delete_notices\nDELETE FROM notice WHERE run = ?",
        "-- apply::delete_tis\nDELETE FROM task_instance WHERE run = ?",
        "-- apply::delete_asset_runs\nDELETE FROM asset_run WHERE run = ?",
        "-- apply::delete_run\nDELETE FROM dag_run WHERE id = ?",
    ];
    for text in deletes {
        tx.exec(Sql::new(text).bind(run)).await?;
    }
    Ok(())
}

async fn raise_floor(tx: &mut Tx, name: &'static str, value: i64) -> Result<(), StoreError> {
    let text = match tx.dialect() {
        Dialect::MariaDb => {
            "-- apply::raise_floor
INSERT INTO key_floor (name, value) VALUES (?, ?)
ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))"
        }
        Dialect::Sqlite => {
            "-- apply::raise_floor
INSERT INTO key_floor (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)"
        }
    };
    tx.exec(Sql::new(text).bind(name).bind(value)).await?;
    Ok(())
}
