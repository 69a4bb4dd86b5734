CREATE TABLE IF NOT EXISTS asset (
    id BIGINT NOT NULL COMMENT 'its number, chosen by the leader',
    name VARCHAR(500) NOT NULL COMMENT 'its name',
    uri VARCHAR(500) NOT NULL COMMENT 'where it is; its name when nothing else is said',
    asset_group VARCHAR(500) NOT NULL COMMENT 'its group',
    extra LONGTEXT NOT NULL COMMENT 'what DAG files say of it, a JSON map',
    created_at BIGINT NOT NULL COMMENT 'when a DAG named it first; microseconds UTC',
    updated_at BIGINT NOT NULL COMMENT 'when a DAG file changed what is said of it; microseconds UTC',
    PRIMARY KEY (id),
    UNIQUE KEY asset_name (name),
    KEY asset_uri (uri)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'An asset. Rows stay when no DAG names it any more.';
