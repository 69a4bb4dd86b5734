ALTER TABLE task_instance ADD COLUMN IF NOT EXISTS
    rendered_map_index VARCHAR(250) COMMENT 'what map_index_template gave; NULL without one';
