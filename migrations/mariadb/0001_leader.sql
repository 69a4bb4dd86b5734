CREATE TABLE IF NOT EXISTS leader (
    name VARCHAR(64) NOT NULL COMMENT 'what is led: scheduler',
    epoch BIGINT NOT NULL COMMENT 'grows with every acquisition; the fence of every write',
    holder VARCHAR(512) NOT NULL COMMENT 'machine and home of the leader; empty after a release',
    counter BIGINT NOT NULL COMMENT 'grows with every renewal; a watcher sees it stand still',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'Who leads: one row a name. Every write of the leader checks its epoch here.';
