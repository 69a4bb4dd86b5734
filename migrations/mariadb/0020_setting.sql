CREATE TABLE IF NOT EXISTS setting (
    name VARCHAR(250) NOT NULL COMMENT 'what',
    value LONGTEXT NOT NULL COMMENT 'its value',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'Small facts about the installation.';
