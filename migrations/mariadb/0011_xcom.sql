CREATE TABLE IF NOT EXISTS xcom (
    ti BIGINT NOT NULL COMMENT 'the task instance that gave it',
    xcom_key VARCHAR(512) NOT NULL COMMENT 'return_value or a name of the author',
    run BIGINT NOT NULL COMMENT 'the dag run',
    task_id VARCHAR(250) NOT NULL COMMENT 'the task',
    map_index BIGINT NOT NULL COMMENT 'the mapped item; -1 when not mapped',
    value LONGTEXT NOT NULL COMMENT 'the value, JSON',
    created_at BIGINT NOT NULL COMMENT 'when it was accepted; microseconds UTC',
    PRIMARY KEY (ti, xcom_key),
    KEY xcom_run (run)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'What task instances gave to others.';
