-- Workers that registered, for people to see.
CREATE TABLE worker (
    name TEXT NOT NULL, -- its name
    incarnation TEXT NOT NULL, -- the number of its start
    hostname TEXT NOT NULL, -- its machine
    queues TEXT NOT NULL, -- the queues that it serves, a JSON list of texts
    slots INTEGER NOT NULL, -- how many attempts it runs at once
    running INTEGER NOT NULL, -- how many it ran when last seen
    registered_at INTEGER NOT NULL, -- when it registered; microseconds UTC
    last_seen_at INTEGER NOT NULL, -- when it was last seen; microseconds UTC
    PRIMARY KEY (name)
) STRICT;
