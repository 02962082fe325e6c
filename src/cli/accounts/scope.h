#pragma once

/*
 * What users and API keys are limited to: --scope RULE, several times.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

#define SCOPE_FLAG(struct_name, member)                                                          \
    {                                                                                            \
        "scope", 0, FLAG_LIST, offsetof(struct struct_name, member), "RULE",                     \
            "limit it, such as host=web-1 or host=web-1,label=team=web or tag=prod; of several " \
            "rules one has to match"                                                             \
    }

json_t *scope_json(const struct args_list *rules);

/*
 * The names of the hosts that the scopes of a list name by id: hosts is NULL when there are none. Without the list of
 * hosts the ids are shown.
 */
json_t *scope_fetch_hosts(struct client *c, const json_t *list);
/* "host=web-1; tag=prod", "everything" without rules; to be freed. */
char *scope_describe(const json_t *scope, const json_t *hosts);

/* The column of a listing (cli/listing.h) of what has a "scope"; its owner is what scope_fetch_hosts() gave. */
char *scope_text(const json_t *element, const void *hosts);
