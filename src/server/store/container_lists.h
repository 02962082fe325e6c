#pragma once

/*
 * Table container_lists: the last known list of containers of each host, as one JSON text
 * (view/saved_list.h). Deleted with the host. Only this module names the table.
 */

#include "server/store/store.h"
#include <stdint.h>

/* Inserts or replaces the list of a host, which must exist. */
int container_lists_put(struct db *s,
                        const char *host_id,
                        int64_t listed_at_ms,
                        const char *containers,
                        struct error *err) _nodiscard_;
/* Sets the time at which the stored list was confirmed. A host without a list is ignored. */
int container_lists_confirm(struct db *s,
                            const char *host_id,
                            int64_t listed_at_ms,
                            struct error *err) _nodiscard_;

typedef void (*container_lists_row_fn)(void *arg,
                                       const char *host_id,
                                       int64_t listed_at_ms,
                                       const char *containers);
int container_lists_each(struct db *s, container_lists_row_fn fn, void *arg, struct error *err)
    _nodiscard_;
