#include "server/store/updates.h"
#include "server/sqlite/query.h"

#define AT(m) offsetof(struct update_row, m)

enum stmt { STMT_PUT, STMT_PURGE, STMT_LIST, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_PUT] = "INSERT INTO updates (host_id, update_id, container_name, state, triggered_by, "
                 "data, started_at_ms, updated_at_ms) VALUES (:host, :id, :name, :state, :by, "
                 ":data, :started, :updated) ON CONFLICT DO UPDATE SET state = excluded.state, "
                 "container_name = excluded.container_name, data = excluded.data, "
                 "triggered_by = COALESCE(excluded.triggered_by, triggered_by), "
                 "updated_at_ms = excluded.updated_at_ms",
    [STMT_PURGE] = "DELETE FROM updates WHERE host_id = :host AND update_id IN (SELECT update_id "
                   "FROM updates WHERE host_id = :host AND state NOT IN ('running', 'kept') "
                   "ORDER BY started_at_ms DESC, update_id LIMIT -1 OFFSET :kept)",
    [STMT_LIST] = "SELECT host_id, update_id, container_name, state, triggered_by, data, "
                  "started_at_ms, updated_at_ms FROM updates WHERE (:host IS NULL OR host_id = "
                  ":host) AND (:name IS NULL OR container_name = :name) "
                  "ORDER BY started_at_ms DESC, update_id LIMIT :limit",
};

static const struct column columns[] = {
    {":host",    COLUMN_TEXT, AT(host_id)       },
    {":id",      COLUMN_TEXT, AT(update_id)     },
    {":name",    COLUMN_TEXT, AT(container_name)},
    {":state",   COLUMN_TEXT, AT(state)         },
    {":by",      COLUMN_TEXT, AT(triggered_by)  },
    {":data",    COLUMN_TEXT, AT(data)          },
    {":started", COLUMN_I64,  AT(started_at_ms) },
    {":updated", COLUMN_I64,  AT(updated_at_ms) },
};

void update_row_done(struct update_row *u)
{
    row_done(columns, ARRAY_LEN(columns), u);
}

static int purge(struct db *s, const char *host_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    query_i64(&q, ":kept", UPDATES_KEPT_PER_HOST);
    return query_run(&q, NULL, err);
}

int updates_put(struct db *s, const struct update_row *u, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PUT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), u);
    r = query_run(&q, NULL, err);
    return r < 0 ? r : purge(s, u->host_id, err);
}

int updates_list(struct db *s,
                 const struct updates_query *query,
                 updates_row_fn fn,
                 void *arg,
                 struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct update_row row = {0};
    int r;

    r = query_init(&q, s, sql[STMT_LIST], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", query->host_id);
    query_text(&q, ":name", query->container_name);
    query_i64(&q, ":limit", query->limit);
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &row, err)) > 0)
        fn(arg, &row);
    return r;
}
