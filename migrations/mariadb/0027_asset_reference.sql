CREATE TABLE IF NOT EXISTS asset_reference (
    asset BIGINT NOT NULL COMMENT 'the asset',
    dag_id VARCHAR(250) NOT NULL COMMENT 'the DAG',
    role VARCHAR(32) NOT NULL COMMENT 'schedule, inlet or outlet',
    task_id VARCHAR(250) NOT NULL COMMENT 'the task; empty for the schedule',
    created_at BIGINT NOT NULL COMMENT 'when a version of the DAG said so first; microseconds UTC',
    updated_at BIGINT NOT NULL COMMENT 'when a version of the DAG last changed it; microseconds UTC',
    PRIMARY KEY (asset, dag_id, role, task_id),
    KEY asset_reference_dag (dag_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'What the newest versions of DAGs read, write and wait for.';
