//! Why a DAG has no new run: what it waits for, by the predicates that start its runs.

use jiff::Timestamp;
use serde_json::json;

use super::explain::{Reason, until};
use super::{DagEntry, Engine};
use crate::asset::AssetCondition;
use crate::ids::DagId;
use crate::record::AssetKey;

impl Engine {
    /// What a DAG waits for before its next run; none when there is no such DAG.
    pub fn explain_dag(&self, dag_id: &DagId, now: Timestamp) -> Option<Vec<Reason>> {
        let entry = self.dags.get(dag_id)?;
        let mut reasons = Vec::new();
        if entry.row.is_stale {
            let text = format!("the file of dag \"{dag_id}\" is gone; put it back to run it");
            return Some(vec![Reason::new("dag_gone", text, json!({ "dag_id": dag_id }))]);
        }
        if entry.row.is_paused {
            let text = format!("dag \"{dag_id}\" is paused; events of assets do not count");
            reasons.push(Reason::new("dag_paused", text, json!({ "dag_id": dag_id })));
        }
        let active = entry.running.len() + entry.queued.len();
        reasons.extend(self.why_no_more_runs(entry, active));
        if let Some(condition) = &entry.assets.condition {
            reasons.extend(self.why_assets(dag_id, entry, condition));
        }
        if let Some(at) = entry.row.next_run_after {
            reasons.push(until("schedule", "the schedule starts a run", Some(at), now));
        }
        if reasons.is_empty() {
            let text = "it has no schedule; somebody must start it";
            reasons.push(Reason::new("no_schedule", text, json!({})));
        }
        Some(reasons)
    }

    /// Whether an event of an asset waits for the next run of a DAG.
    pub fn has_asset_changed(&self, dag_id: &DagId, asset: AssetKey) -> bool {
        self.dags.get(dag_id).is_some_and(|entry| entry.assets.has_changed(asset))
    }

    /// The assets that a DAG waits for, each once, in the order of its file.
    pub fn awaited_assets(&self, dag_id: &DagId) -> Vec<AssetKey> {
        let condition = self.dags.get(dag_id).and_then(|entry| entry.assets.condition.as_ref());
        let mut awaited = Vec::new();
        for asset in condition.into_iter().flat_map(AssetCondition::assets) {
            if !awaited.contains(asset) {
                awaited.push(*asset);
            }
        }
        awaited
    }

    fn why_assets(
        &self,
        dag_id: &DagId,
        entry: &DagEntry,
        condition: &AssetCondition<AssetKey>,
    ) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .awaited_assets(dag_id)
            .into_iter()
            .filter_map(|asset| {
                let row = self.assets.row(asset)?;
                let operands = json!({ "asset_id": asset, "name": row.name, "uri": row.uri });
                Some(if entry.assets.has_changed(asset) {
                    let text = format!("asset \"{}\" has come", row.name);
                    Reason::new("asset_arrived", text, operands)
                } else {
                    let text = format!("asset \"{}\" has not come since the last run", row.name);
                    Reason::new("asset_missing", text, operands)
                })
            })
            .collect();
        let any = matches!(condition, AssetCondition::Any(_)) && reasons.len() > 1;
        if any && !entry.assets.is_due() {
            reasons.insert(0, Reason::new("asset_any", "any of these assets is enough", json!({})));
        }
        reasons
    }
}
