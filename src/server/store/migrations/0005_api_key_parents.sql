-- The key that a key was created with, which it does not outlive; NULL: a user or an offline command created it.
ALTER TABLE api_keys ADD COLUMN parent_id INTEGER REFERENCES api_keys (id) ON DELETE CASCADE;
CREATE INDEX api_keys_parent ON api_keys (parent_id);
