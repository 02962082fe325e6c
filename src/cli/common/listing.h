#pragma once

/*
 * What the verbs that list have in common: a table of columns, -q, --json.
 */

#include "cli/common/args.h"
#include "cli/common/table.h"
#include <jansson.h>

struct listing_options {
    bool quiet, json;
};

struct listing_column {
    const char *header;
    const char *member; /* shown as it is: a string, or a whole number */
    char *(*text)(const json_t *element,
                  const void *owner); /* instead of that when not NULL; to be freed */
    enum table_colour (*colour)(const json_t *element); /* NULL: none */
};

struct listing {
    const struct listing_column *columns;
    size_t n_columns;
    const char *quiet_member; /* what -q shows; NULL: there is no -q */
};

/* `list` is an array of objects. `owner` is for the columns' text functions. */
void listing_print(const struct listing *listing,
                   const json_t *list,
                   const struct listing_options *options,
                   const void *owner);

/* The rows of the table of flags; `offset` is that of the struct listing_options. */
#define LISTING_QUIET(offset, what)                                                        \
    {                                                                                      \
        "quiet", 'q', FLAG_BOOL, (offset) + offsetof(struct listing_options, quiet), NULL, \
            "show " what " only"                                                           \
    }
#define LISTING_JSON(offset)                                                           \
    {                                                                                  \
        "json", 0, FLAG_BOOL, (offset) + offsetof(struct listing_options, json), NULL, \
            "print the list as a JSON array"                                           \
    }
