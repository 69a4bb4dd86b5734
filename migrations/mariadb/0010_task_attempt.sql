CREATE TABLE IF NOT EXISTS task_attempt (
    ti BIGINT NOT NULL COMMENT 'the task instance',
    try_number BIGINT NOT NULL COMMENT 'the try of the user, from 1',
    epoch BIGINT NOT NULL COMMENT 'the hand-out, from 1',
    run BIGINT NOT NULL COMMENT 'the dag run',
    version BIGINT NOT NULL COMMENT 'the dag_version that it ran',
    worker VARCHAR(250) NOT NULL COMMENT 'the worker that had it',
    outcome VARCHAR(32) NULL COMMENT 'the state that it ended in; null while it runs',
    start_date BIGINT NOT NULL COMMENT 'when it was handed out; microseconds UTC',
    end_date BIGINT NULL COMMENT 'when its end was accepted; microseconds UTC',
    exit_code BIGINT NULL COMMENT 'its exit code',
    reason LONGTEXT NULL COMMENT 'why it ended so',
    rendered LONGTEXT NULL COMMENT 'the rendered fields with secrets masked, JSON',
    PRIMARY KEY (ti, try_number, epoch),
    KEY task_attempt_run (run)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'One attempt at a task instance; kept.';
