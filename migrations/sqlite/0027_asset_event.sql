-- What happened to assets; append-only.
CREATE TABLE asset_event (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader; grows with time
    asset INTEGER NOT NULL, -- the asset
    at INTEGER NOT NULL, -- when; microseconds UTC
    extra TEXT NOT NULL, -- what the writer says of it, a JSON map
    source_dag_id TEXT, -- the DAG of the task instance that wrote it
    source_run_id TEXT, -- its run
    source_task_id TEXT, -- its task
    source_map_index INTEGER NOT NULL -- its item of a mapped task; -1 when not mapped
) STRICT;
CREATE INDEX asset_event_asset ON asset_event (asset, id);
CREATE INDEX asset_event_source ON asset_event (source_dag_id, source_run_id, id);
CREATE INDEX asset_event_at ON asset_event (at);
