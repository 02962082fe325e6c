#pragma once

/*
 * References to hosts, and the flag --host of the verbs for images, networks and volumes: it is
 * given several times, or as "all".
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

enum hosts_default {
    HOSTS_ALL_ONLINE, /* without --host: every host that is online; a note names the others */
    HOSTS_ONLY_ONE,   /* without --host: the only host; an error if there are several */
};

#define HOSTS_FLAG(struct_name, member)                                     \
    {                                                                       \
        "host", 0, FLAG_LIST, offsetof(struct struct_name, member), "HOST", \
            "name or id of a host, or \"all\"; may be given several times"  \
    }

/* Fetches the hosts and chooses. *ret: an array of objects of /api/hosts, the caller's. */
int hosts_choose(struct client *c,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err) _nodiscard_;
/* The same from a list that was fetched. */
int hosts_select(const json_t *all,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err) _nodiscard_;

/* The host of this id, name or beginning of an id, borrowed from the list. -ENOENT, -EEXIST. */
int hosts_find(const json_t *all, const char *word, json_t **ret, struct error *err) _nodiscard_;

/* "/api/hosts/ID", followed by "/" and `tail` unless that is empty; to be freed. */
char *host_path(const json_t *host, const char *tail);
