-- A notice to be sent; deleted when it has been.
CREATE TABLE notice (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    run INTEGER NOT NULL, -- the dag run
    ti INTEGER, -- the task instance; null for a notice about the run
    occasion TEXT NOT NULL, -- success, failure, retry, execute or skipped
    position INTEGER NOT NULL, -- the place of the callback in its list
    try_number INTEGER NOT NULL, -- the try that it speaks of
    reason TEXT, -- why, for failures
    created_at INTEGER NOT NULL -- when it came about; microseconds UTC
) STRICT;
CREATE INDEX notice_run ON notice (run);
