CREATE TABLE IF NOT EXISTS api_token (
    id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'its number',
    kind VARCHAR(32) NOT NULL COMMENT 'api, session or worker',
    name VARCHAR(250) NOT NULL COMMENT 'what it is for',
    token_hash VARCHAR(64) NOT NULL COMMENT 'SHA-256 of the token, hexadecimal',
    role VARCHAR(64) NOT NULL COMMENT 'what its bearer may do',
    user_name VARCHAR(250) NULL COMMENT 'the user that it stands for',
    created_at BIGINT NOT NULL COMMENT 'when it was created; microseconds UTC',
    expires_at BIGINT NULL COMMENT 'when it ends; microseconds UTC',
    last_used_at BIGINT NULL COMMENT 'when it was last used, to the minute; microseconds UTC',
    PRIMARY KEY (id),
    UNIQUE KEY api_token_hash (token_hash),
    KEY api_token_user (user_name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A token for the API, a session or a worker; only its hash is kept.';
