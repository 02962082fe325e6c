#include "server/store/update_batches.h"
#include "server/sqlite/query.h"

enum stmt { STMT_PUT, STMT_PUT_ITEM, STMT_PURGE, STMT_EACH, STMT_EACH_ITEM, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_PUT] = "INSERT INTO update_batches (id, state, created_by, user_id, key_id, rings, "
                 "max_parallel, pause_s, options, reason, created_at_ms, ended_at_ms) VALUES (:id, "
                 ":state, :created_by, :user_id, :key_id, :rings, :max_parallel, :pause_s, "
                 ":options, :reason, :created_at, :ended_at) ON CONFLICT DO UPDATE SET "
                 "state = excluded.state, reason = excluded.reason, "
                 "ended_at_ms = excluded.ended_at_ms",
    [STMT_PUT_ITEM] =
        "INSERT INTO update_batch_items (batch_id, number, host_id, container_name, ring, state, "
        "update_id, reason, started_at_ms, ended_at_ms) VALUES (:batch, :number, :host, :name, "
        ":ring, :state, :update_id, :reason, :started_at, :ended_at) ON CONFLICT DO UPDATE SET "
        "state = excluded.state, update_id = excluded.update_id, reason = excluded.reason, "
        "started_at_ms = excluded.started_at_ms, ended_at_ms = excluded.ended_at_ms",
    [STMT_PURGE] = "DELETE FROM update_batches WHERE id IN (SELECT id FROM update_batches WHERE "
                   "ended_at_ms > 0 ORDER BY ended_at_ms DESC, id LIMIT -1 OFFSET :kept)",
    [STMT_EACH] = "SELECT id, state, created_by, user_id, key_id, rings, max_parallel, pause_s, "
                  "options, reason, created_at_ms, ended_at_ms FROM update_batches "
                  "ORDER BY created_at_ms DESC, id",
    [STMT_EACH_ITEM] = "SELECT batch_id, number, host_id, container_name, ring, state, update_id, "
                       "reason, started_at_ms, ended_at_ms FROM update_batch_items "
                       "ORDER BY batch_id, number",
};

#define AT(m)      offsetof(struct update_batch_row, m)
#define ITEM_AT(m) offsetof(struct update_batch_item_row, m)

static const struct column columns[] = {
    {":id",           COLUMN_TEXT, AT(id)           },
    {":state",        COLUMN_TEXT, AT(state)        },
    {":created_by",   COLUMN_TEXT, AT(created_by)   },
    {":user_id",      COLUMN_I64,  AT(user_id)      },
    {":key_id",       COLUMN_I64,  AT(key_id)       },
    {":rings",        COLUMN_TEXT, AT(rings)        },
    {":max_parallel", COLUMN_I64,  AT(max_parallel) },
    {":pause_s",      COLUMN_I64,  AT(pause_s)      },
    {":options",      COLUMN_TEXT, AT(options)      },
    {":reason",       COLUMN_TEXT, AT(reason)       },
    {":created_at",   COLUMN_I64,  AT(created_at_ms)},
    {":ended_at",     COLUMN_I64,  AT(ended_at_ms)  },
};

static const struct column item_columns[] = {
    {":batch",      COLUMN_TEXT, ITEM_AT(batch_id)      },
    {":number",     COLUMN_I64,  ITEM_AT(number)        },
    {":host",       COLUMN_TEXT, ITEM_AT(host_id)       },
    {":name",       COLUMN_TEXT, ITEM_AT(container_name)},
    {":ring",       COLUMN_I64,  ITEM_AT(ring)          },
    {":state",      COLUMN_TEXT, ITEM_AT(state)         },
    {":update_id",  COLUMN_TEXT, ITEM_AT(update_id)     },
    {":reason",     COLUMN_TEXT, ITEM_AT(reason)        },
    {":started_at", COLUMN_I64,  ITEM_AT(started_at_ms) },
    {":ended_at",   COLUMN_I64,  ITEM_AT(ended_at_ms)   },
};

void update_batch_row_done(struct update_batch_row *b)
{
    row_done(columns, ARRAY_LEN(columns), b);
}

void update_batch_item_row_done(struct update_batch_item_row *i)
{
    row_done(item_columns, ARRAY_LEN(item_columns), i);
}

static int purge(struct db *s, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_PURGE], err);

    if (r < 0)
        return r;
    query_i64(&q, ":kept", UPDATE_BATCHES_KEPT);
    return query_run(&q, NULL, err);
}

int update_batches_put(struct db *s, const struct update_batch_row *b, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_PUT], err);

    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), b);
    r = query_run(&q, NULL, err);
    return r < 0 ? r : purge(s, err);
}

int update_batches_put_item(struct db *s, const struct update_batch_item_row *i, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_PUT_ITEM], err);

    if (r < 0)
        return r;
    query_bind_row(&q, item_columns, ARRAY_LEN(item_columns), i);
    return query_run(&q, NULL, err);
}

int update_batches_each(struct db *s, update_batches_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    _cleanup_(update_batch_row_done) struct update_batch_row row = {0};
    int r = query_init(&q, s, sql[STMT_EACH], err);

    if (r < 0)
        return r;
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &row, err)) > 0)
        fn(arg, &row);
    return r;
}

int update_batches_each_item(struct db *s, update_batch_items_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    _cleanup_(update_batch_item_row_done) struct update_batch_item_row row = {0};
    int r = query_init(&q, s, sql[STMT_EACH_ITEM], err);

    if (r < 0)
        return r;
    while ((r = query_next_row(&q, item_columns, ARRAY_LEN(item_columns), &row, err)) > 0)
        fn(arg, &row);
    return r;
}
