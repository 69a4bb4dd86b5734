//! What happens to assets, and the runs that start from it.
//!
//! A run and the events that it consumes are written together, exactly once. Airflow: events do
//! not count for a DAG that is paused when they come, and many of them make one run.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::create::blank_run;
use super::event::Refusal;
use super::lifecycle::runs_max;
use super::order::Answer;
use super::step::Step;
use super::{DagEntry, Engine};
use crate::ids::{DagId, RunId};
use crate::record::{
    AssetEventKey, AssetEventRow, AssetKey, AssetQueueRow, AssetRunRow, AssetSource, Change,
    LastAssetEvent, RunKey,
};
use crate::state::{RunType, TriggeredBy};

/// Letters at the end of the name of a run that assets started, as many as Airflow's.
const SUFFIX_CHARS: usize = 8;

impl Engine {
    /// A task instance succeeded: an event of each of its outlets. `given` has what the task says
    /// of them, by name or URI.
    pub(super) fn emit_outlets(
        &mut self,
        step: &mut Step,
        key: RunKey,
        slot: u32,
        given: &Map<String, Value>,
    ) {
        let Some(run) = self.runs.get(&key) else { return };
        let layout = std::sync::Arc::clone(&run.layout);
        let Some(task) = run.instances.task_of(slot).map(|task| layout.task(task)) else { return };
        let row = run.cell.row();
        let source = AssetSource {
            dag_id: row.dag_id.clone(),
            run_id: row.run_id.clone(),
            task_id: task.task_id.clone(),
            map_index: run.ti(slot).row().map_index,
        };
        let mut seen = BTreeSet::new();
        for outlet in &task.outlets {
            let asset = self.asset_of(step, outlet, false);
            if !seen.insert(asset) {
                continue;
            }
            let said = given.iter().find(|(text, _)| outlet.is_called(text));
            let extra = said.and_then(|(_, value)| value.as_object()).cloned().unwrap_or_default();
            self.emit(step, asset, extra, Some(source.clone()));
        }
    }

    /// Something happened to an asset: it is remembered, and counts for every DAG that waits for
    /// it and is not paused (Airflow: `AssetManager.register_asset_change`).
    fn emit(
        &mut self,
        step: &mut Step,
        asset: AssetKey,
        extra: Map<String, Value>,
        source: Option<AssetSource>,
    ) -> AssetEventKey {
        self.last.asset_event += 1;
        let id = self.last.asset_event;
        let name = self.assets.row(asset).map(|row| row.name.clone());
        let detail = json!({ "asset": name, "asset_event": id });
        let dag_id = source.as_ref().map(|source| source.dag_id.clone());
        let actor = step.actor.clone();
        step.event_with(dag_id.as_ref(), "asset_event", actor.as_deref(), Some(detail));
        for ti in self.assets.note(LastAssetEvent { asset, id, at: step.now }) {
            step.looks.entry(ti).or_default();
        }
        let row = AssetEventRow { id, asset, at: step.now, extra, source };
        step.rest.push(Change::AssetEvent(Box::new(row)));
        for dag_id in self.assets.readers.get(&asset).into_iter().flatten() {
            let Some(entry) = self.dags.get_mut(dag_id) else { continue };
            if entry.row.is_paused {
                continue;
            }
            if let Some(place) = entry.assets.queue.get_mut(&asset) {
                let first = place.waiting.map_or(step.now, |(_, first)| first);
                place.waiting = Some((id, first));
                step.asset_queues.insert((dag_id.clone(), asset));
                step.plan.insert(dag_id.clone());
            }
        }
        id
    }

