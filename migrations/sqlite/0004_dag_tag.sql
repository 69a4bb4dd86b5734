-- The tags of DAGs, to filter by.
CREATE TABLE dag_tag (
    dag_id TEXT NOT NULL, -- the DAG
    name TEXT NOT NULL, -- the tag, cut to 250 characters
    PRIMARY KEY (dag_id, name)
) STRICT;
CREATE INDEX dag_tag_name ON dag_tag (name);
