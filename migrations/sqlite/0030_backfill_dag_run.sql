-- One date of a backfill, and its run.
CREATE TABLE backfill_dag_run (
    backfill INTEGER NOT NULL, -- the backfill
    sort_ordinal INTEGER NOT NULL, -- its place in the backfill's order, from 1
    logical_date INTEGER NOT NULL, -- logical date; microseconds UTC
    data_interval_start INTEGER NOT NULL, -- start of the data interval; microseconds UTC
    data_interval_end INTEGER NOT NULL, -- end of the data interval; microseconds UTC
    run_after INTEGER NOT NULL, -- no task starts before; microseconds UTC
    state TEXT NOT NULL, -- waiting, active, success, failed, skipped
    run INTEGER, -- its dag_run, once it has one
    exception_reason TEXT, -- why it got no run
    PRIMARY KEY (backfill, sort_ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX backfill_dag_run_state ON backfill_dag_run (backfill, state, sort_ordinal);
