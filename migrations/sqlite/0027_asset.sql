-- An asset. Rows stay when no DAG names it any more.
CREATE TABLE asset (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    name TEXT NOT NULL, -- its name
    uri TEXT NOT NULL, -- where it is; its name when nothing else is said
    asset_group TEXT NOT NULL, -- its group
    extra TEXT NOT NULL, -- what DAG files say of it, a JSON map
    created_at INTEGER NOT NULL, -- when a DAG named it first; microseconds UTC
    updated_at INTEGER NOT NULL, -- when a DAG file changed what is said of it; microseconds UTC
    CONSTRAINT asset_name UNIQUE (name)
) STRICT;
CREATE INDEX asset_uri ON asset (uri);
