-- Why a run ended, for the notices about it.
ALTER TABLE notice
    ADD COLUMN IF NOT EXISTS cause VARCHAR(250) NULL
        COMMENT 'success, task_failure, timed_out or all_tasks_deadlocked, or the name of a deadline; null for a notice about a task';
