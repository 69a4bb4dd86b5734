-- What is wrong in DAG files; the rows of a file are replaced together.
CREATE TABLE import_error (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- its number
    file TEXT NOT NULL, -- the file below the DAG folder
    line INTEGER, -- line, from 1
    column_number INTEGER, -- column in characters, from 1
    message TEXT NOT NULL, -- what is wrong and what to do
    report TEXT NOT NULL, -- the message with its source snippet
    at INTEGER NOT NULL -- when the file was read; microseconds UTC
) STRICT;
