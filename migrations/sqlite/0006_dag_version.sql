-- The text of a DAG at one time; never changed.
CREATE TABLE dag_version (
    id INTEGER PRIMARY KEY NOT NULL, -- its number, chosen by the leader
    dag_id TEXT NOT NULL, -- the DAG
    version_number INTEGER NOT NULL, -- 1, 2, 3 within the DAG
    content_hash TEXT NOT NULL, -- SHA-256 over the document and its files, hexadecimal
    file TEXT NOT NULL, -- the file it was read from
    source TEXT NOT NULL, -- the YAML document as written
    files TEXT NOT NULL, -- texts of the files that it names, a JSON map by name
    created_at INTEGER NOT NULL, -- when it was first seen; microseconds UTC
    CONSTRAINT dag_version_number UNIQUE (dag_id, version_number)
) STRICT;
