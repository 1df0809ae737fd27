-- What is in stock, and what orders hold of it.
--
-- Lock order: reservations, then stock, each by key.

-- No index but the key, and room on the page: so the update of a hot product stays on its page (HOT) and touches no index.
CREATE TABLE stock (
    product_id uuid PRIMARY KEY,
    sku text NOT NULL,
    name text NOT NULL,
    -- Of the product, from which sku and name are.
    product_version bigint NOT NULL,
    on_hand bigint NOT NULL,
    -- The part of it that orders hold.
    reserved bigint NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stock_reserved_within_on_hand CHECK (0 <= reserved AND reserved <= on_hand)
) WITH (fillfactor = 70);

-- One an order, so that an order is never held twice. Also the mark of an order that was cancelled before it was heard
-- of: it has no lines.
CREATE TABLE reservations (
    order_id uuid PRIMARY KEY,
    status text NOT NULL,
    -- {"<product id>": pieces, ...}: they never change alone.
    lines jsonb,
    reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT reservations_status_known CHECK (status IN ('held', 'rejected', 'released', 'shipped')),
    CONSTRAINT reservations_marks_are_released CHECK (lines IS NOT NULL OR status = 'released')
);

-- The books: the stock of a product is the sum of its movements. Without a foreign key: only the writer adds rows, under
-- the lock of the stock row, and rows of stock are never deleted.
CREATE TABLE stock_movements (
    id uuid PRIMARY KEY,
    product_id uuid NOT NULL,
    kind text NOT NULL,
    delta_on_hand bigint NOT NULL,
    delta_reserved bigint NOT NULL,
    order_id uuid,
    reason text,
    -- The subject of an admin's token.
    actor text,
    at timestamptz NOT NULL,
    CONSTRAINT stock_movements_kind_known CHECK (kind IN ('adjust', 'reserve', 'release', 'ship'))
);

CREATE INDEX stock_movements_by_product ON stock_movements (product_id, id DESC);
