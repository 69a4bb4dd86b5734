-- A token for the API, a session or a worker; only its hash is kept.
CREATE TABLE api_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- its number
    kind TEXT NOT NULL, -- api, session or worker
    name TEXT NOT NULL, -- what it is for
    token_hash TEXT NOT NULL, -- SHA-256 of the token, hexadecimal
    role TEXT NOT NULL, -- what its bearer may do
    user_name TEXT, -- the user that it stands for
    created_at INTEGER NOT NULL, -- when it was created; microseconds UTC
    expires_at INTEGER, -- when it ends; microseconds UTC
    last_used_at INTEGER, -- when it was last used, to the minute; microseconds UTC
    CONSTRAINT api_token_hash UNIQUE (token_hash)
) STRICT;
CREATE INDEX api_token_user ON api_token (user_name);
