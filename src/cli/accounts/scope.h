#pragma once

/*
 * The scope of a user or an API key: the containers and hosts it may access, as a list of rules. A
 * flag --scope RULE may be given several times; without a rule everything is accessible.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

#define SCOPE_FLAG(struct_name, member)                                                        \
    {                                                                                          \
        "scope", 0, FLAG_LIST, offsetof(struct struct_name, member), "RULE",                   \
            "limit access, such as host=web-1 or host=web-1,label=team=web or tag=prod; with " \
            "several rules one has to match"                                                   \
    }

/* The rules as a JSON array; the caller's. */
json_t *scope_json(const struct args_list *rules);

/*
 * The hosts, to show their names where the scopes of a list have ids; the caller's. NULL if no
 * scope has an id, or if the hosts cannot be fetched: then the ids are shown.
 */
json_t *scope_fetch_hosts(struct client *c, const json_t *list);
/*
 * The scope of a user or key for a column of a listing, whose owner is the result of
 * scope_fetch_hosts(): "host=web-1; tag=prod", or "everything" without rules. To be freed.
 */
char *scope_text(const json_t *element, const void *hosts);
