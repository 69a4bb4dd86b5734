//! DAGs that are read or gone, and ended runs that come back for an order.

use std::sync::Arc;

use serde_json::json;

use super::create::assemble;
use super::layout::Layout;
use super::step::Step;
use super::{DagEntry, Engine, event::DagLoaded};
use crate::dag::Dag;
use crate::ids::DagId;
use crate::record::{DagAbout, DagRow, RunRow, TiRow, VersionRow};

impl Engine {
    /// Takes a DAG that was read from its file; other content makes a new version.
    pub(super) fn load_dag(&mut self, step: &mut Step, loaded: DagLoaded) {
        let dag_id = loaded.dag.dag_id.clone();
        let known = self.dags.get(&dag_id);
        let is_same = known.is_some_and(|entry| {
            // A file that moved is a new version: what it names is found beside it.
            entry.content_hash == loaded.content_hash
                && entry.row.file == loaded.file
                && entry.layout.is_some()
        });
        if !is_same {
            self.add_version(step, &loaded);
        }
        let Some(entry) = self.dags.get_mut(&dag_id) else { return };
        entry.row.file = loaded.file;
        // An older program may have kept less about it.
        entry.row.about = DagAbout::of(&loaded.dag);
        entry.row.parsed_at = step.now;
        let is_back = std::mem::take(&mut entry.row.is_stale);
        if is_back {
            step.event(Some(&dag_id), "dag_returned", None);
        }
        Self::touch_dag(entry, step);
        if is_back || !is_same {
            self.declare_assets(step, &dag_id);
        }
        step.plan.insert(dag_id);
    }

    fn add_version(&mut self, step: &mut Step, loaded: &DagLoaded) {
        let dag = &loaded.dag;
        self.last.version += 1;
        let version = self.last.version;
        let layout = Layout::new(version, loaded.file.clone(), Arc::clone(dag));
        let version_number = self.dags.get(&dag.dag_id).map_or(0, |e| e.version_number) + 1;
        let entry = self.dags.entry(dag.dag_id.clone()).or_insert_with(|| {
            let is_paused = dag.is_paused_upon_creation.unwrap_or(loaded.paused_by_default);
            DagEntry::new(new_dag_row(dag, is_paused, step))
        });
        entry.layout = Some(Arc::new(layout));
        entry.content_hash.clone_from(&loaded.content_hash);
        entry.version_number = version_number;
        entry.row.version = version;
        // Another text may have another schedule.
        (entry.row.next_run_after, entry.row.next_logical_date) = (None, None);
        step.versions.push(VersionRow {
            id: version,
            dag_id: dag.dag_id.clone(),
            version_number,
            content_hash: loaded.content_hash.clone(),
            file: loaded.file.clone(),
            source: Arc::clone(&loaded.source),
            files: Arc::clone(&loaded.files),
            created_at: step.now,
        });
        let detail = json!({ "version": version_number, "file": loaded.file });
        step.event_with(Some(&dag.dag_id), "dag_version", None, Some(detail));
    }

    /// A DAG's file is gone.
    pub(super) fn lose_dag(&mut self, step: &mut Step, dag_id: &DagId) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        if std::mem::replace(&mut entry.row.is_stale, true) {
            return;
        }
        Self::touch_dag(entry, step);
        step.event(Some(dag_id), "dag_gone", None);
        self.refer_to_assets(step, dag_id);
        step.plan.insert(dag_id.clone());
    }

    /// Takes an ended run back into memory.
    pub(super) fn load_run(
        &mut self,
        step: &mut Step,
        row: RunRow,
        tis: Vec<TiRow>,
        dag: Arc<Dag>,
    ) {
        if self.runs.contains_key(&row.id) {
            return;
        }
        let key = row.id;
        let layout = self.shared_layout(row.version).unwrap_or_else(|| {
            let file = self.dags.get(&row.dag_id).map(|entry| entry.row.file.clone());
            Arc::new(Layout::new(row.version, file.unwrap_or_default(), dag))
        });
        let is_ended = row.state.is_terminal();
        let run = assemble(row, tis, &layout, &mut self.last, self.config.max_map_length);
        self.insert_run(run);
        self.enter_run(step, key);
        self.unreadable.remove(&key);
        if is_ended {
            self.visitors.insert(key);
        }
    }

    /// A layout of that version that is in memory already.
    pub(super) fn shared_layout(&self, version: i64) -> Option<Arc<Layout>> {
        let newest = self.dags.values().filter_map(|entry| entry.layout.as_ref());
        let used = self.runs.values().map(|run| &run.layout);
        newest.chain(used).find(|layout| layout.version == version).cloned()
    }

    /// Puts a run that was just assembled into all lines and sets.
    pub(super) fn enter_run(&mut self, step: &mut Step, key: i64) {
        let Some(run) = self.runs.get(&key) else { return };
        for slot in run.slots() {
            let Some(run) = self.runs.get_mut(&key) else { return };
            if run.ti(slot).is_new {
                step.tis.push(run.key_of(slot));
            }
            let hold = super::apply::holds(run, slot);
            self.take_slots(key, slot, hold);
            self.enter_line(step, key, slot);
            self.look_later(step, key, slot);
        }
        self.enter_dag(step, key);
        self.ask_past(step, key);
        self.relink_past(key);
        step.recount.insert(key);
    }

    /// Lets loaded runs go that are still ended.
    pub(super) fn dismiss_visitors(&mut self, step: &mut Step) {
        for key in std::mem::take(&mut self.visitors) {
            if self.runs.get(&key).is_some_and(|run| run.cell.state().is_terminal()) {
                step.leaving.insert(key);
            }
        }
    }
}

impl DagEntry {
    pub(super) fn new(row: DagRow) -> Self {
        Self {
            row,
            layout: None,
            content_hash: String::new(),
            version_number: 0,
            running: std::collections::BTreeSet::new(),
            queued: std::collections::BTreeSet::new(),
            lane: None,
            lane_running: std::collections::BTreeSet::new(),
            lane_queued: std::collections::BTreeSet::new(),
            newest: (None, None),
            is_looking: false,
            timer: None,
            named: None,
            assets: super::asset::DagAssets::default(),
            is_dirty: false,
        }
    }
}

fn new_dag_row(dag: &Dag, is_paused: bool, step: &Step) -> DagRow {
    DagRow {
        dag_id: dag.dag_id.clone(),
        is_paused,
        is_stale: false,
        file: String::new(),
        version: 0,
        last_interval_start: None,
        last_interval_end: None,
        next_run_after: None,
        next_logical_date: None,
        parsed_at: step.now,
        consecutive_failures: 0,
        about: DagAbout::of(dag),
    }
}
