#pragma once

/*
 * Table updates: the newest record of each update of a container (proto/update.h), as its agent has
 * sent it. Only this module names the table. Rows are deleted with their host.
 */

#include "server/store/store.h"
#include <stdint.h>

#define UPDATES_KEPT_PER_HOST 200 /* updates that have ended; older ones are deleted */

struct update_row {
    char *host_id, *update_id;
    char *container_name, *state;
    char *triggered_by; /* name of the user, or NULL */
    char *data;         /* JSON of the record */
    int64_t started_at_ms, updated_at_ms;
};

void update_row_done(struct update_row *u);

/* Inserts or replaces, and deletes old rows of the host. -EINVAL: there is no such host. */
int updates_put(struct db *s, const struct update_row *u, struct error *err) _nodiscard_;

/* The row is borrowed for the call. */
typedef void (*updates_row_fn)(void *arg, const struct update_row *u);

struct updates_query {
    const char *host_id;        /* NULL: any */
    const char *container_name; /* NULL: any */
    int64_t limit;
};

/* Newest first. */
int updates_list(struct db *s,
                 const struct updates_query *query,
                 updates_row_fn fn,
                 void *arg,
                 struct error *err) _nodiscard_;
