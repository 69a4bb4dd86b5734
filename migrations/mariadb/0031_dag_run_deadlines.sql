-- By when a run must have ended.
ALTER TABLE dag_run
    ADD COLUMN IF NOT EXISTS deadlines LONGTEXT NULL
        COMMENT 'its deadlines and what became of them, JSON; null without any';
