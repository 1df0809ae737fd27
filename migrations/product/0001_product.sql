-- The catalogue. What inventory tells of a product's stock stands beside it, with a version of its own.
CREATE TABLE products (
    id uuid PRIMARY KEY,
    sku text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    category text NOT NULL,
    price_minor bigint NOT NULL CONSTRAINT products_price_not_negative CHECK (price_minor >= 0),
    currency text NOT NULL,
    status text NOT NULL CONSTRAINT products_status_known CHECK (status IN ('active', 'archived')),
    version bigint NOT NULL,
    available bigint NOT NULL,
    stock_version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT products_sku_key UNIQUE (sku)
);

-- One for each way to sort a list, and one for the lists of a category.
CREATE INDEX products_by_name ON products (status, name, id);
CREATE INDEX products_by_price ON products (status, price_minor, id);
CREATE INDEX products_by_age ON products (status, created_at, id);
CREATE INDEX products_by_category ON products (status, category, name, id);
