#pragma once

/*
 * Settings of single containers, keyed by host and short (12) container id. Only this module
 * names the tables auto_restart_configs, container_desired_states, tag_assignments,
 * container_updates and container_http_health_checks. Rows are deleted with their host.
 */

#include "server/store/store.h"
#include <stdint.h>

enum container_setting_kind {
    CONTAINER_AUTO_RESTART,
    CONTAINER_DESIRED_STATE,
    CONTAINER_TAGS,
    CONTAINER_UPDATE,
    CONTAINER_HTTP_HEALTH,
    CONTAINER_SETTING_KINDS,
};

struct container_setting {
    char *host_id;
    char *container_id;
    char *container_name; /* may be NULL */
    char *data;           /* JSON; the feature defines its fields */
    int64_t updated_at_ms;
};

void container_setting_done(struct container_setting *c);

/* Inserts or replaces a row. -EINVAL: no such host, invalid id or JSON. */
int container_settings_put(struct db *s,
                           enum container_setting_kind kind,
                           const struct container_setting *row,
                           struct error *err) _nodiscard_;
int container_settings_get(struct db *s,
                           enum container_setting_kind kind,
                           const char *host_id,
                           const char *container_id,
                           struct container_setting *ret,
                           struct error *err) _nodiscard_; /* -ENOENT */
/*
 * Moves the rows of all kinds from one host to another, replacing rows of the same container.
 * Call it inside the transaction that migrates the host.
 */
int container_settings_move_host(struct db *s,
                                 const char *from_host_id,
                                 const char *to_host_id,
                                 int64_t *ret_moved, /* may be NULL */
                                 struct error *err) _nodiscard_;
