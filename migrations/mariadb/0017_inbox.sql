CREATE TABLE IF NOT EXISTS inbox (
    id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'its number, in order of arrival',
    idempotency_key VARCHAR(250) NULL COMMENT 'of the sender: the same key is the same row',
    pending_run VARCHAR(512) NULL COMMENT 'DAG and run of a waiting trigger that names its run; null when done',
    order_text LONGTEXT NOT NULL COMMENT 'the order, JSON',
    is_done TINYINT NOT NULL COMMENT '1: the leader has answered',
    answer LONGTEXT NULL COMMENT 'what the sender is told, JSON',
    created_at BIGINT NOT NULL COMMENT 'when it arrived; microseconds UTC',
    PRIMARY KEY (id),
    UNIQUE KEY inbox_idempotency_key (idempotency_key),
    UNIQUE KEY inbox_pending_run (pending_run),
    KEY inbox_waiting (is_done, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin ROW_FORMAT = DYNAMIC
    COMMENT = 'Orders of people, committed before they are answered; the leader consumes them in order.';
