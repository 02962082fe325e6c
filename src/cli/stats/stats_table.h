#pragma once

/*
 * The table of `dockmon stats`: its columns, their order and how it fits a terminal. What is not known is "--" and
 * sorts last. Pure.
 */

#include "base/buf.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Borrowed. `subject` is an element of /api/containers or /api/hosts, `figures` one of the feed's stats or host_stats. */
struct stats_row {
    const json_t *subject, *figures; /* figures NULL: none are known */
};

struct stats_column {
    const char *header;
    const char *name; /* for --sort; NULL: not to sort by */
    char key;
    bool is_text;      /* sorted by the alphabet, else the highest number first */
    unsigned leaves;   /* on a narrow terminal: the lower the sooner; 0: never */
    const char *which; /* for the functions, which may be shared */
    char *(*text)(const struct stats_row *r, const char *which); /* to be freed */
    /* NAN: not known. NULL for text columns. */
    double (*number)(const struct stats_row *r, const char *which);
};

struct stats_view {
    const struct stats_column *columns;
    size_t n;
};

extern const struct stats_view stats_of_containers, stats_of_hosts;

const struct stats_column *stats_column_find(const struct stats_view *v, const char *name);
const struct stats_column *stats_column_of_key(const struct stats_view *v, char key);

/* Equal ones by host, name and id, so that rows do not jump. */
void stats_sort(struct stats_row *rows, size_t n, const struct stats_column *by, bool is_reversed);

/* width 0: as wide as it gets; else columns leave until it fits, and at last lines are cut. */
void stats_print(const struct stats_view *v,
                 const struct stats_row *rows,
                 size_t n,
                 size_t width,
                 struct buf *out);

/* A row as --json has it: who it is, and its figures or null. */
json_t *stats_json(const struct stats_row *r);

/* "1.5MiB": four digits, powers of 1,024, as docker writes memory; "--" for NAN. To be freed. */
char *stats_binary_size(double bytes);
/* "1.57MB": powers of 1,000, as docker writes what was sent and read. To be freed. */
char *stats_decimal_size(double bytes);
