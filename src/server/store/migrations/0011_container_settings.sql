-- Settings of single containers in one table. The subject is a container's identity beyond its id: project/service/number
-- of Compose, else the name, so that a row outlives the container.
CREATE TABLE container_settings (
    host_id       TEXT NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    subject       TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 800),
    kind          TEXT NOT NULL CHECK (kind IN ('auto_restart', 'desired_state', 'web_ui_url', 'tags', 'update_policy',
                                                'http_check')),
    data          TEXT NOT NULL CHECK (json_valid(data) AND length(data) <= 16384),
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (host_id, subject, kind)
) STRICT, WITHOUT ROWID;

-- Several containers of one name were possible before: the newest row wins.
INSERT OR REPLACE INTO container_settings (host_id, subject, kind, data, updated_at_ms)
SELECT host_id, COALESCE(NULLIF(ltrim(container_name, '/'), ''), container_id), kind, data, updated_at_ms
FROM (
    SELECT 'auto_restart' AS kind, host_id, container_id, container_name, data, updated_at_ms FROM auto_restart_configs
    UNION ALL
    SELECT 'desired_state', host_id, container_id, container_name, data, updated_at_ms FROM container_desired_states
    UNION ALL
    SELECT 'tags', host_id, container_id, container_name, data, updated_at_ms FROM tag_assignments
    UNION ALL
    SELECT 'update_policy', host_id, container_id, container_name, data, updated_at_ms FROM container_updates
    UNION ALL
    SELECT 'http_check', host_id, container_id, container_name, data, updated_at_ms FROM container_http_health_checks
)
WHERE length(data) <= 16384 AND length(COALESCE(container_name, '')) <= 800
ORDER BY updated_at_ms;

DROP TABLE auto_restart_configs;
DROP TABLE container_desired_states;
DROP TABLE tag_assignments;
DROP TABLE container_updates;
DROP TABLE container_http_health_checks;
