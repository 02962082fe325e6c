#pragma once

/*
 * Things of the server that all are listed and removed alike: users, API keys, sessions. A kind
 * describes one of them; the verbs that list and remove are made from it by the macros below.
 */

#include "cli/common/client.h"
#include "cli/common/listing.h"

struct account_kind {
    const char *path; /* "/api/v2/users" */
    const char
        *member;      /* the member of the answer that is the list; NULL: the answer is the list */
    const char *noun; /* "user" */
    const char *name; /* the member with the name */
    bool has_ids;     /* an id is accepted in place of the name */
    struct listing listing;
    bool has_scopes; /* the listing has a column with scope_text(), which needs the hosts' names */
};

extern const struct account_kind account_users, account_keys, account_sessions;

/* *ret: the list, the caller's. */
int accounts_fetch(struct client *c,
                   const struct account_kind *kind,
                   json_t **ret,
                   struct error *err) _nodiscard_;
/* The same, but prints an error and returns NULL; also NULL without a client. */
json_t *accounts_fetch_or_print(struct client *c, const struct account_kind *kind);
/* The element with this name or id, borrowed from the list; NULL with -ENOENT in `err`. */
json_t *accounts_find(const struct account_kind *kind,
                      const json_t *list,
                      const char *word,
                      struct error *err);
/* "PATH/ID" and `tail`, to be freed. */
char *account_path(const struct account_kind *kind, const json_t *account, const char *tail);

int accounts_run_ls(const struct verb *verb, void *options, const struct args_list *words);
int accounts_run_rm(const struct verb *verb, void *options, const struct args_list *words);

extern const struct flag account_flags_ls_names[2];
extern const struct flag account_flags_ls_wide_names[3], account_flags_ls_wide_ids[3];

/* "3 minutes ago" for a column of a listing; "never" without a time. To be freed. */
char *account_time_ago(const json_t *account, const char *member);

/*
 * The members of a verb that lists all of a kind; -q shows names or ids. The wide_ ones have
 * --wide.
 */
#define ACCOUNTS_LS(kind, names_or_ids)                                \
    .usage = "[OPTIONS]", VERB_FLAGS(account_flags_ls_##names_or_ids), \
    .options_size = sizeof(struct listing_options), .run = accounts_run_ls, .data = &(kind)

/* The members of a verb that removes those that its words name. */
#define ACCOUNTS_RM(kind) .min_words = 1, .run = accounts_run_rm, .data = &(kind)

#define ROLE_FLAG(struct_name, member)                                          \
    {                                                                           \
        "role", 'r', FLAG_STRING, offsetof(struct struct_name, member), "ROLE", \
            "viewer (default), operator or admin"                               \
    }
