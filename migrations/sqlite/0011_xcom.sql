-- What task instances gave to others.
CREATE TABLE xcom (
    ti INTEGER NOT NULL, -- the task instance that gave it
    xcom_key TEXT NOT NULL, -- return_value or a name of the author
    run INTEGER NOT NULL, -- the dag run
    task_id TEXT NOT NULL, -- the task
    map_index INTEGER NOT NULL, -- the mapped item; -1 when not mapped
    value TEXT NOT NULL, -- the value, JSON
    created_at INTEGER NOT NULL, -- when it was accepted; microseconds UTC
    PRIMARY KEY (ti, xcom_key)
) STRICT;
CREATE INDEX xcom_run ON xcom (run);
