-- A payment is written three times within a moment. With room on its page the later versions stay there, and the log
-- holds what differs instead of the whole row.
ALTER TABLE payments SET (fillfactor = 50);
