-- What a task instance waits for without a slot.
ALTER TABLE task_instance ADD COLUMN wait TEXT; -- what it waits for, or waited for last, JSON
