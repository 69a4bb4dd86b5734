-- A pool of slots.
CREATE TABLE pool (
    name TEXT NOT NULL, -- its name
    slots INTEGER NOT NULL, -- its slots; -1 is without limit
    description TEXT, -- what it is for
    include_deferred INTEGER NOT NULL, -- 1: deferred instances occupy slots
    PRIMARY KEY (name)
) STRICT;
