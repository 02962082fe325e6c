#pragma once

/*
 * Lists pages of a table with the columns `at_ms` and `id`, newest first, with filters. For the
 * table modules of store/ only.
 *
 * A statement is built from the filters that have a value, and prepared again for each page
 * (about 50 µs): with one statement for all (":x IS NULL OR x = :x") SQLite would use no index,
 * and a count would read every row.
 */

#include "server/sqlite/db.h"
#include <stddef.h>
#include <stdint.h>

struct query;

#define PAGE_MAX 1000

/* The first member of the query struct of a table module. */
struct page {
    int64_t since_ms, until_ms; /* [since, until); 0: no limit */
    uint32_t limit, offset;     /* limit 1 to PAGE_MAX */
};

/* A condition that applies if its value, a const char * in the query struct, is not NULL. */
struct page_filter {
    const char *name;      /* of the parameter, with the colon */
    size_t offset;         /* of the value in the query struct */
    const char *condition; /* NULL: the parameter belongs to the condition of another filter */
};

struct page_table {
    const char *rows;  /* "SELECT ... FROM table" */
    const char *count; /* "SELECT count(*) FROM table" */
    const struct page_filter *filters;
    size_t n_filters;
    void (*read)(const struct query *q, void *arg); /* one row */
};

/* Calls `read` for each row. *ret_total (may be NULL) is the number of rows on all pages. */
int page_list(struct db *s,
              const struct page_table *table,
              const struct page *page,
              void *arg,
              int64_t *ret_total,
              struct error *err) _nodiscard_;
