-- A task instance.
CREATE TABLE task_instance (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    run INTEGER NOT NULL, -- its dag run
    task_id TEXT NOT NULL, -- its task
    map_index INTEGER NOT NULL, -- its item of a mapped task; -1 when not mapped
    state TEXT NOT NULL, -- its state
    try_number INTEGER NOT NULL, -- the current or last try; 0 before the first
    max_tries INTEGER NOT NULL, -- retries, plus the tries before a clear
    epoch INTEGER NOT NULL, -- hand-outs so far; the fence of the current attempt
    infra_tries INTEGER NOT NULL, -- attempts lost without its fault in the current try
    version INTEGER NOT NULL, -- the dag_version of the last attempt
    pool TEXT NOT NULL, -- the first pool
    pool_slots INTEGER NOT NULL, -- its slots there
    queue TEXT NOT NULL, -- its queue
    priority_weight INTEGER NOT NULL, -- its effective priority
    operator TEXT NOT NULL, -- its operator
    scheduled_at INTEGER, -- when its trigger rule held; microseconds UTC
    queued_at INTEGER, -- when all limits held; microseconds UTC
    start_date INTEGER, -- when the last attempt was handed out; microseconds UTC
    end_date INTEGER, -- when it ended; microseconds UTC
    retry_at INTEGER, -- no retry before it; microseconds UTC
    worker TEXT, -- the worker of the last attempt
    exit_code INTEGER, -- the exit code of the last attempt
    reason TEXT, -- why it is in its state
    note TEXT, -- a note of a person
    skip_memory TEXT, -- what a branch followed or a short circuit skipped, JSON
    CONSTRAINT task_instance_name UNIQUE (run, task_id, map_index)
) STRICT;
CREATE INDEX task_instance_state ON task_instance (state, pool);
