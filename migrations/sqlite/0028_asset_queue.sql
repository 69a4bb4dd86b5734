-- How far a DAG has read the events of an asset that it waits for, or once did.
CREATE TABLE asset_queue (
    dag_id TEXT NOT NULL, -- the DAG
    asset INTEGER NOT NULL, -- the asset
    after_event INTEGER NOT NULL, -- events up to this one belong to earlier runs
    last_event INTEGER, -- the newest event that waits for a run
    queued_at INTEGER, -- when the first of them came; microseconds UTC
    PRIMARY KEY (dag_id, asset)
) STRICT;
CREATE INDEX asset_queue_asset ON asset_queue (asset, dag_id);
