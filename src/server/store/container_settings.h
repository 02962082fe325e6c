#pragma once

/*
 * Table container_settings: what users have set for single containers, and DockMon does not find
 * in the engine. Only this module names the table. Rows are deleted with their host.
 *
 * A row belongs to a subject, which outlives the container: `project/service/number` for a
 * container of Compose, else the name (container_subject_make()). A re-created container has the
 * subject of the one before; a renamed one takes its rows along (container_settings_rename()).
 *
 * The data is JSON whose members the feature defines:
 *
 *   auto_restart   {"enabled", "max_retries", "retry_delay"}
 *   desired_state  {"desired_state": "should_run" | "on_demand" | "unspecified"}
 *   web_ui_url     {"url"}
 *   tags           ["a", "b"] in the user's order
 *   update_policy  members of DockMon's container_updates
 *   http_check     members of DockMon's container_http_health_checks
 */

#include "server/store/store.h"
#include <stdint.h>

#define CONTAINER_SETTING_MAX_DATA     16384 /* bytes of one row's JSON */
#define CONTAINER_SETTING_MAX_PER_HOST 20000 /* rows */
#define CONTAINER_SUBJECT_SIZE         801   /* with the NUL */

enum container_setting_kind {
    CONTAINER_AUTO_RESTART,
    CONTAINER_DESIRED_STATE,
    CONTAINER_WEB_UI_URL,
    CONTAINER_TAGS,
    CONTAINER_UPDATE_POLICY,
    CONTAINER_HTTP_CHECK,
    CONTAINER_SETTING_KINDS,
};

/* Finds a row. Texts are borrowed. */
struct container_setting_key {
    const char *host_id;
    const char *subject;
    /*
     * The name of a container whose subject is of Compose, else NULL. A row under the name counts
     * while there is none under the subject, and is replaced or deleted with it: rows from
     * elsewhere know only the name.
     */
    const char *name;
    enum container_setting_kind kind;
};

struct container_setting {
    const char *host_id, *subject;
    enum container_setting_kind kind;
    const char *data;
    int64_t updated_at_ms;
};

/*
 * Writes the subject of a container into `ret`, which has CONTAINER_SUBJECT_SIZE bytes. The texts
 * are the Compose labels (com.docker.compose.project, .service, .container-number) and the name;
 * each may be NULL. Returns true for a subject of Compose. Containers of `docker compose run` have
 * no place in their project: the caller passes no labels of these.
 */
bool container_subject_make(
    char *ret, const char *project, const char *service, const char *number, const char *name);

const char *container_setting_kind_name(enum container_setting_kind kind);

/* Inserts or replaces. -EINVAL: no such host, no JSON or too long; -ENOBUFS: too many rows. */
int container_settings_set(struct db *s,
                           const struct container_setting_key *key,
                           const char *data,
                           int64_t now_ms,
                           struct error *err) _nodiscard_;
/* The caller frees *ret_data. -ENOENT: not set. */
int container_settings_get(struct db *s,
                           const struct container_setting_key *key,
                           char **ret_data,
                           struct error *err) _nodiscard_;
/* Succeeds also when there is no such row. */
int container_settings_delete(struct db *s,
                              const struct container_setting_key *key,
                              struct error *err) _nodiscard_;

/* The row is borrowed for the call. */
typedef void (*container_settings_row_fn)(void *arg, const struct container_setting *row);
/* Calls fn for each row of a host, or of all hosts if host_id is NULL, ordered by subject. */
int container_settings_each(struct db *s,
                            const char *host_id,
                            container_settings_row_fn fn,
                            void *arg,
                            struct error *err) _nodiscard_;

/* Moves the rows of a renamed container, replacing rows of the new name. */
int container_settings_rename(struct db *s,
                              const char *host_id,
                              const char *from,
                              const char *to,
                              struct error *err) _nodiscard_;
/*
 * Moves the rows of all kinds from one host to another, replacing rows of the same subject. Call
 * it inside the transaction that migrates the host.
 */
int container_settings_move_host(struct db *s,
                                 const char *from_host_id,
                                 const char *to_host_id,
                                 int64_t *ret_moved, /* may be NULL */
                                 struct error *err) _nodiscard_;
