CREATE TABLE IF NOT EXISTS asset_queue (
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG',
    asset BIGINT NOT NULL COMMENT 'the asset',
    after_event BIGINT NOT NULL COMMENT 'events up to this one belong to earlier runs',
    last_event BIGINT NULL COMMENT 'the newest event that waits for a run',
    queued_at BIGINT NULL COMMENT 'when the first of them came; microseconds UTC',
    PRIMARY KEY (dag_id, asset),
    KEY asset_queue_asset (asset, dag_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'How far a DAG has read the events of an asset that it waits for, or once did.';
