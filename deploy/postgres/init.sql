-- A schema and a role for each service, one for the built-in issuer, one for the built-in payment provider. Safe to repeat.
-- Passwords are for local stacks: a real installation makes the roles itself.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['product', 'inventory', 'order', 'payment', 'notification', 'identity', 'provider'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', name, name);
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', name, name);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', name);
        EXECUTE format('ALTER ROLE %I SET search_path = %I', name, name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
    END LOOP;
    -- Statements reach rows by keys, for which coarse statistics do. As many as by default take ANALYZE a second of a
    -- processor in each minute in which young tables grow by their tenth.
    EXECUTE format('ALTER DATABASE %I SET default_statistics_target = 10', current_database());
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
