//! Folds a batch to one write a row, in a fixed order of tables.
//!
//! Pure: no database here. What two changes of one row mean together is decided here alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use millrace_core::record::{
    AssetEventRow, AssetKey, AssetQueueRow, AssetReference, AssetRow, AssetRunRow, AttemptKey,
    AttemptRow, BackfillDateRow, BackfillKey, BackfillRow, Change, DagRow, EventRow, NoticeRow,
    PoolRow, RunKey, RunRow, TiKey, TiRow, VersionRow, XComRow,
};
use millrace_core::state::RunState;
use serde_json::Value;

use super::ApplyError;
use crate::task_instance::Compared;

/// The writes of a batch. Maps are sorted, so every batch locks rows in the same order.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) dags: BTreeMap<&'a str, &'a DagRow>,
    pub(super) versions: Vec<&'a VersionRow>,
    pub(super) runs_deleted: BTreeSet<RunKey>,
    pub(super) new_runs: BTreeMap<RunKey, &'a RunRow>,
    pub(super) runs: BTreeMap<RunKey, (RunState, &'a RunRow)>,
    pub(super) new_tis: BTreeMap<TiKey, &'a TiRow>,
    pub(super) tis: BTreeMap<TiKey, (Compared, &'a TiRow)>,
    pub(super) run_notes: BTreeMap<RunKey, Option<&'a str>>,
    pub(super) ti_notes: BTreeMap<TiKey, Option<&'a str>>,
    pub(super) attempts: BTreeMap<AttemptKey, &'a AttemptRow>,
    pub(super) xcoms_cleared: BTreeSet<TiKey>,
    pub(super) xcoms: BTreeMap<(TiKey, &'a str), &'a XComRow>,
    pub(super) pools: BTreeMap<&'a str, Option<&'a PoolRow>>,
    pub(super) new_backfills: BTreeMap<BackfillKey, &'a BackfillRow>,
    pub(super) backfills: BTreeMap<BackfillKey, &'a BackfillRow>,
    pub(super) backfill_dates: BTreeMap<(BackfillKey, u32), &'a BackfillDateRow>,
    pub(super) notices: BTreeMap<i64, &'a NoticeRow>,
    pub(super) notices_done: BTreeSet<i64>,
    pub(super) events: Vec<&'a EventRow>,
    pub(super) assets: BTreeMap<AssetKey, &'a AssetRow>,
    pub(super) asset_references: BTreeMap<&'a str, (&'a [AssetReference], Timestamp)>,
    pub(super) asset_events: Vec<&'a AssetEventRow>,
    pub(super) asset_queues: BTreeMap<(&'a str, AssetKey), &'a AssetQueueRow>,
    pub(super) asset_runs: Vec<&'a AssetRunRow>,
    pub(super) inbox: Vec<(i64, &'a Value)>,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// [`ApplyError::Conflict`] when a change of a row does not begin where the one before ended.
    pub(super) fn of(changes: &'a [Change]) -> Result<Self, ApplyError> {
        let mut plan = Self::default();
        for change in changes {
            plan.add(change)?;
        }
        Ok(plan)
    }

    fn add(&mut self, change: &'a Change) -> Result<(), ApplyError> {
        match change {
            Change::Dag(row) => {
                self.dags.insert(row.dag_id.as_str(), row);
            }
            Change::Version(row) => self.versions.push(row),
            Change::RunCreated(run, tis) => {
                self.new_runs.insert(run.id, run);
                self.new_tis.extend(tis.iter().map(|ti| (ti.id, ti)));
            }
            Change::Run { from, row } => self.run(*from, row)?,
            Change::Ti { from, from_try, from_epoch, row } => {
                self.ti((*from, *from_try, *from_epoch), row)?;
            }
            Change::TiCreated(row) => {
                self.new_tis.insert(row.id, row);
            }
            Change::Attempt(row) => {
                self.attempts.insert(row.key, row);
            }
            Change::XCom(row) => {
                self.xcoms.insert((row.ti, &row.key), row);
            }
            Change::XComsCleared(ti) => {
                self.xcoms.retain(|(of, _), _| of != ti);
                self.xcoms_cleared.insert(*ti);
            }
            Change::Event(row) => self.events.push(row),
            Change::Notice(row) => {
                self.notices.insert(row.id, row);
            }
            Change::NoticeDone(id) => {
                self.notices.remove(id);
                self.notices_done.insert(*id);
            }
            Change::Pool(row) => {
                self.pools.insert(&row.name, Some(row));
            }
            Change::PoolDeleted(name) => {
                self.pools.insert(name, None);
            }
            Change::Note { run, ti: None, note } => {
                self.run_notes.insert(*run, note.as_deref());
            }
            Change::Note { ti: Some(ti), note, .. } => {
                self.ti_notes.insert(*ti, note.as_deref());
            }
            Change::BackfillCreated(row, dates) => {
                self.new_backfills.insert(row.id, row);
                for date in dates {
                    self.backfill_date(date);
                }
            }
            Change::Backfill(row) => self.backfill(row),
            Change::BackfillDate(date) => self.backfill_date(date),
            Change::RunDeleted(run) => self.delete_run(*run),
            Change::Asset(row) => {
                self.assets.insert(row.id, row);
            }
            Change::AssetReferences { dag_id, references, at } => {
                self.asset_references.insert(dag_id.as_str(), (references, *at));
            }
            Change::AssetEvent(row) => self.asset_events.push(row),
            Change::AssetQueue(row) => {
                self.asset_queues.insert((row.dag_id.as_str(), row.asset), row);
            }
            Change::AssetRun(row) => self.asset_runs.push(row),
            Change::InboxDone { id, answer } => self.inbox.push((*id, answer)),
        }
        Ok(())
    }

    /// A backfill that these changes make is written once, as it is last.
    fn backfill(&mut self, row: &'a BackfillRow) {
        if let Some(new) = self.new_backfills.get_mut(&row.id) {
            *new = row;
        } else {
            self.backfills.insert(row.id, row);
        }
    }

    fn backfill_date(&mut self, date: &'a BackfillDateRow) {
        self.backfill_dates.insert((date.backfill, date.sort_ordinal), date);
    }

    fn run(&mut self, from: RunState, row: &'a RunRow) -> Result<(), ApplyError> {
        // The whole row is newer than a note set before it.
        self.run_notes.remove(&row.id);
        if let Some(new) = self.new_runs.get_mut(&row.id) {
            follows(row.id, "dag run", &from, &new.state)?;
            *new = row;
        } else if let Some((_, last)) = self.runs.get_mut(&row.id) {
            follows(row.id, "dag run", &from, &last.state)?;
            *last = row;
        } else {
            self.runs.insert(row.id, (from, row));
        }
        Ok(())
    }

    fn ti(&mut self, from: Compared, row: &'a TiRow) -> Result<(), ApplyError> {
        self.ti_notes.remove(&row.id);
        let compared = |row: &TiRow| (row.state, row.try_number, row.epoch);
        if let Some(new) = self.new_tis.get_mut(&row.id) {
            follows(row.id, "task instance", &from, &compared(new))?;
            *new = row;
        } else if let Some((_, last)) = self.tis.get_mut(&row.id) {
            follows(row.id, "task instance", &from, &compared(last))?;
            *last = row;
        } else {
            self.tis.insert(row.id, (from, row));
        }
        Ok(())
    }

    /// Deletions are written first, so that a run of the same name can follow in the same batch;
    /// what the batch wrote of the run before is dropped.
    fn delete_run(&mut self, run: RunKey) {
        self.new_runs.remove(&run);
        self.runs.remove(&run);
        self.run_notes.remove(&run);
        self.new_tis.retain(|_, ti| ti.run != run);
        self.tis.retain(|_, (_, ti)| ti.run != run);
        self.attempts.retain(|_, attempt| attempt.run != run);
        self.xcoms.retain(|_, xcom| xcom.run != run);
        self.notices.retain(|_, notice| notice.run != run);
        self.asset_runs.retain(|consumed| consumed.run != run);
        self.runs_deleted.insert(run);
    }
}

fn follows<T: PartialEq + std::fmt::Debug>(
    id: i64,
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), ApplyError> {
    if expected == found {
        return Ok(());
    }
    Err(ApplyError::Conflict {
        row: format!("{what} {id} within the batch"),
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}
