-- One index in place of two: nobody asks for a movement by its id alone.
ALTER TABLE stock_movements
    DROP CONSTRAINT stock_movements_pkey,
    ADD CONSTRAINT stock_movements_pkey PRIMARY KEY (product_id, id);
DROP INDEX stock_movements_by_product;
