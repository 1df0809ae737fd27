-- Redrives that failed again: [{"by": …, "at": …, "reason": …, "cause": …}], each with the cause that it did not mend.
ALTER TABLE dead_letters ADD COLUMN redrives jsonb NOT NULL DEFAULT '[]';

-- What waits for somebody's decision.
CREATE INDEX dead_letters_dead ON dead_letters (id) WHERE status = 'dead';
