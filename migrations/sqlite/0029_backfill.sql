-- A backfill: runs for a range of dates.
CREATE TABLE backfill (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    dag_id TEXT NOT NULL, -- the DAG
    open_dag TEXT, -- the DAG while it holds its lane, else NULL: one at a time
    from_date INTEGER NOT NULL, -- the first logical date; microseconds UTC
    to_date INTEGER NOT NULL, -- the last logical date; microseconds UTC
    run_backwards INTEGER NOT NULL, -- whether the newest date comes first
    reprocess_behavior TEXT NOT NULL, -- none, failed, completed
    max_active_runs INTEGER NOT NULL, -- the most of its runs unfinished at once
    stop_after_failures INTEGER NOT NULL, -- it stops after so many failed runs; 0 never
    run_on_latest_version INTEGER NOT NULL, -- whether runs that exist move to its version
    conf TEXT, -- what its runs are given, a JSON map
    version INTEGER NOT NULL, -- the dag_version of its new runs
    is_paused INTEGER NOT NULL, -- whether it starts nothing new for now
    ending TEXT, -- completed, cancelled, stopped; NULL while it goes on
    reason TEXT, -- why it ended so
    dates_total INTEGER NOT NULL, -- how many dates it has
    dates_waiting INTEGER NOT NULL, -- dates whose turn has not come
    runs_active INTEGER NOT NULL, -- its unfinished runs
    runs_succeeded INTEGER NOT NULL, -- its runs that ended well
    runs_failed INTEGER NOT NULL, -- its runs that ended badly
    dates_skipped INTEGER NOT NULL, -- dates that got no run
    triggering_user TEXT, -- who created it
    created_at INTEGER NOT NULL, -- when it was created; microseconds UTC
    updated_at INTEGER NOT NULL, -- when it last changed; microseconds UTC
    completed_at INTEGER, -- when it ended; microseconds UTC
    CONSTRAINT backfill_open UNIQUE (open_dag)
) STRICT;
CREATE INDEX backfill_dag ON backfill (dag_id, id);
