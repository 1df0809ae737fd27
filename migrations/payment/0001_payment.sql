-- What orders owe, have paid and got back. One row an order, so that an order is never paid for twice by two payments;
-- attempts and refunds live inside it: one lock, one write.

CREATE TABLE payments (
    order_id uuid PRIMARY KEY,
    -- Null, as all that order.created tells, while the row is only a mark of an event that came before it.
    id uuid,
    customer_id text,
    amount_minor bigint,
    currency text,
    payment_method text,
    expires_at timestamptz,
    -- What a mark wants done once the payment is known; null for the mark of a cancel, which is voided for good.
    wanted text,
    -- What people see: refunding and refunded are read off the refunds, and stand here to be asked for.
    status text NOT NULL,
    cancelled boolean NOT NULL,
    -- Sums over attempts and refunds, surplus captures and their refunds apart.
    captured_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    attempts jsonb NOT NULL,
    refunds jsonb NOT NULL,
    -- The end of the open call's lease, or the next try of a refused refund.
    due_at timestamptz,
    version bigint NOT NULL,
    -- The traceparent of the order's flow, for what a timer goes on with.
    trace text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Also the order of the list, newest first.
    CONSTRAINT payments_id_key UNIQUE (id),
    CONSTRAINT payments_status_known
        CHECK (status IN ('awaiting', 'processing', 'captured', 'declined', 'voided', 'refunding', 'refunded')),
    CONSTRAINT payments_wanted_known CHECK (wanted IN ('reserved', 'rejected')),
    CONSTRAINT payments_facts_whole
        CHECK (num_nulls(id, customer_id, amount_minor, currency, payment_method, expires_at) IN (0, 6)),
    CONSTRAINT payments_marks_want_something CHECK (id IS NOT NULL OR wanted IS NOT NULL OR cancelled),
    CONSTRAINT payments_refunded_within_captured CHECK (0 <= refunded_minor AND refunded_minor <= captured_minor),
    CONSTRAINT payments_captured_within_amount CHECK (captured_minor = 0 OR captured_minor <= amount_minor)
);

CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
