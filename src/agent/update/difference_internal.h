#pragma once

/*
 * Shared by difference*.c only: difference.c has the table of fields, difference_lists.c the rules
 * of what the engine lists, difference_text.c the texts.
 */

#include "agent/update/difference.h"

struct difference_work {
    const struct difference_source *s;
    json_t *found;
};

/* The four versions of one value; any of them may be NULL. */
struct difference_values {
    const json_t *before, *after;
    const json_t *sent;    /* NULL: the body does not have it */
    const json_t *of_self; /* that of the image alone, by the probe */
};

/* Engines write an absent value as null, "", 0, false, [] or {}, and sort lists as they like. */
bool difference_is_same(const json_t *a, const json_t *b);
void difference_report(struct difference_work *w,
                       const char *path,
                       const json_t *expected,
                       const json_t *after);

/* The rule of values that the engine merges with others: all that was sent must be there. */
void difference_need_contained(struct difference_work *w,
                               const char *path,
                               const struct difference_values *v);
bool difference_is_joined(const json_t *mode); /* "container:..." */

void difference_compare_mounts(struct difference_work *w);
void difference_compare_ports(struct difference_work *w);
void difference_compare_networks(struct difference_work *w);
/* The element whose member `key` is that path in the container; NULL: none. */
const json_t *difference_find_mount(const json_t *mounts, const char *key, const char *path);
