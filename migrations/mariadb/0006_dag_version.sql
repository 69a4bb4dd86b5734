CREATE TABLE IF NOT EXISTS dag_version (
    id BIGINT NOT NULL COMMENT 'its number, chosen by the leader',
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG',
    version_number BIGINT NOT NULL COMMENT '1, 2, 3 within the DAG',
    content_hash VARCHAR(64) NOT NULL COMMENT 'SHA-256 over the document and its files, hexadecimal',
    file LONGTEXT NOT NULL COMMENT 'the file it was read from',
    source LONGTEXT NOT NULL COMMENT 'the YAML document as written',
    files LONGTEXT NOT NULL COMMENT 'texts of the files that it names, a JSON map by name',
    created_at BIGINT NOT NULL COMMENT 'when it was first seen; microseconds UTC',
    PRIMARY KEY (id),
    UNIQUE KEY dag_version_number (dag_id, version_number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'The text of a DAG at one time; never changed.';
