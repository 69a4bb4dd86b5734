-- By when a run must have ended.
ALTER TABLE dag_run ADD COLUMN deadlines TEXT; -- its deadlines and what became of them, JSON; null without any
