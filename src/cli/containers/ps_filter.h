#pragma once

/*
 * The selection of containers for `ps` and `stats`, newest first.
 */

#include "base/error.h"
#include "cli/common/args.h"
#include <jansson.h>

#define PS_MAX_FILTERS 32

enum ps_key { PS_NAME, PS_STATUS, PS_LABEL, PS_HOST, PS_ID, PS_ANCESTOR, N_PS_KEYS };

/*
 * As with docker, a container must match every key. Several values of one key are alternatives, but
 * labels must all match.
 */
struct ps_filters {
    struct ps_filter {
        enum ps_key key;
        const char *value; /* borrowed from argv */
    } items[PS_MAX_FILTERS];
    size_t n;
};

struct ps_selection {
    bool all;      /* also stopped containers */
    uint64_t last; /* at most this many; 0: no limit */
    struct ps_filters filters;
};

#define PS_FILTER_FLAG(struct_name, member)                                          \
    {                                                                                \
        "filter", 'f', FLAG_LIST, offsetof(struct struct_name, member), "KEY=VALUE", \
            "name= status= label= host= id= ancestor=; may be given several times"   \
    }

/* -EINVAL for an unknown key. */
int ps_filters_parse(const struct args_list *words, struct ps_filters *ret, struct error *err)
    _nodiscard_;
/* The selected containers, newest first; the caller's. */
json_t *ps_select(const json_t *list, const struct ps_selection *s) _nodiscard_;
