-- Why a run ended, for the notices about it.
ALTER TABLE notice ADD COLUMN cause TEXT; -- success, task_failure, timed_out or all_tasks_deadlocked, or the name of a deadline; null for a notice about a task
