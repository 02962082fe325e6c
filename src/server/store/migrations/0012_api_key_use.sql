ALTER TABLE api_keys ADD COLUMN description TEXT;
-- Counted once a minute at most, as last_used_at_ms is.
ALTER TABLE api_keys ADD COLUMN usage_count INTEGER NOT NULL DEFAULT 0;
