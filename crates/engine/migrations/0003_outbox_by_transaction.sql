-- The events of a transaction are one row in place of one each, which costs PostgreSQL ten microseconds an event. `seq` is
-- the number of the row's last event; the numbers before it follow from how many there are. Replicas of the version
-- before go on writing the old columns, which a later one drops.
ALTER TABLE outbox
    ALTER COLUMN topic DROP NOT NULL,
    ALTER COLUMN key DROP NOT NULL,
    ALTER COLUMN value DROP NOT NULL,
    ALTER COLUMN traceparent DROP NOT NULL,
    ADD COLUMN topics text[],
    ADD COLUMN keys uuid[],
    ADD COLUMN "values" text[],
    ADD COLUMN traceparents text[],
    ADD CONSTRAINT outbox_one_or_all CHECK (
        num_nulls(topic, key, value, traceparent) = 0 OR num_nulls(topics, keys, "values", traceparents) = 0
    );

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
