-- Small facts about the installation.
CREATE TABLE setting (
    name TEXT NOT NULL, -- what
    value TEXT NOT NULL, -- its value
    PRIMARY KEY (name)
) STRICT;
