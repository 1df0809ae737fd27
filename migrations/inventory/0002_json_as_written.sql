-- PostgreSQL takes jsonb apart on each write and puts it together on each read. Nobody but the audit asks for what is
-- inside. This rewrites the table.
ALTER TABLE reservations ALTER COLUMN lines TYPE json;
