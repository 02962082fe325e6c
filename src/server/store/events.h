#pragma once

/*
 * Table events: the event log (container lifecycle, hosts, actions). Only this module names the
 * table.
 */

#include "server/sqlite/page.h"
#include <stdbool.h>
#include <stdint.h>

struct event {
    int64_t id;
    int64_t at_ms;
    int64_t engine_ns; /* the engine's time of a container event; 0: none */
    char *category;    /* "container", "host", "agent", "user", "system" */
    char *type;        /* "started", "stopped", "died", "deleted", "container_action", ... */
    char *severity;    /* "debug", "info", "warning", "error", "critical" */
    char *host_id, *host_name, *container_id /* 12 */, *container_name; /* may be NULL */
    char *title, *message;
    char *old_state, *new_state, *triggered_by, *correlation_id; /* may be NULL */
    char *details;                                               /* JSON object or NULL */
    char *dedup_key; /* NULL, or unique: a second insert with the same key is ignored */
};

void event_done(struct event *e);

/* *ret_id (may be NULL) is that of the new row; 0: the event is a duplicate, and was not stored. */
int events_insert(struct db *s, const struct event *e, int64_t *ret_id, struct error *err)
    _nodiscard_;

struct events_query {
    struct page page;
    const char *host_id, *container_id, *category, *type, *severity, *container_name,
        *correlation_id, *id, *search; /* NULL: any; search: substring of title or message */
    /* JSON arrays, for several values; NULL: any. */
    const char *host_ids, *container_ids, *categories, *severities;
    /* JSON arrays; hosts NULL: any. Else only events of one of `hosts`, or of one of `containers`,
     * whose elements are "HOST_ID/CONTAINER_ID". */
    const char *hosts, *containers;
};

typedef void (*events_row_fn)(void *arg, const struct event *e);
/* Newest first. *ret_total (may be NULL) is the number of matching rows on all pages. */
int events_list(struct db *s,
                const struct events_query *query,
                events_row_fn fn,
                void *arg,
                int64_t *ret_total,
                struct error *err) _nodiscard_;
/*
 * Returns the engine time (ns) of a host's newest container event, from which its agent resumes;
 * 0: none.
 */
int events_newest_engine_ns(struct db *s, const char *host_id, int64_t *ret_ns, struct error *err)
    _nodiscard_;
/*
 * Deletes a part (some thousands) of the rows that are older than before_ms, or that exceed the
 * newest max_rows. *ret_is_more: there are more, call it again.
 */
int events_purge(struct db *s,
                 int64_t before_ms,
                 int64_t max_rows,
                 bool *ret_is_more,
                 struct error *err) _nodiscard_;
