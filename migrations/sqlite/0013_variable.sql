-- A variable; its value is encrypted.
CREATE TABLE variable (
    name TEXT NOT NULL, -- its key
    value TEXT NOT NULL, -- the value, sealed
    description TEXT, -- what it is for
    updated_at INTEGER NOT NULL, -- when it was last written; microseconds UTC
    PRIMARY KEY (name)
) STRICT;
