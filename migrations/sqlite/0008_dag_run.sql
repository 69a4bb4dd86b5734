-- A dag run.
CREATE TABLE dag_run (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    dag_id TEXT NOT NULL, -- the DAG
    run_id TEXT NOT NULL, -- its name
    schedule_key TEXT NOT NULL, -- d: and the logical date, else r: and the name: one run for each
    run_type TEXT NOT NULL, -- manual, scheduled, backfill, asset_triggered, operator_triggered
    state TEXT NOT NULL, -- queued, running, success, failed
    version INTEGER NOT NULL, -- the dag_version that it runs
    logical_date INTEGER, -- logical date; microseconds UTC
    data_interval_start INTEGER, -- start of the data interval; microseconds UTC
    data_interval_end INTEGER, -- end of the data interval; microseconds UTC
    run_after INTEGER NOT NULL, -- no task starts before; microseconds UTC
    queued_at INTEGER NOT NULL, -- when created or last cleared; microseconds UTC
    start_date INTEGER, -- when its first task could be scheduled; microseconds UTC
    end_date INTEGER, -- when it ended; microseconds UTC
    conf TEXT, -- what the trigger gave it, a JSON map
    params TEXT NOT NULL, -- the params of its tasks, a JSON map
    note TEXT, -- a note of a person
    triggered_by TEXT NOT NULL, -- through which door it came
    triggering_user TEXT, -- who triggered it
    clear_number INTEGER NOT NULL, -- how often it was cleared
    reason TEXT, -- why it is in its state
    CONSTRAINT dag_run_name UNIQUE (dag_id, run_id),
    CONSTRAINT dag_run_schedule_key UNIQUE (dag_id, schedule_key)
) STRICT;
CREATE INDEX dag_run_state ON dag_run (state);
CREATE INDEX dag_run_newest ON dag_run (dag_id, run_after, id);
CREATE INDEX dag_run_logical_date ON dag_run (dag_id, logical_date);
CREATE INDEX dag_run_after ON dag_run (run_after, id);
