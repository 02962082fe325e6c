-- Registries that administrators have added. The password is sealed with a key that is not in the database.
CREATE TABLE registries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    domain        TEXT NOT NULL UNIQUE CHECK (length(domain) BETWEEN 1 AND 255),
    username      TEXT CHECK (length(username) <= 255),
    sealed        TEXT CHECK (length(sealed) <= 8192),
    token_host    TEXT CHECK (length(token_host) <= 255),
    ca_pem        TEXT CHECK (length(ca_pem) <= 65536),
    security      TEXT NOT NULL CHECK (security IN ('verified', 'any_certificate', 'plain')),
    webhook_hash  TEXT UNIQUE,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;

-- The last answer of the registry about each reference, for all hosts together.
CREATE TABLE image_checks (
    reference     TEXT PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 400),
    digest        TEXT CHECK (length(digest) <= 135),
    etag          TEXT CHECK (length(etag) <= 512),
    platforms     TEXT CHECK (platforms IS NULL OR (json_valid(platforms) AND length(platforms) <= 262144)),
    newer         TEXT CHECK (newer IS NULL OR (json_valid(newer) AND length(newer) <= 2048)),
    way           TEXT CHECK (way IN ('registry', 'engine')),
    outcome       TEXT NOT NULL CHECK (outcome IN ('answered', 'not_found', 'denied', 'limited', 'unreachable', 'invalid')),
    error         TEXT CHECK (length(error) <= 1024),
    checked_at_ms INTEGER NOT NULL,
    answered_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
