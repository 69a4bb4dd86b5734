CREATE TABLE IF NOT EXISTS variable (
    name VARCHAR(250) NOT NULL COMMENT 'its key',
    value LONGTEXT NOT NULL COMMENT 'the value, sealed',
    description LONGTEXT NULL COMMENT 'what it is for',
    updated_at BIGINT NOT NULL COMMENT 'when it was last written; microseconds UTC',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A variable; its value is encrypted.';
