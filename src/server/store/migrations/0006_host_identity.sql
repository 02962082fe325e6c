-- A token with which an agent takes the place of this host's agent; NULL: it registers a new host.
ALTER TABLE registration_tokens ADD COLUMN replaces_host TEXT REFERENCES hosts (id) ON DELETE CASCADE;
CREATE INDEX registration_tokens_replaces_host ON registration_tokens (replaces_host);

-- 1: a user has given the host its name, so its agent does not change it.
ALTER TABLE hosts ADD COLUMN is_name_given INTEGER NOT NULL DEFAULT 0 CHECK (is_name_given IN (0, 1));
