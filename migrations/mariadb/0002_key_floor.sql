CREATE TABLE IF NOT EXISTS key_floor (
    name VARCHAR(64) NOT NULL COMMENT 'run, ti or notice',
    value BIGINT NOT NULL COMMENT 'no number up to this one is given out again',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'The highest numbers ever given out, kept when their rows are deleted.';
