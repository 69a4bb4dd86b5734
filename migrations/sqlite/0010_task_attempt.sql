-- One attempt at a task instance; kept.
CREATE TABLE task_attempt (
    ti INTEGER NOT NULL, -- the task instance
    try_number INTEGER NOT NULL, -- the try of the user, from 1
    epoch INTEGER NOT NULL, -- the hand-out, from 1
    run INTEGER NOT NULL, -- the dag run
    version INTEGER NOT NULL, -- the dag_version that it ran
    worker TEXT NOT NULL, -- the worker that had it
    outcome TEXT, -- the state that it ended in; null while it runs
    start_date INTEGER NOT NULL, -- when it was handed out; microseconds UTC
    end_date INTEGER, -- when its end was accepted; microseconds UTC
    exit_code INTEGER, -- its exit code
    reason TEXT, -- why it ended so
    rendered TEXT, -- the rendered fields with secrets masked, JSON
    PRIMARY KEY (ti, try_number, epoch)
) STRICT;
CREATE INDEX task_attempt_run ON task_attempt (run);
