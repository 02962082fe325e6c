#include "server/store/container_lists.h"
#include "server/sqlite/query.h"

enum stmt { STMT_PUT, STMT_CONFIRM, STMT_EACH, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_PUT] = ("INSERT OR REPLACE INTO container_lists (host_id, listed_at_ms, containers) "
                  "VALUES (:host, :at, :containers)"), /* the parentheses are for clang */
    [STMT_CONFIRM] = "UPDATE container_lists SET listed_at_ms = :at WHERE host_id = :host",
    [STMT_EACH] = "SELECT host_id, listed_at_ms, containers FROM container_lists",
};

int container_lists_put(struct db *s,
                        const char *host_id,
                        int64_t listed_at_ms,
                        const char *containers,
                        struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PUT], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    query_i64(&q, ":at", listed_at_ms);
    query_text(&q, ":containers", containers);
    return query_run(&q, NULL, err);
}

int container_lists_confirm(struct db *s,
                            const char *host_id,
                            int64_t listed_at_ms,
                            struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_CONFIRM], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    query_i64(&q, ":at", listed_at_ms);
    return query_run(&q, NULL, err);
}

int container_lists_each(struct db *s, container_lists_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_free_ char *host_id = query_column_text(&q, 0);
        _cleanup_free_ char *containers = query_column_text(&q, 2);

        fn(arg, host_id, query_column_i64(&q, 1), containers);
    }
    return r;
}
