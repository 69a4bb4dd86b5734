CREATE TABLE IF NOT EXISTS notice (
    id BIGINT NOT NULL COMMENT 'its number, chosen by the leader',
    run BIGINT NOT NULL COMMENT 'the dag run',
    ti BIGINT NULL COMMENT 'the task instance; null for a notice about the run',
    occasion VARCHAR(32) NOT NULL COMMENT 'success, failure, retry, execute or skipped',
    position BIGINT NOT NULL COMMENT 'the place of the callback in its list',
    try_number BIGINT NOT NULL COMMENT 'the try that it speaks of',
    reason LONGTEXT NULL COMMENT 'why, for failures',
    created_at BIGINT NOT NULL COMMENT 'when it came about; microseconds UTC',
    PRIMARY KEY (id),
    KEY notice_run (run)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A notice to be sent; deleted when it has been.';
