#pragma once

/*
 * The audit log in the shape of DockMon: its filters, and a row as an entry. The kind of object that
 * an action concerns follows from the name of the action.
 */

#include "server/api/job_call.h"
#include "server/store/audit.h"

/* Filters of a query, copied from a call. */
struct audit_filters {
    int64_t since_ms, until_ms;
    char *who, *action, *search;
    char *prefixes, *others; /* of the entity type, see struct audit_query */
};

/* Reads the query parameters of the call. Call audit_filters_done() in any case. */
int audit_filters_read(const struct api_call *call, struct audit_filters *ret, struct error *err)
    _nodiscard_;
void audit_filters_done(struct audit_filters *f);
/* Borrows the filters; the page has no limit and no offset yet. */
struct audit_query audit_filters_query(const struct audit_filters *f);

const char *audit_entity_type(const char *action); /* static */
/* `users` has the ids of users by name; NULL: none. */
json_t *audit_entry_json(const struct audit_entry *e, const json_t *users) _nodiscard_;
/* Returns an object with the id of each user by name; NULL with an error. */
json_t *audit_user_ids(struct db *store, struct error *err) _nodiscard_;
