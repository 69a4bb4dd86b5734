-- The label of an instance of a mapped task.
ALTER TABLE task_instance ADD COLUMN
    rendered_map_index TEXT; -- what map_index_template gave; NULL without one
