INSERT IGNORE INTO pool (name, slots, description, include_deferred)
VALUES ('default_pool', 128, 'the pool of tasks that name none', 0);
