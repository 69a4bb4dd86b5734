-- A person who may log in.
CREATE TABLE user (
    name TEXT NOT NULL, -- the login name
    password_hash TEXT NOT NULL, -- Argon2id with salt and parameters
    role TEXT NOT NULL, -- what the person may do
    is_disabled INTEGER NOT NULL, -- 1: cannot log in
    created_at INTEGER NOT NULL, -- when it was created; microseconds UTC
    PRIMARY KEY (name)
) STRICT;
