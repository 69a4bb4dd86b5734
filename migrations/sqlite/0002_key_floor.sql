-- The highest numbers ever given out, kept when their rows are deleted.
CREATE TABLE key_floor (
    name TEXT NOT NULL, -- run, ti or notice
    value INTEGER NOT NULL, -- no number up to this one is given out again
    PRIMARY KEY (name)
) STRICT;
