-- The newest record of each update of a container, and the policies that allow or forbid updates.
CREATE TABLE updates (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    update_id      TEXT NOT NULL CHECK (length(update_id) BETWEEN 1 AND 64),
    container_name TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('running', 'kept', 'done', 'rolled_back', 'failed', 'cancelled')),
    triggered_by   TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data) AND length(data) <= 65536),
    started_at_ms  INTEGER NOT NULL,
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, update_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX updates_by_time ON updates (started_at_ms);

CREATE TABLE update_policies (
    id            INTEGER PRIMARY KEY,
    category      TEXT NOT NULL CHECK (category IN ('databases', 'proxies', 'monitoring', 'critical', 'custom')),
    pattern       TEXT NOT NULL CHECK (length(pattern) BETWEEN 1 AND 255),
    action        TEXT NOT NULL CHECK (action IN ('allow', 'warn', 'block', 'ignore')),
    is_enabled    INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    created_at_ms INTEGER NOT NULL,
    UNIQUE (category, pattern)
) STRICT;
