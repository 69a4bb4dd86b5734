CREATE TABLE IF NOT EXISTS event (
    id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'its number, in order',
    at BIGINT NOT NULL COMMENT 'when; microseconds UTC',
    dag_id VARCHAR(250) NULL COMMENT 'the DAG',
    run BIGINT NULL COMMENT 'the dag run',
    ti BIGINT NULL COMMENT 'the task instance',
    kind VARCHAR(64) NOT NULL COMMENT 'what happened',
    from_state VARCHAR(32) NULL COMMENT 'the state before',
    to_state VARCHAR(32) NULL COMMENT 'the state after',
    try_number BIGINT NULL COMMENT 'the try',
    epoch BIGINT NULL COMMENT 'the hand-out',
    actor LONGTEXT NULL COMMENT 'who did it',
    detail LONGTEXT NULL COMMENT 'more about it, JSON',
    PRIMARY KEY (id),
    KEY event_run (run, id),
    KEY event_dag (dag_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'Everything that happened; append-only. Folding it gives every state.';
