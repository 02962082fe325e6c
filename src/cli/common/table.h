#pragma once

/*
 * Columns as docker prints them: three spaces apart, at least ten wide, the last one without
 * padding. Cells are escaped here, so callers pass the server's text unchanged.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

#define TABLE_MAX_COLUMNS 12

enum table_colour { COLOUR_NONE, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED, COLOUR_DIM };

struct table_cell {
    char *text; /* escaped */
    enum table_colour colour;
};

struct table {
    size_t n_columns;
    struct table_cell *cells; /* row by row; the first row is the header */
    size_t n_cells;
};

/* The headers are copied; at most TABLE_MAX_COLUMNS. */
void table_init(struct table *t, size_t n_columns, const char *const *headers);
void table_done(struct table *t);

/* Cells are added from left to right, row by row; NULL is "". */
void table_add(struct table *t, const char *text);
void table_add_coloured(struct table *t, const char *text, enum table_colour colour);

/* Appends the table. The number of cells must be a multiple of the number of columns. */
void table_print(const struct table *t, bool with_colours, struct buf *out);
