-- A connection; its password and extra are encrypted.
CREATE TABLE connection (
    conn_id TEXT NOT NULL, -- its name
    conn_type TEXT NOT NULL, -- its type
    description TEXT, -- what it is for
    host TEXT, -- the host
    port INTEGER, -- the port
    schema_name TEXT, -- the schema or database
    login TEXT, -- the user name
    password TEXT, -- the password, sealed
    extra TEXT, -- further settings as JSON, sealed
    updated_at INTEGER NOT NULL, -- when it was last written; microseconds UTC
    PRIMARY KEY (conn_id)
) STRICT;
