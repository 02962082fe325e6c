#pragma once

/*
 * Things of the server that have names and are listed and removed one like the other: users, API keys, agents.
 */

#include "cli/common/client.h"
#include "cli/common/listing.h"

struct account_kind {
    const char *path;   /* "/api/v2/users" */
    const char *member; /* of the answer that holds the list; NULL: the answer is the list */
    const char *noun;   /* "user" */
    const char *name;   /* the member that names one */
    bool has_ids;       /* one may be named by its id, too */
    struct listing listing;
    bool
        has_scopes; /* what they are limited to is shown with the names of hosts: scope_text() is a column */
};

extern const struct account_kind account_users, account_keys;

/* *ret: the list, the caller's. */
int accounts_fetch(struct client *c,
                   const struct account_kind *kind,
                   json_t **ret,
                   struct error *err) _nodiscard_;
/* The same; NULL after an error was printed, or without a client. */
json_t *accounts_fetch_or_say(struct client *c, const struct account_kind *kind);
/* The one of this name, or id; borrowed from the list. NULL with -ENOENT in `err`. */
json_t *accounts_find(const struct account_kind *kind,
                      const json_t *list,
                      const char *word,
                      struct error *err);
/* "PATH/ID" and `tail`, to be freed. */
char *account_path(const struct account_kind *kind, const json_t *account, const char *tail);

/* What verbs run, whose `data` is the kind: the options are struct listing_options, and none. */
int accounts_run_ls(const struct verb *verb, void *options, const struct args_list *words);
int accounts_run_rm(const struct verb *verb, void *options, const struct args_list *words);
