-- Who may log in.
CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    email text NOT NULL,
    name text,
    -- argon2id, in the PHC string format.
    password_hash text NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL
);

-- Names that differ only in case are one name.
CREATE UNIQUE INDEX accounts_username_key ON accounts (lower(username));

-- Refresh tokens by their hash. One that is used makes the next of its family; one that is used again ends the family.
CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY,
    family uuid NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts (id),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_age ON refresh_tokens (expires_at);

-- The issuer's private keys, PKCS #8. Whoever reads this table can sign tokens: nobody but the role identity may.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    pkcs8 bytea NOT NULL,
    -- Published before it signs, for longer than anybody keeps the keys that they fetched.
    signs_from timestamptz NOT NULL
);
