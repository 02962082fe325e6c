#pragma once

/*
 * container_settings: what is configured for single containers, keyed by host and short (12) container
 * id. Only this module names the tables auto_restart_configs, container_desired_states, tag_assignments,
 * container_updates and container_http_health_checks. All go with their host.
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
    char *data;           /* JSON; its fields belong to the feature */
    int64_t updated_at_ms;
};

void container_setting_done(struct container_setting *c);

int container_settings_put(struct db *s,
                           enum container_setting_kind kind,
                           const struct container_setting *row,
                           struct error *err)
    _nodiscard_; /* -EINVAL: no such host, bad id or JSON */
int container_settings_get(struct db *s,
                           enum container_setting_kind kind,
                           const char *host_id,
                           const char *container_id,
                           struct container_setting *ret,
                           struct error *err) _nodiscard_; /* -ENOENT */
/* Moves the rows of all kinds from one host to another, over rows that are there; call it inside the
   transaction that migrates the host. */
int container_settings_move_host(struct db *s,
                                 const char *from_host_id,
                                 const char *to_host_id,
                                 int64_t *ret_moved, /* may be NULL */
                                 struct error *err) _nodiscard_;
