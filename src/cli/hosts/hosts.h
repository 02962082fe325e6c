#pragma once

/*
 * Hosts as the verbs about images, networks and volumes take them: --host NAME, several times or "all".
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

enum hosts_default {
    HOSTS_ALL_ONLINE, /* without --host: every host that is online, the others are mentioned */
    HOSTS_ONLY_ONE,   /* without --host: the one that there is; with several it must be said */
};

#define HOSTS_FLAG(struct_name, member)                                     \
    {                                                                       \
        "host", 0, FLAG_LIST, offsetof(struct struct_name, member), "HOST", \
            "name or id of a host, several times, or \"all\""               \
    }

/* *ret: objects of /api/hosts, the caller's. */
int hosts_choose(struct client *c,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err) _nodiscard_;
/* The same from a list at hand. */
int hosts_select(const json_t *all,
                 const struct args_list *wanted,
                 enum hosts_default by_default,
                 json_t **ret,
                 struct error *err) _nodiscard_;

/* One of a list of /api/hosts, by id, name or the beginning of an id: -ENOENT, -EEXIST. Borrowed from the list. */
int hosts_find(const json_t *all, const char *word, json_t **ret, struct error *err) _nodiscard_;

/* "/api/hosts/ID/" followed by `tail`; to be freed. */
char *host_path(const json_t *host, const char *tail);
