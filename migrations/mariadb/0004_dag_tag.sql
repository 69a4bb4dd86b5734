CREATE TABLE IF NOT EXISTS dag_tag (
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG',
    name VARCHAR(250) NOT NULL COMMENT 'the tag, cut to 250 characters',
    PRIMARY KEY (dag_id, name),
    KEY dag_tag_name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'The tags of DAGs, to filter by.';
