-- Orders of people, committed before they are answered; the leader consumes them in order.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- its number, in order of arrival
    idempotency_key TEXT, -- of the sender: the same key is the same row
    pending_run TEXT, -- DAG and run of a waiting trigger that names its run; null when done
    order_text TEXT NOT NULL, -- the order, JSON
    is_done INTEGER NOT NULL, -- 1: the leader has answered
    answer TEXT, -- what the sender is told, JSON
    created_at INTEGER NOT NULL, -- when it arrived; microseconds UTC
    CONSTRAINT inbox_idempotency_key UNIQUE (idempotency_key),
    CONSTRAINT inbox_pending_run UNIQUE (pending_run)
) STRICT;
CREATE INDEX inbox_waiting ON inbox (is_done, id);
