#pragma once

/*
 * events: the event log (container lifecycle, hosts, actions). Only this module names the table `events`.
 */

#include "server/sqlite/page.h"
#include <stdbool.h>
#include <stdint.h>

struct event {
    int64_t id;
    int64_t at_ms;
    int64_t engine_ns; /* the engine's time of a container event that came with it, else 0 */
    char *category;    /* "container", "host", "agent", "user", "system" */
    char *type;        /* "started", "stopped", "died", "deleted", "container_action", ... */
    char *severity;    /* "debug", "info", "warning", "error", "critical" */
    char *host_id, *host_name, *container_id /* 12 */, *container_name; /* may be NULL */
    char *title, *message;
    char *old_state, *new_state, *triggered_by, *correlation_id; /* may be NULL */
    char *details;                                               /* JSON object or NULL */
    char *dedup_key; /* NULL, or unique: a second insert with it is ignored */
};

void event_done(struct event *e);

/* *ret_is_new false: the dedup key was there already, nothing was stored. */
int events_insert(struct db *s, const struct event *e, bool *ret_is_new, struct error *err)
    _nodiscard_;

struct events_query {
    struct page page;
    const char *host_id, *container_id, *category, *type, *severity,
        *search; /* NULL: any; search: substring of title or message */
    /* hosts NULL: any; else only those of a host in the JSON array `hosts`, or of a container in the JSON array
       `containers`, whose elements are "HOST_ID/CONTAINER_ID" */
    const char *hosts, *containers;
};

typedef void (*events_row_fn)(void *arg, const struct event *e);
int events_list(struct db *s,
                const struct events_query *query,
                events_row_fn fn,
                void *arg,
                int64_t *ret_total,
                struct error *err) _nodiscard_; /* newest first */
/* Engine time (ns) of the newest container event stored for a host, 0 if none: where an agent resumes. */
int events_newest_engine_ns(struct db *s, const char *host_id, int64_t *ret_ns, struct error *err)
    _nodiscard_;
/* Deletes a bite (some thousand) of what is older, and of all but the newest max_rows; *ret_is_more: call again. */
int events_purge(struct db *s,
                 int64_t before_ms,
                 int64_t max_rows,
                 bool *ret_is_more,
                 struct error *err) _nodiscard_;
