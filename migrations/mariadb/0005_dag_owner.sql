CREATE TABLE IF NOT EXISTS dag_owner (
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG',
    name VARCHAR(250) NOT NULL COMMENT 'the owner, cut to 250 characters',
    PRIMARY KEY (dag_id, name),
    KEY dag_owner_name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'The owners of DAGs, to filter by.';
