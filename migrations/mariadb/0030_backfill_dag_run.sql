CREATE TABLE IF NOT EXISTS backfill_dag_run (
    backfill BIGINT NOT NULL COMMENT 'the backfill',
    sort_ordinal BIGINT NOT NULL COMMENT 'its place in the order of the backfill, from 1',
    logical_date BIGINT NOT NULL COMMENT 'logical date; microseconds UTC',
    data_interval_start BIGINT NOT NULL COMMENT 'start of the data interval; microseconds UTC',
    data_interval_end BIGINT NOT NULL COMMENT 'end of the data interval; microseconds UTC',
    run_after BIGINT NOT NULL COMMENT 'no task starts before; microseconds UTC',
    state VARCHAR(32) NOT NULL COMMENT 'waiting, active, success, failed, skipped',
    run BIGINT NULL COMMENT 'its dag_run, once it has one',
    exception_reason VARCHAR(250) NULL COMMENT 'why it got no run',
    PRIMARY KEY (backfill, sort_ordinal),
    KEY backfill_dag_run_state (backfill, state, sort_ordinal)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'One date of a backfill, and its run.';
