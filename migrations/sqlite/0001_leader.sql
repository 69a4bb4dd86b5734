-- Who leads: one row a name. Every write of the leader checks its epoch here.
CREATE TABLE leader (
    name TEXT NOT NULL, -- what is led: scheduler
    epoch INTEGER NOT NULL, -- grows with every acquisition; the fence of every write
    holder TEXT NOT NULL, -- machine and home of the leader; empty after a release
    counter INTEGER NOT NULL, -- grows with every renewal; a watcher sees it stand still
    PRIMARY KEY (name)
) STRICT;
