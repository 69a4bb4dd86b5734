-- A DAG as the installation knows it.
CREATE TABLE dag (
    dag_id TEXT NOT NULL, -- its name
    is_paused INTEGER NOT NULL, -- 1: makes no new runs and starts no new tasks
    is_stale INTEGER NOT NULL, -- 1: its file is gone
    file TEXT NOT NULL, -- the file below the DAG folder
    version INTEGER NOT NULL, -- its newest dag_version
    last_interval_start INTEGER, -- data interval of the last scheduled run, start; microseconds UTC
    last_interval_end INTEGER, -- data interval of the last scheduled run, end; microseconds UTC
    next_run_after INTEGER, -- when the schedule makes the next run; microseconds UTC
    next_logical_date INTEGER, -- logical date of the next run; microseconds UTC
    parsed_at INTEGER NOT NULL, -- when the file was last read; microseconds UTC
    consecutive_failures INTEGER NOT NULL, -- failed runs in a row
    display_name TEXT NOT NULL, -- its name for people
    description TEXT, -- one line about it
    schedule_text TEXT, -- the schedule as written
    timezone TEXT NOT NULL, -- the zone of the schedule, an IANA name
    owners TEXT NOT NULL, -- owners, a JSON list of texts
    tags TEXT NOT NULL, -- tags, a JSON list of texts
    max_active_runs INTEGER NOT NULL, -- the most dag runs at once
    max_active_tasks INTEGER NOT NULL, -- the most task instances at once in a run
    max_consecutive_failed_dag_runs INTEGER NOT NULL, -- paused after so many failed runs in a row; 0 never
    catchup INTEGER NOT NULL, -- 1: missed runs are made up for
    PRIMARY KEY (dag_id)
) STRICT;
