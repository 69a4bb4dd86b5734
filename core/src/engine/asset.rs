//! Assets in the engine: which asset a name means, and what each DAG has to do with it.
//!
//! A DAG's place in the events of an asset is two numbers (`asset_queue`), so nothing here grows
//! with history. What happens to assets is in `asset_events`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Map;

use super::Engine;
use super::step::Step;
use crate::asset::{AssetCondition, AssetRef};
use crate::dag::Dag;
use crate::ids::DagId;
use crate::record::{
    AssetEventKey, AssetKey, AssetQueueRow, AssetReference, AssetRole, AssetRow, Change,
    LastAssetEvent, TiKey,
};

/// Every asset, by number and by what it is called.
#[derive(Debug, Default)]
pub(super) struct Assets {
    rows: BTreeMap<AssetKey, AssetRow>,
    names: BTreeMap<String, AssetKey>,
    /// URIs of assets that have another name; of two with the same URI the older one counts.
    uris: BTreeMap<String, AssetKey>,
    /// The newest event of each.
    last: BTreeMap<AssetKey, LastAssetEvent>,
    /// Sensors that wait, by the text that each means its asset by.
    pub(super) sensors: BTreeMap<String, BTreeSet<TiKey>>,
    /// The DAGs that wait for each.
    pub(super) readers: BTreeMap<AssetKey, BTreeSet<DagId>>,
}

/// What a DAG has to do with assets.
#[derive(Debug, Default)]
pub(super) struct DagAssets {
    /// When it starts.
    pub(super) condition: Option<AssetCondition<AssetKey>>,
    /// What it reads and writes.
    references: BTreeSet<AssetReference>,
    /// How far it has read, by asset; also of those that it no longer waits for.
    pub(super) queue: BTreeMap<AssetKey, Place>,
}

/// How far a DAG has read the events of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Events up to this one belong to earlier runs.
    pub(super) after: AssetEventKey,
    /// The newest event that waits, and when the first one came.
    pub(super) waiting: Option<(AssetEventKey, Timestamp)>,
}

impl Assets {
    /// The asset that a text means: one of that name which also has a place, one at that place,
    /// one that is nothing but the name. So it does not matter which DAG file was read first.
    fn find(&self, text: &str) -> Option<AssetKey> {
        let named = self.names.get(text).copied();
        let has_place = |key: &AssetKey| self.rows.get(key).is_some_and(|row| row.uri != row.name);
        named.filter(has_place).or_else(|| self.uris.get(text).copied()).or(named)
    }

    fn index(&mut self) {
        self.names.clear();
        self.uris.clear();
        for row in self.rows.values() {
            self.names.entry(row.name.clone()).or_insert(row.id);
            if row.uri != row.name {
                self.uris.entry(row.uri.clone()).or_insert(row.id);
            }
        }
    }

    pub(super) fn restore(rows: Vec<AssetRow>, last: Vec<LastAssetEvent>) -> Self {
        let rows = rows.into_iter().map(|row| (row.id, row)).collect();
        let last = last.into_iter().map(|event| (event.asset, event)).collect();
        let mut assets = Self { rows, last, ..Self::default() };
        assets.index();
        assets
    }

    /// Notes an event; gives the sensors that wait for it.
    pub(super) fn note(&mut self, event: LastAssetEvent) -> Vec<TiKey> {
        self.last.insert(event.asset, event);
        let Some(row) = self.rows.get(&event.asset) else { return Vec::new() };
        let texts: BTreeSet<&String> = [&row.name, &row.uri].into();
        let meant = texts.into_iter().filter(|text| self.find(text) == Some(event.asset));
        meant.filter_map(|text| self.sensors.get(text)).flatten().copied().collect()
    }

    /// The newest event of the asset that a sensor means, if there is one.
    pub(super) fn last_of(&self, text: &str) -> Option<LastAssetEvent> {
        self.last.get(&self.find(text)?).copied()
    }

    /// Whether any DAG has named the asset that a text means.
    pub(super) fn is_known(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    pub(super) fn row(&self, key: AssetKey) -> Option<&AssetRow> {
        self.rows.get(&key)
    }
}

impl DagAssets {
    /// Whether an event of an asset waits for a run of the DAG.
    pub(super) fn has_changed(&self, asset: AssetKey) -> bool {
        self.queue.get(&asset).is_some_and(|place| place.waiting.is_some())
    }

    /// Whether a run is due.
    pub(super) fn is_due(&self) -> bool {
        let changed = |asset: &AssetKey| self.has_changed(*asset);
        self.condition.as_ref().is_some_and(|condition| condition.holds(&changed))
    }

    fn scheduled(&self) -> BTreeSet<AssetKey> {
        let all = self.condition.iter().flat_map(AssetCondition::assets);
        all.copied().collect()
    }
}

impl Engine {
    /// The asset that a DAG file means; one that nobody has named before is new. With `declares`
    /// what the file says of it is taken over.
    pub(super) fn asset_of(
        &mut self,
        step: &mut Step,
        asset: &AssetRef,
        declares: bool,
    ) -> AssetKey {
        let found = match &asset.uri {
            None => self.assets.find(&asset.name),
            Some(_) => self.assets.names.get(&asset.name).copied(),
        };
        let key = found.unwrap_or_else(|| self.assets.rows.keys().next_back().map_or(1, |k| k + 1));
        let row = self.assets.rows.entry(key).or_insert_with(|| AssetRow {
            id: key,
            name: asset.name.clone(),
            uri: asset.uri().to_owned(),
            group: asset.group().to_owned(),
            extra: Map::new(),
            created_at: step.now,
            updated_at: step.now,
        });
        let before = row.clone();
        if declares {
            row.uri = asset.uri.clone().unwrap_or_else(|| row.uri.clone());
            row.group = asset.group.clone().unwrap_or_else(|| row.group.clone());
            row.extra = asset.extra.clone().unwrap_or_else(|| std::mem::take(&mut row.extra));
        }
        if found.is_none() || *row != before {
            row.updated_at = step.now;
            step.rest.push(Change::Asset(row.clone()));
            self.assets.index();
        }
        key
    }

