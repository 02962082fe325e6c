-- Networks (net/network_key.h) that users have logged in from: the limits of logins do not lock them out there.
CREATE TABLE user_networks (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network    TEXT NOT NULL,
    seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;
