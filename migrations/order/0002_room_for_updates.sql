-- An order is written three times within a moment. With room on its page the later versions stay there: what reserved it
-- touches no index, and the log holds what differs instead of the whole row.
ALTER TABLE orders SET (fillfactor = 50);
