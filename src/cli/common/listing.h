#pragma once

/*
 * Verbs that list things. The same array of JSON objects is printed in one of three forms:
 *
 *   - a table, whose columns are members of the objects or texts made from them;
 *   - with -q one value for each object, which other verbs accept as a reference;
 *   - with --json the array itself, unchanged, for programs.
 */

#include "cli/common/args.h"
#include "cli/common/format.h"
#include "cli/common/table.h"
#include <jansson.h>

struct listing_options {
    bool quiet, json, wide;
    const char *format;
};

struct listing_column {
    const char *header;
    const char *member; /* shown as it is: a string or a whole number */
    /* Used instead of `member` when not NULL; the result is freed. */
    char *(*text)(const json_t *element, const void *owner);
    enum table_colour (*colour)(const json_t *element); /* NULL: none */
};

struct listing {
    const struct listing_column *columns;
    size_t n_columns;
    const char *quiet_member; /* printed by -q; NULL: the verb has no -q */
    /* For --format: the objects that describe an element, appended to `rows`; NULL: no --format. */
    void (*describe)(const json_t *element, json_t *rows);
    const struct format_field *fields; /* of these objects */
    size_t n_narrow; /* columns shown without --wide, below 80 characters; 0: all */
};

/* Prints the descriptions of the list by a --format other than FORMAT_NONE. Returns an exit code. */
int listing_print_format(const struct listing *listing,
                         const json_t *list,
                         const struct format *format);

/* `list` is an array of objects. `owner` is passed to the text functions of the columns. */
void listing_print(const struct listing *listing,
                   const json_t *list,
                   const struct listing_options *options,
                   const void *owner);

/* Rows for the table of flags; `offset` is that of the struct listing_options in the options. */
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
#define LISTING_WIDE(offset, what)                                                       \
    {                                                                                    \
        "wide", 'w', FLAG_BOOL, (offset) + offsetof(struct listing_options, wide), NULL, \
            "also show " what                                                            \
    }
#define LISTING_FORMAT(offset) FORMAT_FLAG((offset) + offsetof(struct listing_options, format))
/* Sets a field of a description; takes the text. */
void listing_set_field(json_t *o, const char *name, char *text);
