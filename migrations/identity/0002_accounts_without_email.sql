-- An administrator that `order create-admin` made has no address.
ALTER TABLE accounts ALTER COLUMN email DROP NOT NULL;
UPDATE accounts SET email = NULL WHERE email = '';
