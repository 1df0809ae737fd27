-- The ledger of the built-in payment provider, which plays the outside: what was done under each key, once.

CREATE TABLE provider_charges (
    key text PRIMARY KEY,
    order_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    payment_method text NOT NULL,
    status text NOT NULL,
    -- The provider's own name of a capture.
    reference text,
    decline_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_charges_status_known CHECK (status IN ('captured', 'declined')),
    CONSTRAINT provider_charges_amount_not_negative CHECK (amount_minor >= 0)
);

CREATE TABLE provider_refunds (
    key text PRIMARY KEY,
    charge_key text NOT NULL,
    order_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    reference text,
    refusal_code text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_refunds_status_known CHECK (status IN ('refunded', 'refused')),
    CONSTRAINT provider_refunds_amount_not_negative CHECK (amount_minor >= 0)
);

-- What a charge has been refunded so far.
CREATE INDEX provider_refunds_by_charge ON provider_refunds (charge_key);

-- How often a flaky charge has failed: all replicas of the payment service meet the same provider.
CREATE TABLE provider_failures (
    key text PRIMARY KEY,
    failures integer NOT NULL
);
