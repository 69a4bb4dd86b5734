ALTER TABLE task_instance
    ADD COLUMN IF NOT EXISTS wait LONGTEXT NULL
        COMMENT 'what it waits for, or waited for last, JSON';
