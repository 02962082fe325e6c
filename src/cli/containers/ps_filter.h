#pragma once

/*
 * Which containers `ps` shows, and in what order: newest first.
 */

#include "base/error.h"
#include "cli/common/args.h"
#include <jansson.h>

#define PS_MAX_FILTERS 32

enum ps_key { PS_NAME, PS_STATUS, PS_LABEL, PS_HOST, PS_ID, PS_ANCESTOR, N_PS_KEYS };

/* As with docker: several values of one key are alternatives (labels: all must fit), keys must all fit. */
struct ps_filters {
    struct ps_filter {
        enum ps_key key;
        const char *value; /* borrowed from argv */
    } items[PS_MAX_FILTERS];
    size_t n;
};

struct ps_selection {
    bool all;      /* also stopped ones */
    uint64_t last; /* at most this many; 0: no limit */
    struct ps_filters filters;
};

int ps_filters_parse(const struct args_list *words, struct ps_filters *ret, struct error *err)
    _nodiscard_;
json_t *ps_select(const json_t *list, const struct ps_selection *s) _nodiscard_;
