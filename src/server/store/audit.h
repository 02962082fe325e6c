#pragma once

/*
 * Table audit: the actions of users, keys and offline commands, with address, target and result.
 * Rows are never changed. Only this module names the table.
 */

#include "server/sqlite/page.h"
#include <stdint.h>

struct audit_entry {
    int64_t id;
    int64_t at_ms;
    char *who;    /* user or key name, "-" before a login */
    char *peer;   /* address; NULL for offline commands */
    char *action; /* "container.stop", "login", ... */
    char *target; /* may be NULL */
    char *result; /* "ok", or the reason of the failure */
};

int audit_insert(struct db *s, const struct audit_entry *e, struct error *err) _nodiscard_;

struct audit_query {
    struct page page;
    const char *who, *action; /* NULL: any */
};

typedef void (*audit_row_fn)(void *arg, const struct audit_entry *e);
/* Newest first. *ret_total (may be NULL) is the number of matching rows on all pages. */
int audit_list(struct db *s,
               const struct audit_query *query,
               audit_row_fn fn,
               void *arg,
               int64_t *ret_total,
               struct error *err) _nodiscard_;
/* Deletes rows that are older. */
int audit_purge(struct db *s, int64_t before_ms, struct error *err) _nodiscard_;
