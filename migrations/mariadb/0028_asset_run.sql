CREATE TABLE IF NOT EXISTS asset_run (
    run BIGINT NOT NULL COMMENT 'the dag run',
    asset BIGINT NOT NULL COMMENT 'the asset',
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG of the run',
    after_event BIGINT NOT NULL COMMENT 'the last event before them',
    last_event BIGINT NOT NULL COMMENT 'the last of them',
    PRIMARY KEY (run, asset),
    KEY asset_run_asset (asset, dag_id, last_event)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'The events that a run consumed: those of the asset after after_event, up to last_event.';
