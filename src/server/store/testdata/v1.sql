-- A database of schema version 1 (sqlite3 .dump), for store_test.c. Never edited: it is what is out there.
PRAGMA application_id = 1147882862;
PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE hosts (
    id                TEXT PRIMARY KEY NOT NULL,
    name              TEXT NOT NULL,
    url               TEXT NOT NULL,
    connection        TEXT NOT NULL CHECK (connection IN ('local', 'remote', 'agent')),
    is_active         INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    replaced_by       TEXT REFERENCES hosts (id) ON DELETE SET NULL,
    engine_id         TEXT,
    tags              TEXT CHECK (tags IS NULL OR json_valid(tags)),
    description       TEXT,
    os_type           TEXT,
    os_version        TEXT,
    kernel_version    TEXT,
    docker_version    TEXT,
    daemon_started_at TEXT,
    total_memory      INTEGER NOT NULL,
    num_cpus          INTEGER NOT NULL,
    host_ips          TEXT CHECK (host_ips IS NULL OR json_valid(host_ips)),
    is_podman         INTEGER NOT NULL CHECK (is_podman IN (0, 1)),
    created_at_ms     INTEGER NOT NULL,
    updated_at_ms     INTEGER NOT NULL
) STRICT;
INSERT INTO hosts VALUES('h1','alpha','agent://','agent',1,NULL,'E:1','["prod"]','the first','linux','Debian 12','6.1','20.10.24','2026-01-01T00:00:00Z',67430174720,16,'["10.0.0.1"]',0,1,2);
CREATE TABLE agents (
    id               TEXT PRIMARY KEY NOT NULL,
    host_id          TEXT NOT NULL UNIQUE REFERENCES hosts (id) ON DELETE CASCADE,
    engine_id        TEXT NOT NULL,
    token_hash       TEXT UNIQUE,
    version          TEXT NOT NULL,
    proto_version    TEXT NOT NULL,
    capabilities     TEXT NOT NULL CHECK (json_valid(capabilities)),
    os               TEXT,
    arch             TEXT,
    force_unique     INTEGER NOT NULL CHECK (force_unique IN (0, 1)),
    last_seen_at_ms  INTEGER NOT NULL,
    registered_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO agents VALUES('a1','h1','E:1','aa','2.4.5','1.1','{"stats":true}','linux','amd64',0,3,2);
CREATE TABLE users (
    id                   INTEGER PRIMARY KEY,
    name                 TEXT NOT NULL UNIQUE,
    password_hash        TEXT NOT NULL,
    role                 TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    must_change_password INTEGER NOT NULL CHECK (must_change_password IN (0, 1)),
    created_at_ms        INTEGER NOT NULL,
    updated_at_ms        INTEGER NOT NULL,
    last_login_at_ms     INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO users VALUES(1,'admin','$argon2id$','admin',0,1,2,3);
CREATE TABLE registration_tokens (
    id              INTEGER PRIMARY KEY,
    token_hash      TEXT NOT NULL UNIQUE,
    created_by      TEXT,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    max_uses        INTEGER,
    use_count       INTEGER NOT NULL DEFAULT 0,
    last_used_at_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO registration_tokens VALUES(1,'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad','admin',1,900001,1,0,0);
CREATE TABLE user_sessions (
    id_hash       TEXT PRIMARY KEY NOT NULL,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    peer          TEXT,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO user_sessions VALUES('bb',1,'127.0.0.1',1,86400001);
CREATE TABLE api_keys (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    key_hash        TEXT NOT NULL UNIQUE,
    prefix          TEXT NOT NULL,
    role            TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_by      INTEGER REFERENCES users (id) ON DELETE CASCADE,
    created_at_ms   INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL DEFAULT 0,
    expires_at_ms   INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO api_keys VALUES(1,'ci','cc','dm_00000','viewer',1,1,0,0);
CREATE TABLE events (
    id             INTEGER PRIMARY KEY,
    at_ms          INTEGER NOT NULL,
    engine_ns      INTEGER,
    category       TEXT NOT NULL,
    type           TEXT NOT NULL,
    severity       TEXT NOT NULL CHECK (severity IN ('debug', 'info', 'warning', 'error', 'critical')),
    host_id        TEXT,
    host_name      TEXT,
    container_id   TEXT,
    container_name TEXT,
    title          TEXT NOT NULL,
    message        TEXT,
    old_state      TEXT,
    new_state      TEXT,
    triggered_by   TEXT,
    correlation_id TEXT,
    details        TEXT CHECK (details IS NULL OR json_valid(details)),
    dedup_key      TEXT UNIQUE
) STRICT;
INSERT INTO events VALUES(1,1750000000123,1750000000123456789,'container','died','error','h1','alpha','0123456789ab','web','web died','exit code 137','running','exited',NULL,NULL,'{"exitCode":137}','h1/0123/die/1750000000123456789');
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    who    TEXT NOT NULL,
    peer   TEXT,
    action TEXT NOT NULL,
    target TEXT,
    result TEXT NOT NULL
) STRICT;
INSERT INTO audit VALUES(1,1,'admin','127.0.0.1','container.stop','h1/web','ok');
CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO settings VALUES('k','v');
CREATE TABLE auto_restart_configs (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    container_id   TEXT NOT NULL CHECK (length(container_id) = 12),
    container_name TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, container_id)
) STRICT, WITHOUT ROWID;
INSERT INTO auto_restart_configs VALUES('h1','0123456789ab','web','{"enabled":true}',1);
CREATE TABLE container_desired_states (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    container_id   TEXT NOT NULL CHECK (length(container_id) = 12),
    container_name TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, container_id)
) STRICT, WITHOUT ROWID;
INSERT INTO container_desired_states VALUES('h1','0123456789ab','web','{"desired_state":"should_run"}',1);
CREATE TABLE tag_assignments (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    container_id   TEXT NOT NULL CHECK (length(container_id) = 12),
    container_name TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, container_id)
) STRICT, WITHOUT ROWID;
INSERT INTO tag_assignments VALUES('h1','0123456789ab','web','["prod"]',1);
CREATE TABLE container_updates (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    container_id   TEXT NOT NULL CHECK (length(container_id) = 12),
    container_name TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, container_id)
) STRICT, WITHOUT ROWID;
INSERT INTO container_updates VALUES('h1','0123456789ab','web','{"floating_tag_mode":"exact"}',1);
CREATE TABLE container_http_health_checks (
    host_id        TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    container_id   TEXT NOT NULL CHECK (length(container_id) = 12),
    container_name TEXT,
    data           TEXT NOT NULL CHECK (json_valid(data)),
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (host_id, container_id)
) STRICT, WITHOUT ROWID;
INSERT INTO container_http_health_checks VALUES('h1','0123456789ab','web','{"url":"http://127.0.0.1/"}',1);
CREATE UNIQUE INDEX hosts_name ON hosts (name) WHERE is_active = 1;
CREATE INDEX hosts_engine ON hosts (engine_id, connection);
CREATE INDEX hosts_replaced_by ON hosts (replaced_by);
CREATE UNIQUE INDEX agents_engine ON agents (engine_id) WHERE force_unique = 0;
CREATE INDEX registration_tokens_expires ON registration_tokens (expires_at_ms);
CREATE INDEX user_sessions_user ON user_sessions (user_id);
CREATE INDEX user_sessions_expires ON user_sessions (expires_at_ms);
CREATE INDEX api_keys_created_by ON api_keys (created_by);
CREATE INDEX events_at ON events (at_ms);
CREATE INDEX events_host ON events (host_id, at_ms);
CREATE INDEX events_engine ON events (host_id, engine_ns) WHERE engine_ns IS NOT NULL;
CREATE TRIGGER hosts_delete_events AFTER DELETE ON hosts
BEGIN
    DELETE FROM events WHERE host_id = OLD.id;
END;
CREATE INDEX audit_at ON audit (at_ms);
COMMIT;
