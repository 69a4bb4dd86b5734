//! A tiny row store: applies changes as the database does, compare-and-set included.

use std::collections::BTreeMap;

use crate::ids::DagId;
use crate::record::{
    AssetEventKey, AssetEventRow, AssetKey, AssetQueueRow, AssetReference, AssetRow, AssetRunRow,
    AttemptKey, AttemptRow, BackfillDateRow, BackfillKey, BackfillRow, Change, DagRow, EventRow,
    LastAssetEvent, NewestRun, NoticeRow, PoolRow, RunKey, RunRow, Snapshot, TiKey, TiRow,
    VersionKey, VersionRow,
};
use crate::state::BackfillDateState;

#[derive(Debug, Default, Clone)]
pub(super) struct Rows {
    pub(super) dags: BTreeMap<DagId, DagRow>,
    pub(super) versions: BTreeMap<VersionKey, VersionRow>,
    pub(super) runs: BTreeMap<RunKey, RunRow>,
    pub(super) tis: BTreeMap<TiKey, TiRow>,
    pub(super) attempts: BTreeMap<AttemptKey, AttemptRow>,
    pub(super) xcoms: BTreeMap<(TiKey, String), serde_json::Value>,
    pub(super) pools: BTreeMap<String, PoolRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) notices: Vec<NoticeRow>,
    pub(super) backfills: BTreeMap<BackfillKey, BackfillRow>,
    pub(super) backfill_dates: BTreeMap<(BackfillKey, u32), BackfillDateRow>,
    pub(super) assets: BTreeMap<AssetKey, AssetRow>,
    pub(super) references: BTreeMap<DagId, Vec<AssetReference>>,
    pub(super) asset_events: BTreeMap<AssetEventKey, AssetEventRow>,
    pub(super) asset_queues: BTreeMap<(DagId, AssetKey), AssetQueueRow>,
    pub(super) asset_runs: Vec<AssetRunRow>,
}

