CREATE TABLE IF NOT EXISTS import_error (
    id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'its number',
    file LONGTEXT NOT NULL COMMENT 'the file below the DAG folder',
    line BIGINT NULL COMMENT 'line, from 1',
    column_number BIGINT NULL COMMENT 'column in characters, from 1',
    message LONGTEXT NOT NULL COMMENT 'what is wrong and what to do',
    report LONGTEXT NOT NULL COMMENT 'the message with its source snippet',
    at BIGINT NOT NULL COMMENT 'when the file was read; microseconds UTC',
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'What is wrong in DAG files; the rows of a file are replaced together.';
