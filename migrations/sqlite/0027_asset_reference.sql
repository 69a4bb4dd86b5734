-- What the newest versions of DAGs read, write and wait for.
CREATE TABLE asset_reference (
    asset INTEGER NOT NULL, -- the asset
    dag_id TEXT NOT NULL, -- the DAG
    role TEXT NOT NULL, -- schedule, inlet or outlet
    task_id TEXT NOT NULL, -- the task; empty for the schedule
    created_at INTEGER NOT NULL, -- when a version of the DAG said so first; microseconds UTC
    updated_at INTEGER NOT NULL, -- when a version of the DAG last changed it; microseconds UTC
    PRIMARY KEY (asset, dag_id, role, task_id)
) STRICT;
CREATE INDEX asset_reference_dag ON asset_reference (dag_id);