impl Rows {
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.apply_one(change.clone());
        }
    }

    fn apply_one(&mut self, change: Change) {
        match change {
            Change::Dag(row) => {
                self.dags.insert(row.dag_id.clone(), row);
            }
            Change::Version(row) => {
                assert!(self.versions.insert(row.id, row).is_none(), "a version twice");
            }
            Change::RunCreated(run, tis) => {
                let same =
                    |other: &&RunRow| other.dag_id == run.dag_id && other.run_id == run.run_id;
                assert!(self.runs.values().find(same).is_none(), "run {} twice", run.run_id);
                let dated = |other: &&RunRow| {
                    other.dag_id == run.dag_id
                        && run.logical_date.is_some()
                        && other.logical_date == run.logical_date
                };
                let double = self.runs.values().find(dated);
                assert!(double.is_none(), "{} has the date of {:?}", run.run_id, double);
                for ti in tis {
                    assert!(self.tis.insert(ti.id, ti).is_none(), "a task instance twice");
                }
                assert!(self.runs.insert(run.id, *run).is_none(), "a run key twice");
            }
            Change::Run { from, row } => {
                let stored = self.runs.get_mut(&row.id).expect("the run exists");
                assert_eq!(stored.state, from, "compare-and-set of run {}", row.run_id);
                *stored = *row;
            }
            Change::Ti { from, from_try, from_epoch, row } => {
                let stored = self.tis.get_mut(&row.id).expect("the task instance exists");
                let found = (stored.state, stored.try_number, stored.epoch);
                assert_eq!(found, (from, from_try, from_epoch), "{}", row.task_id);
                *stored = *row;
            }
            Change::TiCreated(row) => {
                assert!(self.tis.insert(row.id, *row).is_none(), "a task instance twice");
            }
            Change::Attempt(row) => {
                self.attempts.insert(row.key, *row);
            }
            Change::XCom(row) => {
                self.xcoms.insert((row.ti, row.key), row.value);
            }
            Change::XComsCleared(ti) => self.xcoms.retain(|(of, _), _| *of != ti),
            Change::Event(row) => self.events.push(row),
            Change::Notice(row) => self.notices.push(row),
            Change::NoticeDone(id) => self.notices.retain(|notice| notice.id != id),
            other => self.apply_rest(other),
        }
    }

    /// Pools, notes, deletions and assets.
    fn apply_rest(&mut self, change: Change) {
        match change {
            Change::Pool(row) => {
                self.pools.insert(row.name.clone(), row);
            }
            Change::PoolDeleted(name) => {
                self.pools.remove(&name);
            }
            Change::Note { run, ti, note } => match ti {
                None => self.runs.get_mut(&run).expect("the run exists").note = note,
                Some(ti) => self.tis.get_mut(&ti).expect("it exists").note = note,
            },
            Change::RunDeleted(run) => {
                self.runs.remove(&run);
                self.tis.retain(|_, ti| ti.run != run);
            }
            Change::Asset(row) => {
                self.assets.insert(row.id, row);
            }
            Change::AssetReferences { dag_id, references, .. } => {
                self.references.insert(dag_id, references);
            }
            Change::AssetEvent(row) => {
                assert!(self.asset_events.insert(row.id, *row).is_none(), "an event twice");
            }
            Change::AssetQueue(row) => {
                self.asset_queues.insert((row.dag_id.clone(), row.asset), row);
            }
            Change::AssetRun(row) => {
                assert!(self.runs.contains_key(&row.run), "events of a run that does not exist");
                self.asset_runs.push(row);
            }
            Change::InboxDone { .. } => {}
            other => self.apply_backfill(other),
        }
    }

    fn apply_backfill(&mut self, change: Change) {
        match change {
            Change::BackfillCreated(row, dates) => {
                let key = |date: &BackfillDateRow| (date.backfill, date.sort_ordinal);
                self.backfill_dates.extend(dates.into_iter().map(|date| (key(&date), date)));
                assert!(self.backfills.insert(row.id, *row).is_none(), "a backfill twice");
            }
            Change::Backfill(row) => {
                assert!(self.backfills.insert(row.id, *row).is_some(), "it exists");
            }
            Change::BackfillDate(date) => {
                let key = (date.backfill, date.sort_ordinal);
                assert!(self.backfill_dates.insert(key, date).is_some(), "it exists");
            }
            other => unreachable!("{other:?} is applied above"),
        }
    }

    /// What a restart reads.
    pub(super) fn snapshot(&self) -> Snapshot {
        let unfinished = |run: &&RunRow| !run.state.is_terminal();
        let runs: Vec<RunRow> = self.runs.values().filter(unfinished).cloned().collect();
        let tis = self.tis.values().filter(|ti| runs.iter().any(|run| run.id == ti.run));
        let open: Vec<BackfillRow> =
            self.backfills.values().filter(|row| row.is_open).cloned().collect();
        let is_wanted = |date: &&BackfillDateRow| {
            let is_unfinished =
                matches!(date.state, BackfillDateState::Waiting | BackfillDateState::Active);
            is_unfinished && open.iter().any(|row| row.id == date.backfill)
        };
        let backfill_dates = self.backfill_dates.values().filter(is_wanted).cloned().collect();
        Snapshot {
            newest: self.newest(),
            last_backfill: self.backfills.keys().copied().max().unwrap_or(0),
            backfills: open,
            backfill_dates,
            dags: self.dags.values().cloned().collect(),
            versions: self.versions.values().cloned().collect(),
            tis: tis.cloned().collect(),
            pools: self.pools.values().cloned().collect(),
            last_run: self.events.iter().filter_map(|event| event.run).max().unwrap_or(0),
            last_ti: self.tis.keys().copied().max().unwrap_or(0),
            last_version: self.versions.keys().copied().max().unwrap_or(0),
            last_notice: self.notices.iter().map(|notice| notice.id).max().unwrap_or(0),
            assets: self.assets.values().cloned().collect(),
            last_asset_events: self.last_asset_events(),
            asset_queues: self.asset_queues.values().cloned().collect(),
            last_asset_event: self.asset_events.keys().next_back().copied().unwrap_or(0),
            runs,
        }
    }

    fn last_asset_events(&self) -> Vec<LastAssetEvent> {
        let of = |row: &AssetEventRow| LastAssetEvent { asset: row.asset, id: row.id, at: row.at };
        let newest: BTreeMap<AssetKey, LastAssetEvent> =
            self.asset_events.values().map(|row| (row.asset, of(row))).collect();
        newest.into_values().collect()
    }

    fn newest(&self) -> Vec<NewestRun> {
        let of = |dag_id: &DagId| {
            let runs = || self.runs.values().filter(|run| run.dag_id == *dag_id);
            NewestRun {
                dag_id: dag_id.clone(),
                logical_date: runs().filter_map(|run| run.logical_date).max(),
                run_after: runs().map(|run| run.run_after).max(),
            }
        };
        self.dags.keys().map(of).collect()
    }

    pub(super) fn tis_of(&self, run: RunKey) -> Vec<TiRow> {
        self.tis.values().filter(|ti| ti.run == run).cloned().collect()
    }
}
