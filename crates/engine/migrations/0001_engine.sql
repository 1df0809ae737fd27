-- The engine's tables, the same in every service's schema.

-- One row a writer process. `batch` is the number of its last committed batch, `published_seq` the end of the
-- contiguous run of its outbox rows that Kafka has acknowledged.
CREATE TABLE writers (
    id uuid PRIMARY KEY,
    batch bigint NOT NULL DEFAULT 0,
    published_seq bigint NOT NULL DEFAULT 0,
    beat_at timestamptz NOT NULL DEFAULT now()
);

-- Events, committed with the state that they tell of, never updated; dropped by day once they are published and old.
-- The key leads with the writer because whoever publishes asks for one writer's rows above a number, of any day.
CREATE TABLE outbox (
    writer uuid NOT NULL,
    seq bigint NOT NULL,
    day date NOT NULL,
    topic text NOT NULL,
    key uuid NOT NULL,
    value text NOT NULL,
    traceparent text NOT NULL,
    PRIMARY KEY (writer, seq, day)
) PARTITION BY RANGE (day);

CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- Records that can't be read, or that failed for good.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    payload bytea,
    truncated boolean NOT NULL,
    cause text NOT NULL,
    at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'dead' CHECK (status IN ('dead', 'redriven', 'discarded')),
    settled_by text,
    settled_at timestamptz,
    reason text,
    CONSTRAINT dead_letters_record_key UNIQUE (topic, partition, "offset")
);

-- The first answer to each idempotency key, for a day.
CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    location text,
    etag text,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
