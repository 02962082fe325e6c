#pragma once

/*
 * Pages of a table with `at_ms` and `id`, newest first, filtered by what the caller asks for. For the table modules
 * of store/ only.
 *
 * A statement is put together of the conditions that are asked for and is made anew for each page (some 50 µs): with
 * one statement for all (":x IS NULL OR x = :x") SQLite uses no index, and counting looks at every row.
 */

#include "server/sqlite/db.h"
#include <stddef.h>
#include <stdint.h>

struct query;

#define PAGE_MAX 1000

/* The first member of what a caller of a table asks for. */
struct page {
    int64_t since_ms, until_ms; /* 0: open */
    uint32_t limit, offset;     /* limit 1 to PAGE_MAX */
};

/* What makes a condition when it is given: a text (const char *) of the struct that begins with the page. */
struct page_filter {
    const char *name; /* of the parameter, with the colon */
    size_t offset;
    const char *condition; /* NULL: the parameter belongs to the condition of another filter */
};

struct page_table {
    const char *rows;  /* "SELECT ... FROM table" */
    const char *count; /* "SELECT count(*) FROM table" */
    const struct page_filter *filters;
    size_t n_filters;
    void (*read)(const struct query *q, void *arg); /* one row */
};

/* `read` is called for each row; *ret_total (may be NULL) is how many there are on all pages. */
int page_list(struct db *s,
              const struct page_table *table,
              const struct page *page,
              void *arg,
              int64_t *ret_total,
              struct error *err) _nodiscard_;
