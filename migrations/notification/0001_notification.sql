-- What customers are told: one row for each row of an order's timeline that tells something, and channel.
CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    customer_id text NOT NULL,
    timeline_sequence integer NOT NULL,
    channel text NOT NULL CONSTRAINT notifications_channel_known CHECK (channel IN ('email', 'sms')),
    template text NOT NULL,
    recipient text NOT NULL,
    subject text,
    body text NOT NULL,
    html text,
    status text NOT NULL CONSTRAINT notifications_status_known CHECK (status IN ('queued', 'sent', 'failed')),
    attempts integer NOT NULL,
    last_error text,
    -- The end of the lease of an attempt under way, or the time of the next one.
    due_at timestamptz,
    trace text NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    CONSTRAINT notifications_cause_key UNIQUE (order_id, timeline_sequence, channel)
);

CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
