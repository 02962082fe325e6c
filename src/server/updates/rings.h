#pragma once

/*
 * Rings divide the containers of a batch into groups that are updated one after the other. A text
 * describes them:
 *
 *   all              one ring
 *   canary           the same as 1,10%,rest
 *   1,10%,rest       sizes: numbers, or parts of all containers, rounded up; what is left after the
 *                    last one is a ring of its own
 *   host             a ring for each host, in the order of the list
 *   tag:a,b          those with the tag a, then those with the tag b, then the rest
 *
 * Rings are numbered from 1 and have no gaps: one without containers does not exist. Pure.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define RINGS_MAX_TEXT  256
#define RINGS_MAX_PARTS 16

enum rings_kind { RINGS_ALL, RINGS_SIZES, RINGS_HOST, RINGS_TAG };

struct rings {
    enum rings_kind kind;
    size_t n;
    struct {
        size_t size;     /* RINGS_SIZES: SIZE_MAX is the rest */
        bool is_percent; /* of all containers */
        char tag[65];    /* RINGS_TAG */
    } parts[RINGS_MAX_PARTS];
};

/* -EDOM: the text is no description of rings. NULL and "" are `all`. */
int rings_parse(const char *text, struct rings *ret, struct error *err) _nodiscard_;

struct rings_subject {
    const char *host_id;
    /* Whether the container or its host has the tag. */
    bool (*has_tag)(const struct rings_subject *s, const char *tag);
    const void *arg; /* for has_tag */
    size_t ring;     /* set by rings_assign() */
};

/* Sets the ring of each subject. Returns the number of rings. */
size_t rings_assign(const struct rings *r, struct rings_subject *subjects, size_t n);
