CREATE TABLE IF NOT EXISTS asset_event (
    id BIGINT NOT NULL COMMENT 'its number, chosen by the leader; grows with time',
    asset BIGINT NOT NULL COMMENT 'the asset',
    at BIGINT NOT NULL COMMENT 'when; microseconds UTC',
    extra LONGTEXT NOT NULL COMMENT 'what the writer says of it, a JSON map',
    source_dag_id VARCHAR(250) NULL COMMENT 'the DAG of the task instance that wrote it',
    source_run_id VARCHAR(250) NULL COMMENT 'its run',
    source_task_id VARCHAR(250) NULL COMMENT 'its task',
    source_map_index BIGINT NOT NULL COMMENT 'its item of a mapped task; -1 when not mapped',
    PRIMARY KEY (id),
    KEY asset_event_asset (asset, id),
    KEY asset_event_source (source_dag_id, source_run_id, id),
    KEY asset_event_at (at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'What happened to assets; append-only.';