    /// Creates the run of a DAG whose assets have all come, while its limit allows; the end of a
    /// run looks again.
    pub(super) fn start_from_assets(&mut self, step: &mut Step, dag_id: &DagId) {
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        if entry.row.is_paused || entry.row.is_stale || !entry.assets.is_due() {
            return;
        }
        let Some(layout) = entry.layout.clone() else { return };
        if !layout.dag.allows(RunType::AssetTriggered) {
            return;
        }
        if entry.running.len() + entry.queued.len() >= runs_max(entry) {
            return;
        }
        let taken = take_queue(entry);
        let newest = taken.iter().map(|(_, _, last, _)| *last).max().unwrap_or_default();
        let run_after = taken.iter().map(|(_, _, _, at)| *at).max().unwrap_or(step.now);
        let run_id = run_id_for(dag_id, run_after, newest);
        step.asset_queues.extend(taken.iter().map(|(asset, ..)| (dag_id.clone(), *asset)));
        if self.names.contains_key(&(dag_id.clone(), run_id.clone())) {
            // Somebody took its name; as with the schedule the events count as consumed.
            return;
        }
        let mut row = blank_run(&layout, run_id, RunType::AssetTriggered, run_after, step.now);
        row.triggered_by = TriggeredBy::Asset;
        let names: Vec<&str> = taken
            .iter()
            .filter_map(|(asset, ..)| self.assets.row(*asset))
            .map(|row| row.name.as_str())
            .collect();
        let detail = json!({ "run_id": row.run_id, "run_type": row.run_type, "assets": names });
        let run = self.create_run(step, &layout, row, detail);
        for (asset, after_event, last_event, _) in taken {
            let dag_id = dag_id.clone();
            let row = AssetRunRow { run, dag_id, asset, after_event, last_event };
            step.rest.push(Change::AssetRun(row));
        }
        self.start_runs(step, dag_id);
    }

    /// A person or a script says that an asset has changed.
    pub(super) fn report_asset(
        &mut self,
        step: &mut Step,
        asset: AssetKey,
        extra: Map<String, Value>,
    ) -> Answer {
        if self.assets.row(asset).is_none() {
            return Err(Refusal::NotFound { what: format!("there is no asset {asset}") });
        }
        let id = self.emit(step, asset, extra, None);
        Ok(json!({ "asset_event": id }))
    }

    /// Events that wait for a run no longer do; how many (asset, DAG) pairs that were.
    pub(super) fn clear_asset_queue(
        &mut self,
        step: &mut Step,
        dag_id: Option<&DagId>,
        asset: Option<AssetKey>,
        before: Option<Timestamp>,
    ) -> Value {
        let mut cleared = 0;
        for entry in self.dags.values_mut() {
            let name = entry.row.dag_id.clone();
            if dag_id.is_some_and(|wanted| *wanted != name) {
                continue;
            }
            for (key, place) in &mut entry.assets.queue {
                let is_meant = asset.is_none_or(|wanted| wanted == *key)
                    && place.waiting.is_some_and(|(_, at)| before.is_none_or(|end| at < end));
                if is_meant {
                    place.waiting = None;
                    cleared += 1;
                    step.asset_queues.insert((name.clone(), *key));
                }
            }
        }
        let detail = json!({ "asset": asset, "cleared": cleared });
        let actor = step.actor.clone();
        step.event_with(dag_id, "asset_queue_cleared", actor.as_deref(), Some(detail));
        json!({ "cleared": cleared })
    }

    /// The rows of what changed in the queues of a step.
    pub(super) fn queue_rows(&self, step: &mut Step) -> Vec<Change> {
        let changed = std::mem::take(&mut step.asset_queues);
        let row = |(dag_id, asset): (DagId, AssetKey)| {
            let place = self.dags.get(&dag_id)?.assets.queue.get(&asset)?;
            Some(Change::AssetQueue(AssetQueueRow {
                dag_id,
                asset,
                after_event: place.after,
                last_event: place.waiting.map(|(last, _)| last),
                queued_at: place.waiting.map(|(_, at)| at),
            }))
        };
        changed.into_iter().filter_map(row).collect()
    }
}

/// Takes everything that waits: the asset, the events after which and up to which, and when.
fn take_queue(entry: &mut DagEntry) -> Vec<(AssetKey, AssetEventKey, AssetEventKey, Timestamp)> {
    let mut taken = Vec::new();
    for (asset, place) in &mut entry.assets.queue {
        if let Some((last, at)) = place.waiting.take() {
            taken.push((*asset, place.after, last, at));
            place.after = last;
        }
    }
    taken
}

/// `asset_triggered__2025-08-21T06:00:00+00:00_v1RhsCAC`. Airflow draws the letters; here they
/// follow from the DAG and its newest event, so that the same events give the same name.
fn run_id_for(dag_id: &DagId, run_after: Timestamp, newest: AssetEventKey) -> RunId {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut hash = Sha256::new();
    hash.update(dag_id.as_str());
    hash.update(newest.to_be_bytes());
    let digest = hash.finalize();
    let letters = digest.iter().take(SUFFIX_CHARS);
    let suffix: String =
        letters.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect();
    let name = super::create::run_id_for(RunType::AssetTriggered, run_after);
    RunId::new(format!("{name}_{suffix}")).expect("letters and digits may follow")
}
