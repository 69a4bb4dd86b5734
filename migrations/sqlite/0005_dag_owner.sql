-- The owners of DAGs, to filter by.
CREATE TABLE dag_owner (
    dag_id TEXT NOT NULL, -- the DAG
    name TEXT NOT NULL, -- the owner, cut to 250 characters
    PRIMARY KEY (dag_id, name)
) STRICT;
CREATE INDEX dag_owner_name ON dag_owner (name);
