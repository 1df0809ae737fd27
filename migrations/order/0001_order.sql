-- Orders, each with its lines: what never changes alone lives inside its root row.
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    number text NOT NULL,
    customer_id text NOT NULL,
    status text NOT NULL CONSTRAINT orders_status_known CHECK (
        status IN (
            'pending', 'reserved', 'confirmed', 'shipped', 'delivered', 'rejected', 'payment_failed', 'cancelling',
            'cancelled', 'expired'
        )
    ),
    lines jsonb NOT NULL,
    total_minor bigint NOT NULL CONSTRAINT orders_total_not_negative CHECK (total_minor >= 0),
    currency text NOT NULL,
    contact jsonb NOT NULL,
    shipping_address jsonb,
    carrier text,
    tracking_number text,
    -- What people are told of why it ended.
    reason text,
    -- Why it is being cancelled, and who has answered.
    cancel_reason text CONSTRAINT orders_cancel_reason_known CHECK (cancel_reason IN ('cancelled', 'expired')),
    stock_back boolean NOT NULL,
    paid_back boolean NOT NULL,
    cancels_sent integer NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The deadline, or when the cancel is sent again.
    due_at timestamptz,
    version bigint NOT NULL,
    -- The traceparent of the request that placed it.
    trace text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE INDEX orders_of_customer ON orders (customer_id, id DESC);
CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL;

-- Every transition of an order, and every refund that an admin made. A row's number is the order's version.
CREATE TABLE order_timeline (
    order_id uuid NOT NULL,
    sequence bigint NOT NULL,
    from_status text,
    to_status text NOT NULL,
    -- A business key, such as a refund's id: nothing is entered twice.
    cause text NOT NULL,
    actor text NOT NULL,
    reason text,
    event_id uuid,
    trace_id text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT order_timeline_pkey PRIMARY KEY (order_id, sequence),
    CONSTRAINT order_timeline_cause_key UNIQUE (order_id, cause)
);

-- What can be ordered, and at what price: a copy of the catalogue, fed by product.updated.
CREATE TABLE catalogue (
    product_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    orderable boolean NOT NULL
);
