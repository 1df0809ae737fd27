-- The events of a transaction are one row in place of one each, which costs PostgreSQL ten microseconds an event. `seq` is
-- the number of the row's last event; the numbers before it follow from how many there are. This rewrites the table.
ALTER TABLE outbox
    ALTER COLUMN topic TYPE text[] USING ARRAY[topic],
    ALTER COLUMN key TYPE uuid[] USING ARRAY[key],
    ALTER COLUMN value TYPE text[] USING ARRAY[value],
    ALTER COLUMN traceparent TYPE text[] USING ARRAY[traceparent];
ALTER TABLE outbox RENAME COLUMN topic TO topics;
ALTER TABLE outbox RENAME COLUMN key TO keys;
ALTER TABLE outbox RENAME COLUMN value TO "values";
ALTER TABLE outbox RENAME COLUMN traceparent TO traceparents;

-- Events of one kind are much alike. Packed by LZ4 they take less time to write than as they are; by PostgreSQL's own
-- method, which stays where the server was built without LZ4, more. Partitions to come inherit it.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT relid FROM pg_partition_tree('outbox') LOOP
        EXECUTE format(
            'ALTER TABLE %s
                 ALTER COLUMN topics SET COMPRESSION lz4,
                 ALTER COLUMN keys SET COMPRESSION lz4,
                 ALTER COLUMN "values" SET COMPRESSION lz4,
                 ALTER COLUMN traceparents SET COMPRESSION lz4',
            part
        );
    END LOOP;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
