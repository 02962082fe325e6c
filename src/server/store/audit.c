#include "server/store/audit.h"
#include "base/alloc.h"
#include "server/sqlite/query.h"

enum stmt { STMT_INSERT, STMT_HAS, STMT_PURGE, STMT_ACTIONS, STMT_NAMES, STMT_SUMMARY, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = ("INSERT INTO audit (at_ms, who, peer, action, target, result) "
                     "VALUES (:at_ms, :who, :peer, :action, :target, :result)"),
    [STMT_HAS] = ("SELECT 1 FROM audit WHERE at_ms = :at_ms AND who = :who AND peer IS :peer AND "
                  "action = :action AND target IS :target AND result = :result"),
    [STMT_PURGE] = "DELETE FROM audit WHERE at_ms < :before",
    [STMT_ACTIONS] = "SELECT DISTINCT action FROM audit ORDER BY action",
    [STMT_NAMES] = "SELECT DISTINCT who FROM audit ORDER BY who",
    [STMT_SUMMARY] = "SELECT count(*), coalesce(min(at_ms), 0) FROM audit",
};

static const struct column columns[] = {
    {":at_ms",  COLUMN_I64,  offsetof(struct audit_entry, at_ms) },
    {":who",    COLUMN_TEXT, offsetof(struct audit_entry, who)   },
    {":peer",   COLUMN_TEXT, offsetof(struct audit_entry, peer)  },
    {":action", COLUMN_TEXT, offsetof(struct audit_entry, action)},
    {":target", COLUMN_TEXT, offsetof(struct audit_entry, target)},
    {":result", COLUMN_TEXT, offsetof(struct audit_entry, result)},
};

#define COLUMN_ID ((int)ARRAY_LEN(columns)) /* selected after those of `columns` */

static void audit_entry_done(struct audit_entry *e)
{
    row_done(columns, ARRAY_LEN(columns), e);
}

int audit_insert(struct db *s, const struct audit_entry *e, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), e);
    return query_run(&q, NULL, err);
}

int audit_has(struct db *s, const struct audit_entry *e, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_HAS], err);

    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), e);
    return query_step(&q, err);
}

static const struct page_filter filters[] = {
    {":who",      offsetof(struct audit_query, who),      "who = :who"      },
    {":action",   offsetof(struct audit_query, action),   "action = :action"},
    {":search",   offsetof(struct audit_query, search),
     "instr(lower(who || ' ' || action || ' ' || coalesce(target, '') || ' ' || result), "
     "lower(:search)) > 0"                                                  },
    {":prefixes", offsetof(struct audit_query, prefixes),
     "EXISTS (SELECT 1 FROM json_each(:prefixes) "
     "WHERE substr(action, 1, length(value)) = value)"                      },
    {":others",   offsetof(struct audit_query, others),
     "NOT EXISTS (SELECT 1 FROM json_each(:others) "
     "WHERE substr(action, 1, length(value)) = value)"                      },
};

struct reader {
    audit_row_fn fn;
    void *arg;
};

static void read_entry(const struct query *q, void *arg)
{
    const struct reader *reader = arg;
    _cleanup_(audit_entry_done) struct audit_entry e = {0};

    query_read_row(q, columns, ARRAY_LEN(columns), &e);
    e.id = query_column_i64(q, COLUMN_ID);
    reader->fn(reader->arg, &e);
}

static const struct page_table page_table = {
    .rows = "SELECT at_ms, who, peer, action, target, result, id FROM audit",
    .count = "SELECT count(*) FROM audit",
    .filters = filters,
    .n_filters = ARRAY_LEN(filters),
    .read = read_entry,
};

int audit_list(struct db *s,
               const struct audit_query *query,
               audit_row_fn fn,
               void *arg,
               int64_t *ret_total,
               struct error *err)
{
    return page_list(s, &page_table, &query->page, &(struct reader){fn, arg}, ret_total, err);
}

static int read_texts(struct db *s, enum stmt stmt, audit_text_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_free_ char *text = query_column_text(&q, 0);

        fn(arg, text);
    }
    return r;
}

int audit_each_action(struct db *s, audit_text_fn fn, void *arg, struct error *err)
{
    return read_texts(s, STMT_ACTIONS, fn, arg, err);
}

int audit_each_name(struct db *s, audit_text_fn fn, void *arg, struct error *err)
{
    return read_texts(s, STMT_NAMES, fn, arg, err);
}

int audit_summarize(struct db *s, int64_t *ret_n, int64_t *ret_oldest_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_SUMMARY], err);
    if (r < 0)
        return r;
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret_n = query_column_i64(&q, 0);
    *ret_oldest_ms = query_column_i64(&q, 1);
    return 0;
}

int audit_purge(struct db *s, int64_t before_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":before", before_ms);
    return query_run(&q, NULL, err);
}
