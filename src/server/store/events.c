#include "server/store/events.h"
#include "server/sqlite/query.h"

#define PURGE_BITE 5000

#define COLUMNS                                                                                  \
    "at_ms, category, type, severity, host_id, host_name, container_id, container_name, title, " \
    "message, old_state, new_state, triggered_by, correlation_id, details, dedup_key"

enum stmt { STMT_INSERT, STMT_NEWEST, STMT_PURGE_OLD, STMT_PURGE_EXCESS, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = "INSERT INTO events (" COLUMNS ", engine_ns) VALUES (:at_ms, :category, :type, "
                    ":severity, :host_id, :host_name, :container_id, :container_name, :title, "
                    ":message, :old_state, :new_state, :triggered_by, :correlation_id, :details, "
                    ":dedup_key, :engine_ns) ON CONFLICT (dedup_key) DO NOTHING",
    [STMT_NEWEST] = ("SELECT coalesce(max(engine_ns), 0) FROM events WHERE host_id = :host "
                     "AND engine_ns IS NOT NULL"),
    [STMT_PURGE_OLD] =
        ("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < :limit "
         "ORDER BY at_ms LIMIT :bite)"),
    /* Ids only grow, so this keeps max_rows, or fewer if some were deleted for their age. */
    [STMT_PURGE_EXCESS] = ("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id <= "
                           "(SELECT max(id) FROM events) - :limit ORDER BY id LIMIT :bite)"),
};

static const struct column columns[] = {
    {":at_ms",          COLUMN_I64,  offsetof(struct event, at_ms)         },
    {":category",       COLUMN_TEXT, offsetof(struct event, category)      },
    {":type",           COLUMN_TEXT, offsetof(struct event, type)          },
    {":severity",       COLUMN_TEXT, offsetof(struct event, severity)      },
    {":host_id",        COLUMN_TEXT, offsetof(struct event, host_id)       },
    {":host_name",      COLUMN_TEXT, offsetof(struct event, host_name)     },
    {":container_id",   COLUMN_TEXT, offsetof(struct event, container_id)  },
    {":container_name", COLUMN_TEXT, offsetof(struct event, container_name)},
    {":title",          COLUMN_TEXT, offsetof(struct event, title)         },
    {":message",        COLUMN_TEXT, offsetof(struct event, message)       },
    {":old_state",      COLUMN_TEXT, offsetof(struct event, old_state)     },
    {":new_state",      COLUMN_TEXT, offsetof(struct event, new_state)     },
    {":triggered_by",   COLUMN_TEXT, offsetof(struct event, triggered_by)  },
    {":correlation_id", COLUMN_TEXT, offsetof(struct event, correlation_id)},
    {":details",        COLUMN_TEXT, offsetof(struct event, details)       },
    {":dedup_key",      COLUMN_TEXT, offsetof(struct event, dedup_key)     },
};

#define COLUMN_ENGINE_NS ((int)ARRAY_LEN(columns)) /* selected after those of `columns` */
#define COLUMN_ID        (COLUMN_ENGINE_NS + 1)

void event_done(struct event *e)
{
    row_done(columns, ARRAY_LEN(columns), e);
}

int events_insert(struct db *s, const struct event *e, int64_t *ret_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n;
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), e);
    query_i64_or_null(&q, ":engine_ns", e->engine_ns);
    r = query_run(&q, &n, err);
    if (r < 0)
        return r;
    if (ret_id)
        *ret_id = n > 0 ? query_last_id(&q) : 0;
    return 0;
}

#define FILTER(n) ":" #n, offsetof(struct events_query, n)

static const struct page_filter filters[] = {
    {FILTER(host_id),        "host_id = :host_id"                                                     },
    {FILTER(container_id),   "container_id = :container_id"                                           },
    {FILTER(category),       "category = :category"                                                   },
    {FILTER(type),           "type = :type"                                                           },
    {FILTER(severity),       "severity = :severity"                                                   },
    {FILTER(container_name), "container_name = :container_name"                                       },
    {FILTER(correlation_id), "correlation_id = :correlation_id"                                       },
    {FILTER(id),             "id = CAST(:id AS INTEGER)"                                              },
    {FILTER(host_ids),       "host_id IN (SELECT value FROM json_each(:host_ids))"                    },
    {FILTER(container_ids),  "container_id IN (SELECT value FROM json_each(:container_ids))"          },
    {FILTER(categories),     "category IN (SELECT value FROM json_each(:categories))"                 },
    {FILTER(severities),     "severity IN (SELECT value FROM json_each(:severities))"                 },
    {FILTER(search),         "(instr(lower(title), lower(:search)) > 0 "
                     "OR instr(lower(coalesce(message, '')), lower(:search)) > 0)"},
    {FILTER(hosts),          "(host_id IN (SELECT value FROM json_each(:hosts)) "
                    "OR host_id || '/' || container_id IN "
                    "(SELECT value FROM json_each(:containers)))"                  },
    {FILTER(containers),     NULL                                                                     },
};

struct reader {
    events_row_fn fn;
    void *arg;
};

static void read_event(const struct query *q, void *arg)
{
    const struct reader *reader = arg;
    _cleanup_(event_done) struct event e = {0};

    query_read_row(q, columns, ARRAY_LEN(columns), &e);
    e.engine_ns = query_column_i64(q, COLUMN_ENGINE_NS);
    e.id = query_column_i64(q, COLUMN_ID);
    reader->fn(reader->arg, &e);
}

static const struct page_table page_table = {
    .rows = "SELECT " COLUMNS ", coalesce(engine_ns, 0), id FROM events",
    .count = "SELECT count(*) FROM events",
    .filters = filters,
    .n_filters = ARRAY_LEN(filters),
    .read = read_event,
};

int events_list(struct db *s,
                const struct events_query *query,
                events_row_fn fn,
                void *arg,
                int64_t *ret_total,
                struct error *err)
{
    return page_list(s, &page_table, &query->page, &(struct reader){fn, arg}, ret_total, err);
}

int events_newest_engine_ns(struct db *s, const char *host_id, int64_t *ret_ns, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_NEWEST], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret_ns = query_column_i64(&q, 0);
    return 0;
}

static int purge_by(
    struct db *s, enum stmt stmt, int64_t limit, int64_t *ret_deleted, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    query_i64(&q, ":limit", limit);
    query_i64(&q, ":bite", PURGE_BITE);
    return query_run(&q, ret_deleted, err);
}

int events_purge(
    struct db *s, int64_t before_ms, int64_t max_rows, bool *ret_is_more, struct error *err)
{
    int64_t n_old = 0, n_excess = 0;
    int r;

    r = purge_by(s, STMT_PURGE_OLD, before_ms, &n_old, err);
    if (r == 0)
        r = purge_by(s, STMT_PURGE_EXCESS, max_rows, &n_excess, err);
    if (r == 0)
        *ret_is_more = n_old == PURGE_BITE || n_excess == PURGE_BITE;
    return r;
}
