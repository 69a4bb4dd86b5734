-- What lists of DAGs show.
ALTER TABLE dag ADD COLUMN allowed_run_types TEXT; -- the only kinds of runs that may be made, a JSON list; null allows all
ALTER TABLE dag ADD COLUMN has_task_concurrency_limits INTEGER NOT NULL DEFAULT 0; -- 1: a task has max_active_tis_per_dag
