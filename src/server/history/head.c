#include "server/history/head.h"
#include "base/alloc.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

struct history_head {
    struct db *store;
};

/* Hosts are stored by number, because the index gets a row per host every 10 s. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS hosts (id INTEGER PRIMARY KEY, host TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE IF NOT EXISTS ticks (id INTEGER PRIMARY KEY, host INTEGER NOT NULL, at INTEGER NOT NULL,"
    " data BLOB NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS ticks_host ON ticks (host, at);"
    "CREATE TABLE IF NOT EXISTS positions (host TEXT PRIMARY KEY, epoch INTEGER NOT NULL,"
    " seq INTEGER NOT NULL) STRICT;";

enum stmt {
    STMT_ADD_HOST,
    STMT_APPEND,
    STMT_READ,
    STMT_REMOVE,
    STMT_TRIM,
    STMT_FIRST,
    STMT_HOSTS,
    STMT_SET_POSITION,
    STMT_POSITIONS,
    STMT_COUNT,
};

static const char *const sql[STMT_COUNT] = {
    [STMT_ADD_HOST] = "INSERT OR IGNORE INTO hosts (host) VALUES (:host)",
    [STMT_APPEND] =
        "INSERT INTO ticks (host, at, data) SELECT id, :at, :data FROM hosts WHERE host = :host",
    [STMT_READ] = "SELECT ticks.at, ticks.data FROM ticks JOIN hosts ON hosts.id = ticks.host"
                  " WHERE hosts.host = :host AND ticks.at >= :from AND ticks.at < :to"
                  " ORDER BY ticks.at, ticks.id",
    [STMT_REMOVE] = "DELETE FROM ticks WHERE host = (SELECT id FROM hosts WHERE host = :host)"
                    " AND at >= :from AND at < :to",
    [STMT_TRIM] = "DELETE FROM ticks WHERE host = (SELECT id FROM hosts WHERE host = :host)"
                  " AND at < (SELECT at FROM ticks WHERE host ="
                  " (SELECT id FROM hosts WHERE host = :host) ORDER BY at DESC LIMIT 1 OFFSET :n)",
    [STMT_FIRST] =
        "SELECT ticks.at FROM ticks JOIN hosts ON hosts.id = ticks.host WHERE hosts.host = :host"
        " ORDER BY ticks.at LIMIT 1",
    [STMT_HOSTS] = "SELECT hosts.host, count(*), min(ticks.at), max(ticks.at) FROM ticks"
                   " JOIN hosts ON hosts.id = ticks.host GROUP BY ticks.host",
    [STMT_SET_POSITION] = "INSERT INTO positions (host, epoch, seq) VALUES (:host, :epoch, :seq)"
                          " ON CONFLICT (host) DO UPDATE SET epoch = :epoch, seq = :seq",
    [STMT_POSITIONS] = "SELECT host, epoch, seq FROM positions",
};

int history_head_open(struct history_head **ret,
                      const char *dir,
                      const char *path,
                      struct error *err)
{
    struct db *store = NULL;
    int r = db_open(&store, dir, path, schema, err);

    if (r < 0)
        return r;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->store = store;
    return 0;
}

void history_head_close(struct history_head *h)
{
    if (!h)
        return;
    db_close(h->store);
    free(h);
}

static int append_row(struct db *s, const struct history_head_row *row, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n = 0;
    int r = query_init(&q, s, sql[STMT_APPEND], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", row->host);
    query_i64(&q, ":at", row->at);
    query_blob(&q, ":data", row->data, row->size);
    r = query_run(&q, &n, err);
    return r < 0 ? r : n > 0;
}

static int add_host(struct db *s, const char *host, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_ADD_HOST], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", host);
    return query_run(&q, NULL, err);
}

static int set_position(struct db *s, const struct host_position *p, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_SET_POSITION], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", p->host);
    query_i64(&q, ":epoch", (int64_t)p->at.epoch);
    query_i64(&q, ":seq", (int64_t)p->at.seq);
    return query_run(&q, NULL, err);
}

static int append_rows(struct db *s, void *arg, struct error *err)
{
    const struct history_head_batch *a = arg;

    for (size_t i = 0; i < a->n_rows; i++) {
        int r = append_row(s, &a->rows[i], err);

        if (r == 0) { /* this host has no number yet */
            r = add_host(s, a->rows[i].host, err);
            if (r == 0)
                r = append_row(s, &a->rows[i], err);
        }
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < a->n_positions; i++) {
        int r = set_position(s, &a->positions[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}

int history_head_write(struct history_head *h,
                       const struct history_head_batch *b,
                       struct error *err)
{
    struct history_head_batch batch = *b;

    return db_tx(h->store, append_rows, &batch, err);
}

int history_head_append(struct history_head *h,
                        const struct history_head_row *rows,
                        size_t n,
                        struct error *err)
{
    return history_head_write(h, &(struct history_head_batch){.rows = rows, .n_rows = n}, err);
}

int history_head_each_position(struct history_head *h,
                               history_head_position_fn fn,
                               void *owner,
                               struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_POSITIONS], err);

    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        struct host_position p = {
            .host = query_column_text(&q, 0),
            .at = {(uint64_t)query_column_i64(&q, 1), (uint64_t)query_column_i64(&q, 2)},
        };

        fn(owner, &p);
        free(p.host);
    }
    return r;
}

int history_head_read(struct history_head *h,
                      const struct history_head_read *read,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_READ], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", read->host);
    query_i64(&q, ":from", read->from);
    query_i64(&q, ":to", read->to);
    while ((r = query_step(&q, err)) > 0) {
        struct history_head_row row = {.host = read->host, .at = query_column_i64(&q, 0)};

        row.data = query_column_blob(&q, 1, &row.size);
        r = read->fn(read->owner, &row, err);
        if (r < 0)
            return r;
    }
    return r;
}

int history_head_remove(
    struct history_head *h, const char *host, int64_t from, int64_t to, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_REMOVE], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", host);
    query_i64(&q, ":from", from);
    query_i64(&q, ":to", to);
    return query_run(&q, NULL, err);
}

int history_head_trim(
    struct history_head *h, const char *host, int64_t n, int64_t *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_TRIM], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", host);
    query_i64(&q, ":n", n);
    return query_run(&q, ret, err);
}

int history_head_first(struct history_head *h, const char *host, int64_t *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_FIRST], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", host);
    r = query_step(&q, err);
    if (r > 0)
        *ret = query_column_i64(&q, 0);
    return r;
}

int history_head_each_host(struct history_head *h,
                           history_head_host_fn fn,
                           void *owner,
                           struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, h->store, sql[STMT_HOSTS], err);

    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_free_ char *host = query_column_text(&q, 0);

        fn(owner, &(struct history_head_host){host, query_column_i64(&q, 1),
                                              query_column_i64(&q, 2), query_column_i64(&q, 3)});
    }
    return r;
}
