-- The events that a run consumed: those of the asset after after_event, up to last_event.
CREATE TABLE asset_run (
    run INTEGER NOT NULL, -- the dag run
    asset INTEGER NOT NULL, -- the asset
    dag_id TEXT NOT NULL, -- the DAG of the run
    after_event INTEGER NOT NULL, -- the last event before them
    last_event INTEGER NOT NULL, -- the last of them
    PRIMARY KEY (run, asset)
) STRICT;
CREATE INDEX asset_run_asset ON asset_run (asset, dag_id, last_event);
