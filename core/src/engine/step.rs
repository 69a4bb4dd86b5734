//! What one step gathers: rows that changed, work still to do, effects.
//!
//! A row that changes several times in a step is written once, compared with what it was before
//! the step. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use super::Engine;
use super::event::{DatesWanted, Effects, LengthWanted, PastWanted, Refusal, RunWanted};
use crate::ids::DagId;
use crate::record::{AssetKey, AttemptKey, Change, EventRow, RunKey, TiKey, VersionRow};
use crate::wire::Kill;

#[derive(Debug)]
pub(super) struct Step {
    pub(super) now: Timestamp,
    pub(super) versions: Vec<VersionRow>,
    pub(super) dags: Vec<DagId>,
    pub(super) runs: Vec<RunKey>,
    pub(super) tis: Vec<TiKey>,
    /// Rows that are only ever added.
    pub(super) rest: Vec<Change>,
    pub(super) kills: Vec<Kill>,
    pub(super) past_wanted: Vec<PastWanted>,
    pub(super) dates_wanted: Vec<DatesWanted>,
    /// Planned dates that were just looked up and have no run.
    pub(super) free: BTreeSet<(DagId, Timestamp)>,
    /// DAGs whose backfill's row changed.
    pub(super) backfills: BTreeSet<DagId>,
    pub(super) runs_wanted: BTreeSet<RunWanted>,
    pub(super) lengths_wanted: Vec<LengthWanted>,
    pub(super) assigned: Option<AttemptKey>,
    pub(super) answer: Option<Result<Value, Refusal>>,
    pub(super) fenced: bool,
    /// Who ordered what this step does.
    pub(super) actor: Option<String>,
    /// Runs to be counted again.
    pub(super) recount: BTreeSet<RunKey>,
    /// Task instances whose rule is to be looked at.
    pub(super) evaluate: VecDeque<(RunKey, u32)>,
    /// Task instances whose condition is to be looked at, with the run that changed.
    pub(super) looks: BTreeMap<TiKey, Option<RunKey>>,
    /// Runs that may have ended.
    pub(super) check: BTreeSet<RunKey>,
    /// DAGs that may start or create runs.
    pub(super) plan: BTreeSet<DagId>,
    /// Places in asset queues that changed.
    pub(super) asset_queues: BTreeSet<(DagId, AssetKey)>,
    /// Runs that leave memory when the step is over.
    pub(super) leaving: BTreeSet<RunKey>,
    /// Runs created by timetables in this step.
    pub(super) planned: u32,
}

impl Step {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now: crate::time::truncate(now),
            versions: Vec::new(),
            dags: Vec::new(),
            runs: Vec::new(),
            tis: Vec::new(),
            rest: Vec::new(),
            kills: Vec::new(),
            past_wanted: Vec::new(),
            dates_wanted: Vec::new(),
            free: BTreeSet::new(),
            backfills: BTreeSet::new(),
            runs_wanted: BTreeSet::new(),
            lengths_wanted: Vec::new(),
            assigned: None,
            answer: None,
            fenced: false,
            actor: None,
            recount: BTreeSet::new(),
            evaluate: VecDeque::new(),
            looks: BTreeMap::new(),
            check: BTreeSet::new(),
            plan: BTreeSet::new(),
            asset_queues: BTreeSet::new(),
            leaving: BTreeSet::new(),
            planned: 0,
        }
    }

    /// Remembers something that is not about a run.
    pub(super) fn event(&mut self, dag_id: Option<&DagId>, kind: &str, actor: Option<&str>) {
        self.event_with(dag_id, kind, actor, None);
    }

    pub(super) fn event_with(
        &mut self,
        dag_id: Option<&DagId>,
        kind: &str,
        actor: Option<&str>,
        detail: Option<Value>,
    ) {
        self.rest.push(Change::Event(EventRow {
            at: self.now,
            dag_id: dag_id.cloned(),
            run: None,
            ti: None,
            kind: kind.to_owned(),
            from: None,
            to: None,
            try_number: None,
            epoch: None,
            actor: actor.map(str::to_owned),
            detail,
        }));
    }
}

impl Engine {
    /// Turns what a step gathered into effects, and forgets runs that ended.
    pub(super) fn close(&mut self, mut step: Step) -> Effects {
        let mut changes: Vec<Change> = step.versions.drain(..).map(Change::Version).collect();
        let rows = step.dags.len() + step.runs.len() + step.tis.len() + step.rest.len();
        changes.reserve(rows);
        for dag_id in &step.dags {
            if let Some(entry) = self.dags.get_mut(dag_id)
                && std::mem::take(&mut entry.is_dirty)
            {
                changes.push(Change::Dag(entry.row.clone()));
            }
        }
        for key in &step.runs {
            let Some(run) = self.runs.get_mut(key) else { continue };
            let row = Box::new(run.cell.row().clone());
            let before = run.before.take();
            if std::mem::take(&mut run.is_new) {
                let tis = run.tis.iter_mut().map(|ti| {
                    ti.before = None;
                    ti.is_new = false;
                    ti.row().clone()
                });
                changes.push(Change::RunCreated(row, tis.collect()));
            } else if let Some(from) = before {
                changes.push(Change::Run { from, row });
            }
        }
        for ti in &step.tis {
            let Some(&(run, slot)) = self.tis.get(ti) else { continue };
            let Some(run) = self.runs.get_mut(&run) else { continue };
            let ti = run.ti_mut(slot);
            let before = ti.before.take();
            let row = Box::new(ti.row().clone());
            if std::mem::take(&mut ti.is_new) {
                changes.push(Change::TiCreated(row));
            } else if let Some(from) = before {
                changes.push(Change::Ti {
                    from: from.state,
                    from_try: from.try_number,
                    from_epoch: from.epoch,
                    row,
                });
            }
        }
        changes.append(&mut step.rest);
        for dag_id in &step.backfills {
            if let Some(lane) = self.lane_mut(dag_id) {
                changes.push(Change::Backfill(Box::new(lane.row.clone())));
            }
        }
        changes.append(&mut self.queue_rows(&mut step));
        for run in &step.leaving {
            self.forget(*run);
        }
        Effects {
            changes,
            kills: step.kills,
            wake_at: self.wake_at(),
            assigned: step.assigned,
            answer: step.answer,
            fenced: step.fenced,
            past_wanted: step.past_wanted,
            dates_wanted: step.dates_wanted,
            runs_wanted: step.runs_wanted.into_iter().collect(),
            lengths_wanted: step.lengths_wanted,
        }
    }
}
