#include "server/store/audit.h"
#include "server/store/db.h"

#include <assert.h>

#define MAX_PAGE 1000
#define WHERE                                                                                   \
    " FROM audit WHERE (:who IS NULL OR who = :who) AND (:action IS NULL OR action = :action) " \
    "AND (:since IS NULL OR at_ms >= :since) AND (:until IS NULL OR at_ms < :until) "

enum stmt { STMT_INSERT, STMT_LIST, STMT_TOTAL, STMT_PURGE, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = "INSERT INTO audit (at_ms, who, peer, action, target, result) "
                    "VALUES (:at_ms, :who, :peer, :action, :target, :result)",
    [STMT_LIST] = "SELECT at_ms, who, peer, action, target, result, id" WHERE
                  "ORDER BY at_ms DESC, id DESC LIMIT :limit OFFSET :offset",
    [STMT_TOTAL] = "SELECT count(*)" WHERE,
    [STMT_PURGE] = "DELETE FROM audit WHERE at_ms < :before",
};

static const struct column columns[] = {
    {":at_ms",  COLUMN_I64,  offsetof(struct audit_entry, at_ms) },
    {":who",    COLUMN_TEXT, offsetof(struct audit_entry, who)   },
    {":peer",   COLUMN_TEXT, offsetof(struct audit_entry, peer)  },
    {":action", COLUMN_TEXT, offsetof(struct audit_entry, action)},
    {":target", COLUMN_TEXT, offsetof(struct audit_entry, target)},
    {":result", COLUMN_TEXT, offsetof(struct audit_entry, result)},
};

#define COLUMN_ID ((int)ARRAY_LEN(columns)) /* after those of the table */

static void audit_entry_done(struct audit_entry *e)
{
    row_done(columns, ARRAY_LEN(columns), e);
}

int audit_insert(struct store *s, const struct audit_entry *e, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), e);
    return query_run(&q, NULL, err);
}

static void bind_where(struct query *q, const struct audit_query *query)
{
    query_text(q, ":who", query->who);
    query_text(q, ":action", query->action);
    query_i64_or_null(q, ":since", query->since_ms);
    query_i64_or_null(q, ":until", query->until_ms);
}

static int count_matches(struct store *s,
                         const struct audit_query *query,
                         int64_t *ret,
                         struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_TOTAL], err);
    if (r < 0)
        return r;
    bind_where(&q, query);
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret = query_column_i64(&q, 0);
    return 0;
}

int audit_list(struct store *s,
               const struct audit_query *query,
               audit_row_fn fn,
               void *arg,
               int64_t *ret_total,
               struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    assert(query->limit >= 1 && query->limit <= MAX_PAGE);
    r = query_init(&q, s, sql[STMT_LIST], err);
    if (r < 0)
        return r;
    bind_where(&q, query);
    query_i64(&q, ":limit", query->limit);
    query_i64(&q, ":offset", query->offset);
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_(audit_entry_done) struct audit_entry e = {0};

        query_read_row(&q, columns, ARRAY_LEN(columns), &e);
        e.id = query_column_i64(&q, COLUMN_ID);
        fn(arg, &e);
    }
    if (r == 0 && ret_total)
        r = count_matches(s, query, ret_total, err);
    return r;
}

int audit_purge(struct store *s, int64_t before_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":before", before_ms);
    return query_run(&q, NULL, err);
}
