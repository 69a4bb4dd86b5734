CREATE TABLE IF NOT EXISTS pool (
    name VARCHAR(250) NOT NULL COMMENT 'its name',
    slots BIGINT NOT NULL COMMENT 'its slots; -1 is without limit',
    description LONGTEXT NULL COMMENT 'what it is for',
    include_deferred TINYINT NOT NULL COMMENT '1: deferred instances occupy slots',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A pool of slots.';
