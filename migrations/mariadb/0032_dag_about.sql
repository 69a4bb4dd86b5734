-- What lists of DAGs show.
ALTER TABLE dag
    ADD COLUMN IF NOT EXISTS allowed_run_types LONGTEXT NULL
        COMMENT 'the only kinds of runs that may be made, a JSON list; null allows all',
    ADD COLUMN IF NOT EXISTS has_task_concurrency_limits TINYINT NOT NULL DEFAULT 0
        COMMENT '1: a task has max_active_tis_per_dag';
