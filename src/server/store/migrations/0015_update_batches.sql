-- Updates of many containers in rings. A batch goes on after a restart of the server, with the rights
-- that its creator has then.
CREATE TABLE update_batches (
    id            TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    state         TEXT NOT NULL CHECK (state IN ('running', 'stopping', 'cancelling', 'completed', 'failed', 'cancelled')),
    created_by    TEXT NOT NULL,
    user_id       INTEGER NOT NULL,
    key_id        INTEGER NOT NULL,
    rings         TEXT NOT NULL,
    max_parallel  INTEGER NOT NULL CHECK (max_parallel > 0),
    pause_s       INTEGER NOT NULL CHECK (pause_s >= 0),
    options       TEXT NOT NULL CHECK (json_valid(options) AND length(options) <= 16384),
    reason        TEXT,
    created_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX update_batches_by_time ON update_batches (created_at_ms);

CREATE TABLE update_batch_items (
    batch_id       TEXT NOT NULL REFERENCES update_batches (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL CHECK (number > 0),
    host_id        TEXT NOT NULL,
    container_name TEXT NOT NULL,
    ring           INTEGER NOT NULL CHECK (ring > 0),
    state          TEXT NOT NULL CHECK (state IN ('queued', 'running', 'success', 'failed', 'cancelled', 'skipped')),
    update_id      TEXT,
    reason         TEXT,
    started_at_ms  INTEGER NOT NULL,
    ended_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (batch_id, number)
) STRICT, WITHOUT ROWID;
