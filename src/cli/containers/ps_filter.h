#pragma once

/*
 * The selection of containers for `ps` and `stats`, newest first.
 */

#include "base/error.h"
#include "cli/common/args.h"
#include "cli/common/client.h"
#include "cli/common/filter.h"
#include <jansson.h>

struct ps_selection {
    bool all;      /* also stopped containers */
    uint64_t last; /* at most this many; 0: no limit */
    struct filters filters;
};

#define PS_FILTER_FLAG(struct_name, member)                                                 \
    {                                                                                       \
        "filter", 'f', FLAG_LIST, offsetof(struct struct_name, member), "KEY=VALUE",        \
            "name= id= status= health= exited= label= ancestor= network= volume= publish= " \
            "expose= before= since= host=; may be given several times"                      \
    }

/* -EINVAL for an unknown key or an invalid value. */
int ps_filters_parse(const struct args_list *words, struct filters *ret, struct error *err)
    _nodiscard_;
/*
 * Resolves the containers of before= and since=, and the hosts of host=: both must exist. `list` has
 * the containers, or is NULL: they are fetched if needed.
 */
int ps_filters_resolve(struct filters *f, struct client *c, const json_t *list, struct error *err)
    _nodiscard_;
void ps_selection_done(struct ps_selection *s);
/* The selected containers, newest first; the caller's. */
json_t *ps_select(const json_t *list, const struct ps_selection *s) _nodiscard_;
