//! The engine made again from its rows, after a restart or a commit that failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::asset::Assets;
use super::create::assemble;
use super::event::Effects;
use super::lane::Lane;
use super::layout::Layout;
use super::step::Step;
use super::{DagEntry, Engine, EngineConfig, Numbers, default_pool};
use crate::dag::{DEFAULT_POOL, Dag};
use crate::record::{BackfillDateRow, BackfillRow, Change, RunRow, Snapshot, TiRow, VersionKey};
use crate::state::BackfillDateState;

impl Engine {
    /// Makes the engine that the rows describe. `dags` are the parsed versions; an unfinished run
    /// whose version is missing there stands still ([`Engine::unreadable_runs`]), the others go on.
    /// Attempts that run stay running: their leases are the shell's. The effects are what is due
    /// by now and are written like those of a step.
    pub fn restore<S: std::hash::BuildHasher>(
        config: EngineConfig,
        snapshot: Snapshot,
        mut dags: HashMap<VersionKey, Arc<Dag>, S>,
        now: Timestamp,
    ) -> (Self, Effects) {
        let mut engine = Self::new(config);
        let mut step = Step::new(now);
        engine.last = Numbers {
            run: snapshot.last_run,
            ti: snapshot.last_ti,
            version: snapshot.last_version,
            notice: snapshot.last_notice,
            backfill: snapshot.last_backfill,
            asset_event: snapshot.last_asset_event,
        };
        engine.assets = Assets::restore(snapshot.assets, snapshot.last_asset_events);
        engine.lines.pools.clear();
        for pool in snapshot.pools {
            let name = pool.name.clone();
            engine.lines.pool(&name).row = Some(pool);
        }
        if engine.lines.pool(DEFAULT_POOL).row.is_none() {
            engine.lines.pool(DEFAULT_POOL).row = Some(default_pool());
            step.rest.push(Change::Pool(default_pool()));
        }
        let layouts: BTreeMap<VersionKey, Arc<Layout>> = snapshot
            .versions
            .iter()
            .filter_map(|version| {
                let dag = dags.remove(&version.id)?;
                let layout = Layout::new(version.id, version.file.clone(), dag);
                Some((version.id, Arc::new(layout)))
            })
            .collect();
        for row in snapshot.dags {
            let version = snapshot.versions.iter().find(|version| version.id == row.version);
            let mut entry = DagEntry::new(row);
            entry.layout = layouts.get(&entry.row.version).cloned();
            if let Some(version) = version {
                entry.content_hash.clone_from(&version.content_hash);
                entry.version_number = version.version_number;
            }
            step.plan.insert(entry.row.dag_id.clone());
            engine.dags.insert(entry.row.dag_id.clone(), entry);
        }
        for newest in snapshot.newest {
            if let Some(entry) = engine.dags.get_mut(&newest.dag_id) {
                entry.newest = (newest.logical_date, newest.run_after);
            }
        }
        engine.restore_lanes(snapshot.backfills, snapshot.backfill_dates, &layouts);
        engine.restore_assets(&mut step, snapshot.asset_queues);
        let mut tis: BTreeMap<_, Vec<TiRow>> = BTreeMap::new();
        for ti in snapshot.tis {
            tis.entry(ti.run).or_default().push(ti);
        }
        let mut runs = snapshot.runs;
        runs.sort_by_key(|run| run.id);
        for row in runs {
            let rows = tis.remove(&row.id).unwrap_or_default();
            match layouts.get(&row.version) {
                Some(layout) => engine.restore_run(&mut step, row, rows, layout),
                None => {
                    engine.unreadable.insert(row.id);
                }
            }
        }
        engine.fire_timers(&mut step);
        engine.settle(&mut step);
        let effects = engine.close(step);
        (engine, effects)
    }

    fn restore_lanes(
        &mut self,
        rows: Vec<BackfillRow>,
        dates: Vec<BackfillDateRow>,
        layouts: &BTreeMap<VersionKey, Arc<Layout>>,
    ) {
        let mut by_backfill: BTreeMap<_, Vec<BackfillDateRow>> = BTreeMap::new();
        for date in dates {
            by_backfill.entry(date.backfill).or_default().push(date);
        }
        for row in rows {
            let mut dates = by_backfill.remove(&row.id).unwrap_or_default();
            dates.sort_by_key(|date| date.sort_ordinal);
            let is_active = |date: &BackfillDateRow| date.state == BackfillDateState::Active;
            let (active, waiting): (Vec<_>, Vec<_>) = dates.into_iter().partition(is_active);
            let Some(entry) = self.dags.get_mut(&row.dag_id) else { continue };
            entry.lane = Some(Box::new(Lane {
                layout: layouts.get(&row.version).cloned(),
                row,
                waiting: waiting.into(),
                active: active.into_iter().map(|date| (date.sort_ordinal, date)).collect(),
                is_asked: false,
            }));
        }
    }

    fn restore_run(&mut self, step: &mut Step, row: RunRow, tis: Vec<TiRow>, layout: &Arc<Layout>) {
        let key = row.id;
        let lane = self.lane_mut(&row.dag_id).and_then(|lane| lane.place_of_run(key));
        let mut run = assemble(row, tis, layout, &mut self.last, self.config.max_map_length);
        run.in_lane = lane;
        self.insert_run(run);
        self.enter_run(step, key);
    }
}