    /// Takes over what the newest version of a DAG says of assets, and has every DAG that means
    /// the same ones by another word follow.
    pub(super) fn declare_assets(&mut self, step: &mut Step, dag_id: &DagId) {
        let Some(dag) = self.newest(dag_id) else { return };
        let mut words = BTreeSet::new();
        for asset in named(&dag) {
            let before = self.assets.names.get(&asset.name);
            let before = before.and_then(|key| self.assets.row(*key)).map(|row| row.uri.clone());
            words.extend([asset.name.clone(), asset.uri().to_owned()]);
            words.extend(before);
            self.asset_of(step, asset, true);
        }
        self.refer_to_assets(step, dag_id);
        if words.is_empty() {
            return;
        }
        let others: Vec<DagId> = self
            .dags
            .values()
            .filter(|entry| entry.row.dag_id != *dag_id && !entry.row.is_stale)
            .filter_map(|entry| entry.layout.as_ref())
            .filter(|layout| named(&layout.dag).any(|asset| words.contains(&asset.name)))
            .map(|layout| layout.dag.dag_id.clone())
            .collect();
        for other in others {
            self.refer_to_assets(step, &other);
        }
    }

    fn newest(&self, dag_id: &DagId) -> Option<Arc<Dag>> {
        let entry = self.dags.get(dag_id).filter(|entry| !entry.row.is_stale)?;
        entry.layout.as_ref().map(|layout| Arc::clone(&layout.dag))
    }

    /// Notes what a DAG reads and writes; a DAG whose file is gone does neither.
    pub(super) fn refer_to_assets(&mut self, step: &mut Step, dag_id: &DagId) {
        let (condition, references) = match self.newest(dag_id) {
            Some(dag) => self.resolve(step, &dag),
            None => (None, BTreeSet::new()),
        };
        let Some(entry) = self.dags.get_mut(dag_id) else { return };
        let before = entry.assets.scheduled();
        entry.assets.condition = condition;
        let after = entry.assets.scheduled();
        if entry.assets.references != references {
            entry.assets.references.clone_from(&references);
            step.rest.push(Change::AssetReferences {
                dag_id: dag_id.clone(),
                references: references.into_iter().collect(),
                at: step.now,
            });
        }
        for asset in before.difference(&after) {
            self.assets.readers.entry(*asset).or_default().remove(dag_id);
            if let Some(place) = entry.assets.queue.get_mut(asset)
                && place.waiting.take().is_some()
            {
                step.asset_queues.insert((dag_id.clone(), *asset));
            }
        }
        let newest = self.last.asset_event;
        for asset in after.difference(&before) {
            self.assets.readers.entry(*asset).or_default().insert(dag_id.clone());
            // What happened before the DAG waited for it is not for it.
            let place = entry.assets.queue.entry(*asset);
            let place = place.or_insert(Place { after: newest, waiting: None });
            if place.waiting.is_none() {
                place.after = newest;
            }
            step.asset_queues.insert((dag_id.clone(), *asset));
        }
        if before != after {
            step.plan.insert(dag_id.clone());
        }
    }

    fn resolve(
        &mut self,
        step: &mut Step,
        dag: &Dag,
    ) -> (Option<AssetCondition<AssetKey>>, BTreeSet<AssetReference>) {
        let mut references = BTreeSet::new();
        let condition = dag.assets.as_ref().map(|condition| {
            condition.map(&mut |asset| {
                let asset = self.asset_of(step, asset, false);
                let role = AssetRole::Schedule;
                references.insert(AssetReference { asset, role, task_id: None });
                asset
            })
        });
        for task in &dag.tasks {
            let used = [(AssetRole::Inlet, &task.inlets), (AssetRole::Outlet, &task.outlets)];
            for (role, assets) in used {
                for asset in assets {
                    let asset = self.asset_of(step, asset, false);
                    let task_id = Some(task.task_id.clone());
                    references.insert(AssetReference { asset, role, task_id });
                }
            }
        }
        (condition, references)
    }

    /// Puts back how far the DAGs had read, and what they have to do with assets.
    pub(super) fn restore_assets(&mut self, step: &mut Step, queues: Vec<AssetQueueRow>) {
        for row in queues {
            let Some(entry) = self.dags.get_mut(&row.dag_id) else { continue };
            let waiting = row.last_event.zip(row.queued_at);
            entry.assets.queue.insert(row.asset, Place { after: row.after_event, waiting });
        }
        let dag_ids: Vec<DagId> = self.dags.keys().cloned().collect();
        for dag_id in dag_ids {
            let Some(dag) = self.newest(&dag_id) else { continue };
            let (condition, references) = self.resolve(step, &dag);
            let Some(entry) = self.dags.get_mut(&dag_id) else { continue };
            entry.assets.condition = condition;
            entry.assets.references = references;
            for asset in entry.assets.scheduled() {
                self.assets.readers.entry(asset).or_default().insert(dag_id.clone());
            }
        }
    }
}

/// Every asset that a DAG names, as it names it.
fn named(dag: &Dag) -> impl Iterator<Item = &AssetRef> {
    let schedule = dag.assets.iter().flat_map(AssetCondition::assets);
    schedule.chain(dag.tasks.iter().flat_map(|task| task.inlets.iter().chain(&task.outlets)))
}
