CREATE TABLE IF NOT EXISTS worker (
    name VARCHAR(250) NOT NULL COMMENT 'its name',
    incarnation LONGTEXT NOT NULL COMMENT 'the number of its start',
    hostname LONGTEXT NOT NULL COMMENT 'its machine',
    queues LONGTEXT NOT NULL COMMENT 'the queues that it serves, a JSON list of texts',
    slots BIGINT NOT NULL COMMENT 'how many attempts it runs at once',
    running BIGINT NOT NULL COMMENT 'how many it ran when last seen',
    registered_at BIGINT NOT NULL COMMENT 'when it registered; microseconds UTC',
    last_seen_at BIGINT NOT NULL COMMENT 'when it was last seen; microseconds UTC',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'Workers that registered, for people to see.';
