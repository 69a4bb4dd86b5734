//! Answers what templates ask about asset events.

use std::collections::BTreeMap;

use millrace_core::record::{AssetEventRow, AssetKey, AssetRow, RunKey};
use millrace_core::time::rest;
use millrace_store::{Store, StoreError, asset, asset_event};
use serde_json::{Value, json};

/// The newest events of an inlet that a template is given.
const EVENTS_MAX: u32 = 100;

/// The events that a run consumed: a list of assets, each with its `events`.
pub(crate) async fn triggering(store: &Store, run: RunKey) -> Result<Value, StoreError> {
    let mut by_asset: BTreeMap<AssetKey, Vec<AssetEventRow>> = BTreeMap::new();
    for row in asset_event::consumed(store, run).await?.rows {
        by_asset.entry(row.asset).or_default().push(row);
    }
    let keys: Vec<AssetKey> = by_asset.keys().copied().collect();
    let assets = asset::by_keys(store, &keys).await?;
    let shape = |(key, rows): (AssetKey, Vec<AssetEventRow>)| Some(shown(assets.get(&key)?, &rows));
    Ok(by_asset.into_iter().filter_map(shape).collect())
}

/// An asset with its newest events, oldest first; none when nobody knows it.
pub(crate) async fn newest(store: &Store, text: &str) -> Result<Option<Value>, StoreError> {
    let Some(found) = asset::named(store, text).await? else { return Ok(None) };
    let rows = asset_event::newest(store, found.id, EVENTS_MAX).await?;
    Ok(Some(shown(&found, &rows)))
}

fn shown(asset: &AssetRow, rows: &[AssetEventRow]) -> Value {
    json!({
        "name": asset.name,
        "uri": asset.uri,
        "group": asset.group,
        "extra": asset.extra,
        "events": rows.iter().map(event).collect::<Vec<_>>(),
    })
}

fn event(row: &AssetEventRow) -> Value {
    let source = row.source.as_ref();
    json!({
        "id": row.id,
        "timestamp": rest(row.at),
        "extra": row.extra,
        "source_dag_id": source.map(|source| &source.dag_id),
        "source_run_id": source.map(|source| &source.run_id),
        "source_task_id": source.map(|source| &source.task_id),
        "source_map_index": source.map_or(-1, |source| source.map_index),
    })
}
