#include "server/sqlite/page.h"
#include "base/buf.h"
#include "server/sqlite/query.h"

#include <assert.h>

#define MAX_SQL ((size_t)8 * 1024)

static const char *get_value(const struct page *page, const struct page_filter *f)
{
    return *(const char *const *)((const char *)page + f->offset);
}

static void add(struct buf *sql, const char *text)
{
    int r = buf_append_str(sql, text);

    assert(r == 0); /* all texts are constants */
    (void)r;
}

static void add_condition(struct buf *sql, const char *condition, bool *is_first)
{
    add(sql, *is_first ? " WHERE " : " AND ");
    add(sql, condition);
    *is_first = false;
}

/* Prepares the statement with the conditions that apply, and binds their values. */
static int open_statement(struct query *q,
                          struct db *s,
                          const struct page_table *table,
                          const struct page *page,
                          bool is_count,
                          struct error *err)
{
    struct buf sql = BUF_INIT(MAX_SQL);
    bool is_first = true;
    int r;

    add(&sql, is_count ? table->count : table->rows);
    for (size_t i = 0; i < table->n_filters; i++) {
        const struct page_filter *f = &table->filters[i];

        if (f->condition && get_value(page, f))
            add_condition(&sql, f->condition, &is_first);
    }
    if (page->since_ms)
        add_condition(&sql, "at_ms >= :since", &is_first);
    if (page->until_ms)
        add_condition(&sql, "at_ms < :until", &is_first);
    if (!is_count)
        add(&sql, " ORDER BY at_ms DESC, id DESC LIMIT :limit OFFSET :offset");
    r = query_init_once(q, s, buf_str(&sql), err);
    buf_done(&sql);
    if (r < 0)
        return r;
    for (size_t i = 0; i < table->n_filters; i++) {
        const struct page_filter *f = &table->filters[i];

        if (get_value(page, f))
            query_text(q, f->name, get_value(page, f));
    }
    if (page->since_ms)
        query_i64(q, ":since", page->since_ms);
    if (page->until_ms)
        query_i64(q, ":until", page->until_ms);
    return 0;
}

static int read_rows(struct db *s,
                     const struct page_table *table,
                     const struct page *page,
                     void *arg,
                     uint32_t *ret_n,
                     struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = open_statement(&q, s, table, page, false, err);
    if (r < 0)
        return r;
    query_i64(&q, ":limit", page->limit);
    query_i64(&q, ":offset", page->offset);
    for (*ret_n = 0; (r = query_step(&q, err)) > 0; (*ret_n)++)
        table->read(&q, arg);
    return r;
}

static int count_rows(struct db *s,
                      const struct page_table *table,
                      const struct page *page,
                      int64_t *ret,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = open_statement(&q, s, table, page, true, err);
    if (r < 0)
        return r;
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret = query_column_i64(&q, 0);
    return 0;
}

int page_list(struct db *s,
              const struct page_table *table,
              const struct page *page,
              void *arg,
              int64_t *ret_total,
              struct error *err)
{
    uint32_t n = 0;
    int r;

    assert(page->limit >= 1 && page->limit <= PAGE_MAX);
    r = read_rows(s, table, page, arg, &n, err);
    if (r < 0 || !ret_total)
        return r;
    if (n < page->limit && (n > 0 || page->offset == 0)) { /* the last page: a count is needless */
        *ret_total = (int64_t)page->offset + n;
        return 0;
    }
    return count_rows(s, table, page, ret_total, err);
}
