CREATE TABLE IF NOT EXISTS connection (
    conn_id VARCHAR(250) NOT NULL COMMENT 'its name',
    conn_type LONGTEXT NOT NULL COMMENT 'its type',
    description LONGTEXT NULL COMMENT 'what it is for',
    host LONGTEXT NULL COMMENT 'the host',
    port BIGINT NULL COMMENT 'the port',
    schema_name LONGTEXT NULL COMMENT 'the schema or database',
    login LONGTEXT NULL COMMENT 'the user name',
    password LONGTEXT NULL COMMENT 'the password, sealed',
    extra LONGTEXT NULL COMMENT 'further settings as JSON, sealed',
    updated_at BIGINT NOT NULL COMMENT 'when it was last written; microseconds UTC',
    PRIMARY KEY (conn_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A connection; its password and extra are encrypted.';
