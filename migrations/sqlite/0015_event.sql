-- Everything that happened; append-only. Folding it gives every state.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- its number, in order
    at INTEGER NOT NULL, -- when; microseconds UTC
    dag_id TEXT, -- the DAG
    run INTEGER, -- the dag run
    ti INTEGER, -- the task instance
    kind TEXT NOT NULL, -- what happened
    from_state TEXT, -- the state before
    to_state TEXT, -- the state after
    try_number INTEGER, -- the try
    epoch INTEGER, -- the hand-out
    actor TEXT, -- who did it
    detail TEXT -- more about it, JSON
) STRICT;
CREATE INDEX event_run ON event (run, id);
CREATE INDEX event_dag ON event (dag_id, id);
