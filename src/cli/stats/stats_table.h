#pragma once

/*
 * The table of `dockmon stats`: its columns, the order of its rows, and how it fits a terminal. No
 * input or output.
 *
 * A view is the set of columns for containers or for hosts. A column has a text for the cell and,
 * unless it is sorted alphabetically, a number to sort by. Unknown values are shown as "--" and
 * sort last in both directions, so that a stopped container never appears above a busy one.
 *
 * A terminal that is too narrow loses columns one by one, the least needed first (`leaves`), until
 * the table fits, but not the one that it is sorted by. Long names are cut before a column with
 * metrics is dropped. Lines that still do not fit are cut. Without a terminal nothing is dropped.
 */

#include "base/buf.h"
#include "cli/common/format.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Borrowed. The subject is an element of /api/containers or /api/hosts, the metrics are an element
 * of the feed's stats or host_stats.
 */
struct stats_row {
    const json_t *subject, *metrics; /* metrics NULL: unknown */
    const json_t *host;              /* of the subject, or the subject itself; NULL: unknown */
    int64_t now_ms;                  /* the server's time */
};

struct stats_column {
    const char *header;
    const char *name;  /* for --sort; NULL: cannot be sorted by */
    char key;          /* pressed to sort by this column; 0: none */
    bool is_text;      /* sorted alphabetically, else the highest number first */
    unsigned leaves;   /* dropped on a narrow terminal: the lowest first; 0: never */
    const char *which; /* argument of the functions, usually a member of the row */
    char *(*text)(const struct stats_row *r, const char *which); /* to be freed */
    /* NAN: unknown. NULL for text columns. */
    double (*number)(const struct stats_row *r, const char *which);
};

struct stats_view {
    const struct stats_column *columns;
    size_t n;
};

extern const struct stats_view stats_of_containers, stats_of_hosts;

const struct stats_column *stats_column_find(const struct stats_view *v, const char *name);
const struct stats_column *stats_column_of_key(const struct stats_view *v, char key);

/* Equal rows are sorted by host, name and id, so that they do not change places. */
void stats_sort(struct stats_row *rows, size_t n, const struct stats_column *by, bool is_reversed);

/*
 * width 0: no limit; else columns are dropped until the table fits, and lines cut at last. `by` is
 * the column that the rows are sorted by, which stays; NULL: none.
 */
void stats_print(const struct stats_view *v,
                 const struct stats_column *by,
                 const struct stats_row *rows,
                 size_t n,
                 size_t width,
                 struct buf *out);

/* The row with docker's names of fields, for --format; the caller's. */
json_t *stats_describe(const struct stats_row *r);
extern const struct format_field stats_fields[];

/* A row for --json: the subject and its metrics, or null; the caller's. */
json_t *stats_json(const struct stats_row *r);

/* "1.5MiB": four digits, powers of 1,024, as docker writes memory; "--" for NAN. To be freed. */
char *stats_binary_size(double bytes);
/* "1.57MB": powers of 1,000, as docker writes network and block I/O. To be freed. */
char *stats_decimal_size(double bytes);
