//! A tiny row store: applies changes as the database does, compare-and-set included.

use std::collections::BTreeMap;

use crate::ids::DagId;
use crate::record::{
    AttemptKey, AttemptRow, Change, DagRow, EventRow, NoticeRow, PoolRow, RunKey, RunRow, Snapshot,
    TiKey, TiRow, VersionKey, VersionRow,
};

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
            Change::InboxDone { .. } => {}
        }
    }

    /// What a restart reads.
    pub(super) fn snapshot(&self) -> Snapshot {
        let unfinished = |run: &&RunRow| !run.state.is_terminal();
        let runs: Vec<RunRow> = self.runs.values().filter(unfinished).cloned().collect();
        let tis = self.tis.values().filter(|ti| runs.iter().any(|run| run.id == ti.run));
        Snapshot {
            dags: self.dags.values().cloned().collect(),
            versions: self.versions.values().cloned().collect(),
            tis: tis.cloned().collect(),
            pools: self.pools.values().cloned().collect(),
            last_run: self.events.iter().filter_map(|event| event.run).max().unwrap_or(0),
            last_ti: self.tis.keys().copied().max().unwrap_or(0),
            last_version: self.versions.keys().copied().max().unwrap_or(0),
            last_notice: self.notices.iter().map(|notice| notice.id).max().unwrap_or(0),
            runs,
        }
    }

    pub(super) fn tis_of(&self, run: RunKey) -> Vec<TiRow> {
        self.tis.values().filter(|ti| ti.run == run).cloned().collect()
    }
}
