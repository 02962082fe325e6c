#pragma once

/*
 * audit: who did what, from where, and how it ended. Rows are never changed. Only this module names the
 * table `audit`.
 */

#include "server/sqlite/page.h"
#include <stdint.h>

struct audit_entry {
    int64_t id;
    int64_t at_ms;
    char *who;    /* user or key name, "-" before a login */
    char *peer;   /* address; NULL for the offline commands */
    char *action; /* "container.stop", "login", ... */
    char *target; /* may be NULL */
    char *result; /* "ok", or why not */
};

int audit_insert(struct db *s, const struct audit_entry *e, struct error *err) _nodiscard_;

struct audit_query {
    struct page page;
    const char *who, *action; /* NULL: any */
};

typedef void (*audit_row_fn)(void *arg, const struct audit_entry *e);
int audit_list(struct db *s,
               const struct audit_query *query,
               audit_row_fn fn,
               void *arg,
               int64_t *ret_total,             /* of rows that match; may be NULL */
               struct error *err) _nodiscard_; /* newest first */
int audit_purge(struct db *s, int64_t before_ms, struct error *err) _nodiscard_;
