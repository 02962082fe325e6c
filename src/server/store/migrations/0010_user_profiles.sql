ALTER TABLE users ADD COLUMN display_name TEXT;
ALTER TABLE users ADD COLUMN email TEXT;
-- Settings of the web UI, by user: one JSON object with the members that differ from the defaults.
CREATE TABLE user_preferences (
    user_id       INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    data          TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms INTEGER NOT NULL
) STRICT;
