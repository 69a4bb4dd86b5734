CREATE TABLE IF NOT EXISTS user (
    name VARCHAR(250) NOT NULL COMMENT 'the login name',
    password_hash LONGTEXT NOT NULL COMMENT 'Argon2id with salt and parameters',
    role VARCHAR(64) NOT NULL COMMENT 'what the person may do',
    is_disabled TINYINT NOT NULL COMMENT '1: cannot log in',
    created_at BIGINT NOT NULL COMMENT 'when it was created; microseconds UTC',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'A person who may log in.';
