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

/* Returns 1 when there is a row with these values (`id` does not count), else 0. */
int audit_has(struct db *s, const struct audit_entry *e, struct error *err) _nodiscard_;

struct audit_query {
    struct page page;
    const char *who, *action; /* NULL: any */
    const char *search;       /* part of any text of the row, in any case */
    /* JSON arrays: the action begins with one of `prefixes`, and with none of `others`. */
    const char *prefixes, *others;
};

typedef void (*audit_row_fn)(void *arg, const struct audit_entry *e);
/* Newest first. *ret_total (may be NULL) is the number of matching rows on all pages. */
int audit_list(struct db *s,
               const struct audit_query *query,
               audit_row_fn fn,
               void *arg,
               int64_t *ret_total,
               struct error *err) _nodiscard_;
/* Calls `fn` for each action, and for each name of a user or key, that a row has; sorted. */
typedef void (*audit_text_fn)(void *arg, const char *text);
int audit_each_action(struct db *s, audit_text_fn fn, void *arg, struct error *err) _nodiscard_;
int audit_each_name(struct db *s, audit_text_fn fn, void *arg, struct error *err) _nodiscard_;
/* The number of rows, and the time of the oldest; 0: there is none. */
int audit_summarize(struct db *s, int64_t *ret_n, int64_t *ret_oldest_ms, struct error *err)
    _nodiscard_;
/* Deletes rows that are older. */
int audit_purge(struct db *s, int64_t before_ms, struct error *err) _nodiscard_;
