-- The last known containers of a host as the API shows them, without command lines and environments.
CREATE TABLE container_lists (
    host_id      TEXT PRIMARY KEY NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    listed_at_ms INTEGER NOT NULL,
    containers   TEXT NOT NULL
) STRICT;
