#include "server/history/tier_file.h"
#include "base/alloc.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

struct tier_file {
    struct db *store;
    size_t max_series, n_left_out;
};

/* Large pages, because chunks have some KB: the file is a third smaller than with 4 KB. */
static const char schema[] =
    "PRAGMA page_size = 16384;"
    "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, host TEXT NOT NULL, name TEXT NOT NULL,"
    " UNIQUE (host, name)) STRICT;"
    "CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, n_series INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX IF NOT EXISTS chunks_series ON chunks (series, first, last);"
    "CREATE TABLE IF NOT EXISTS marks (series INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    " text TEXT NOT NULL, PRIMARY KEY (series, at_ms, kind)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

enum stmt {
    STMT_COUNT_SERIES,
    STMT_ADD_SERIES,
    STMT_FIND_SERIES,
    STMT_NEXT_SERIES,
    STMT_PUT_CHUNK,
    STMT_REMOVE_CHUNKS,
    STMT_FIND_CHUNKS,
    STMT_READ_CHUNKS,
    STMT_GET,
    STMT_SET,
    STMT_ADD_MARK,
    STMT_READ_MARKS,
    STMT_COUNT,
};

static const char *const sql[STMT_COUNT] = {
    [STMT_COUNT_SERIES] = "INSERT INTO hosts (host, n_series) VALUES (:host, 1) ON CONFLICT (host)"
                          " DO UPDATE SET n_series = n_series + 1 WHERE n_series < :max",
    [STMT_ADD_SERIES] = "INSERT OR IGNORE INTO series (host, name) VALUES (:host, :name)",
    [STMT_FIND_SERIES] = "SELECT id FROM series WHERE host = :host AND name = :name",
    [STMT_NEXT_SERIES] = "SELECT id, host, name FROM series WHERE id > :after ORDER BY id LIMIT 1",
    [STMT_PUT_CHUNK] = "INSERT INTO chunks (series, first, last, data) VALUES"
                       " (:series, :first, :last, :data)",
    [STMT_REMOVE_CHUNKS] =
        "DELETE FROM chunks WHERE series = :series AND first <= :last AND last >= :first",
    [STMT_FIND_CHUNKS] =
        "SELECT data FROM chunks WHERE series = :series AND first <= :last AND last >= :first"
        " ORDER BY id",
    [STMT_READ_CHUNKS] =
        "SELECT data FROM chunks WHERE series = :series AND first < :to AND last >= :from"
        " ORDER BY first, id",
    [STMT_GET] = "SELECT value FROM state WHERE key = :key",
    [STMT_SET] = "INSERT OR REPLACE INTO state (key, value) VALUES (:key, :value)",
    [STMT_ADD_MARK] = "INSERT OR IGNORE INTO marks (series, at_ms, kind, text) VALUES"
                      " (:series, :at_ms, :kind, :text)",
    [STMT_READ_MARKS] = "SELECT at_ms, kind, text FROM marks WHERE series = :series AND"
                        " at_ms >= :from AND at_ms < :to ORDER BY at_ms LIMIT :limit",
};

int tier_file_open(struct tier_file **ret,
                   const char *dir,
                   const char *path,
                   size_t max_series,
                   bool may_create,
                   struct error *err)
{
    struct db *store = NULL;
    struct stat st;
    int r;

    if (!may_create && stat(path, &st) < 0)
        return error_set(err, -errno, "%s: %s", path, error_text(-errno));
    r = db_open(&store, dir, path, schema, err);
    if (r < 0)
        return r;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->store = store;
    (*ret)->max_series = max_series;
    return 0;
}

size_t tier_file_n_left_out(const struct tier_file *f)
{
    return f->n_left_out;
}

void tier_file_close(struct tier_file *f)
{
    if (!f)
        return;
    db_close(f->store);
    free(f);
}

struct tx {
    struct tier_file *file;
    tier_file_fn fn;
    void *arg;
};

static int run_tx(struct db *s, void *arg, struct error *err)
{
    struct tx *tx = arg;

    (void)s;
    return tx->fn(tx->file, tx->arg, err);
}

int tier_file_tx(struct tier_file *f, tier_file_fn fn, void *arg, struct error *err)
{
    struct tx tx = {f, fn, arg};

    return db_tx(f->store, run_tx, &tx, err);
}

static void bind_key(struct query *q, const struct series_key *key)
{
    query_text(q, ":host", key->host);
    query_text(q, ":name", key->name);
}

/* *ret is 0 if the file does not have the series. */
static int series_find(struct tier_file *f,
                       const struct series_key *key,
                       int64_t *ret,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_FIND_SERIES], err);

    if (r < 0)
        return r;
    bind_key(&q, key);
    r = query_step(&q, err);
    *ret = r > 0 ? query_column_i64(&q, 0) : 0;
    return r < 0 ? r : 0;
}

/* Returns 1 if the host may have one more series, which is counted; else 0. */
static int series_count(struct tier_file *f, const char *host, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n = 0;
    int r = query_init(&q, f->store, sql[STMT_COUNT_SERIES], err);

    if (r < 0)
        return r;
    query_text(&q, ":host", host);
    query_i64(&q, ":max", (int64_t)f->max_series);
    r = query_run(&q, &n, err);
    return r < 0 ? r : n > 0;
}

/* *ret is 0 if the host has its maximum of series. */
static int series_make(struct tier_file *f,
                       const struct series_key *key,
                       int64_t *ret,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = series_find(f, key, ret, err);

    if (r < 0 || *ret != 0)
        return r;
    r = series_count(f, key->host, err);
    if (r <= 0) {
        f->n_left_out += r == 0;
        return r;
    }
    r = query_init(&q, f->store, sql[STMT_ADD_SERIES], err);
    if (r < 0)
        return r;
    bind_key(&q, key);
    r = query_run(&q, NULL, err);
    *ret = r < 0 ? 0 : query_last_id(&q);
    return r;
}

/* The existing rows of a span, and the rows to add. */
struct merge {
    struct history_rows *parts; /* of rows with the same time, the one of the last part counts */
    size_t n, n_rows;
};

struct merge_row {
    int64_t at;
    size_t part, row;
};

static void merge_done(struct merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        history_rows_done(&m->parts[i]);
    free(m->parts);
    *m = (struct merge){0};
}

static void get_row_values(const struct history_rows *rows,
                           size_t row,
                           int64_t values[CHUNK_MAX_COLUMNS])
{
    for (size_t c = 0; c < rows->n_columns; c++)
        values[c] = history_rows_column(rows, c)[row];
}

static void merge_add(struct merge *m, const struct history_rows *rows)
{
    int64_t values[CHUNK_MAX_COLUMNS];
    struct history_rows *part;

    if (rows->n == 0)
        return;
    m->parts = xrealloc(m->parts, m->n + 1, sizeof(*m->parts));
    part = &m->parts[m->n++];
    history_rows_init(part, rows->n_columns, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        get_row_values(rows, i, values);
        history_rows_add(part, rows->at[i], values, rows->n_columns);
    }
    m->n_rows += rows->n;
}

static int compare_times(const void *a, const void *b)
{
    const struct merge_row *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

static struct merge_row *merge_sort(const struct merge *m)
{
    struct merge_row *rows = xcalloc(m->n_rows, sizeof(*rows));
    size_t n = 0;

    for (size_t p = 0; p < m->n; p++) {
        for (size_t i = 0; i < m->parts[p].n; i++)
            rows[n++] = (struct merge_row){m->parts[p].at[i], p, i};
    }
    qsort(rows, n, sizeof(*rows), compare_times);
    return rows;
}

static void bind_span(struct query *q, int64_t series, const struct history_rows *rows)
{
    query_i64(q, ":series", series);
    query_i64(q, ":first", rows->at[0]);
    query_i64(q, ":last", rows->at[rows->n - 1]);
}

/* Reads the rows of the series between the first and the last of the new rows. */
static int merge_find(struct tier_file *f,
                      int64_t series,
                      const struct history_rows *rows,
                      struct merge *m,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct history_rows old;
    int r = query_init(&q, f->store, sql[STMT_FIND_CHUNKS], err);

    if (r < 0)
        return r;
    bind_span(&q, series, rows);
    history_rows_init(&old, rows->n_columns, CHUNK_MAX_ROWS);
    while ((r = query_step(&q, err)) > 0) {
        size_t size;
        const void *data = query_column_blob(&q, 0, &size);

        if (chunk_decode(data, size, UINT64_MAX, &old, err) < 0) {
            r = -EUCLEAN;
            break;
        }
        merge_add(m, &old);
    }
    history_rows_done(&old);
    return r;
}

static int remove_span(struct tier_file *f,
                       int64_t series,
                       const struct history_rows *rows,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_REMOVE_CHUNKS], err);

    if (r < 0)
        return r;
    bind_span(&q, series, rows);
    return query_run(&q, NULL, err);
}

static int put_chunk(struct tier_file *f,
                     int64_t series,
                     const struct history_rows *rows,
                     struct error *err)
{
    _cleanup_(buf_done) struct buf data = BUF_INIT(CHUNK_MAX_SIZE);
    _cleanup_(query_done) struct query q = {0};
    int r;

    if (chunk_encode(rows, &data) < 0)
        return error_set(err, -EMSGSIZE, "a chunk is too large");
    r = query_init(&q, f->store, sql[STMT_PUT_CHUNK], err);
    if (r < 0)
        return r;
    bind_span(&q, series, rows);
    query_blob(&q, ":data", data.data, data.size);
    return query_run(&q, NULL, err);
}

/* Writes the rows of all parts. */
static int merge_put(struct tier_file *f, int64_t series, const struct merge *m, struct error *err)
{
    _cleanup_free_ struct merge_row *sorted = merge_sort(m);
    int64_t values[CHUNK_MAX_COLUMNS];
    struct history_rows rows;
    int r = 0;

    history_rows_init(&rows, m->parts[0].n_columns, CHUNK_MAX_ROWS);
    for (size_t i = 0; r == 0 && i < m->n_rows; i++) {
        bool is_last = i + 1 == m->n_rows;

        if (is_last || sorted[i + 1].at != sorted[i].at) {
            get_row_values(&m->parts[sorted[i].part], sorted[i].row, values);
            history_rows_add(&rows, sorted[i].at, values, rows.n_columns);
        }
        if (rows.n == rows.capacity || is_last) {
            r = put_chunk(f, series, &rows, err);
            rows.n = 0;
        }
    }
    history_rows_done(&rows);
    return r;
}

int tier_file_put(struct tier_file *f,
                  const struct series_key *key,
                  const struct history_rows *rows,
                  struct error *err)
{
    _cleanup_(merge_done) struct merge m = {0};
    int64_t series;
    int r;

    assert(db_in_tx(f->store));
    if (rows->n == 0)
        return 0;
    r = series_make(f, key, &series, err);
    if (r < 0 || series == 0)
        return r;
    r = merge_find(f, series, rows, &m, err);
    if (r < 0)
        return error_wrap(err, r, "series %s of host %s", key->name, key->host);
    if (m.n == 0)
        return put_chunk(f, series, rows, err);
    merge_add(&m, rows);
    r = remove_span(f, series, rows, err);
    return r < 0 ? r : merge_put(f, series, &m, err);
}

static int give_chunk(const struct query *q, const struct tier_read *read, struct error *err)
{
    size_t size;
    const void *data = query_column_blob(q, 0, &size);

    if (chunk_decode(data, size, read->columns, read->rows, err) < 0)
        return error_wrap(err, -EUCLEAN, "series %s of host %s", read->key.name, read->key.host);
    return read->fn(read->owner, read->rows);
}

int tier_file_read(struct tier_file *f, const struct tier_read *read, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t series;
    int r = series_find(f, &read->key, &series, err);

    if (r < 0 || series == 0)
        return r;
    r = query_init(&q, f->store, sql[STMT_READ_CHUNKS], err);
    if (r < 0)
        return r;
    query_i64(&q, ":series", series);
    query_i64(&q, ":from", read->from);
    query_i64(&q, ":to", read->to);
    while ((r = query_step(&q, err)) > 0) {
        r = give_chunk(&q, read, err);
        if (r < 0)
            return r;
    }
    return r;
}

void series_row_done(struct series_row *row)
{
    free(row->host);
    free(row->name);
    *row = (struct series_row){0};
}

int tier_file_next_series(struct tier_file *f,
                          int64_t after,
                          struct series_row *ret,
                          struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_NEXT_SERIES], err);

    if (r < 0)
        return r;
    query_i64(&q, ":after", after);
    r = query_step(&q, err);
    if (r > 0) {
        *ret = (struct series_row){
            .id = query_column_i64(&q, 0),
            .host = query_column_text(&q, 1),
            .name = query_column_text(&q, 2),
        };
    }
    return r;
}

int tier_file_get(struct tier_file *f, const char *key, int64_t *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_GET], err);

    if (r < 0)
        return r;
    query_text(&q, ":key", key);
    r = query_step(&q, err);
    *ret = r > 0 ? query_column_i64(&q, 0) : 0;
    return r < 0 ? r : 0;
}

int tier_file_set(struct tier_file *f, const char *key, int64_t value, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_SET], err);

    if (r < 0)
        return r;
    query_text(&q, ":key", key);
    query_i64(&q, ":value", value);
    return query_run(&q, NULL, err);
}

void history_mark_done(struct history_mark *m)
{
    free(m->kind);
    free(m->text);
    *m = (struct history_mark){0};
}

/* Inserts a mark; *ret_n: the number of rows, 0 if the same mark exists. */
static int mark_insert(struct tier_file *f,
                       int64_t series,
                       const struct history_mark *m,
                       int64_t *ret_n,
                       struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, f->store, sql[STMT_ADD_MARK], err);

    if (r < 0)
        return r;
    query_i64(&q, ":series", series);
    query_i64(&q, ":at_ms", m->at_ms);
    query_text(&q, ":kind", m->kind);
    query_text(&q, ":text", m->text);
    return query_run(&q, ret_n, err);
}

int tier_file_add_mark(struct tier_file *f,
                       const struct series_key *key,
                       const struct history_mark *m,
                       struct error *err)
{
    _cleanup_free_ char *count = xasprintf("marks %s", key->host);
    int64_t series = 0, n_marks = 0, n = 0;
    int r = tier_file_get(f, count, &n_marks, err);

    if (r == 0 && n_marks >= (int64_t)f->max_series) {
        f->n_left_out++;
        return 0;
    }
    if (r == 0)
        r = series_make(f, key, &series, err);
    if (r < 0 || series == 0)
        return r;
    r = mark_insert(f, series, m, &n, err);
    return r < 0 || n == 0 ? r : tier_file_set(f, count, n_marks + n, err);
}

int tier_file_read_marks(struct tier_file *f,
                         const struct history_mark_read *read,
                         struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t series;
    int r = series_find(f, &read->key, &series, err);

    if (r < 0 || series == 0)
        return r;
    r = query_init(&q, f->store, sql[STMT_READ_MARKS], err);
    if (r < 0)
        return r;
    query_i64(&q, ":series", series);
    query_i64(&q, ":from", read->from_ms);
    query_i64(&q, ":to", read->to_ms);
    query_i64(&q, ":limit", TIER_FILE_MAX_MARKS);
    while ((r = query_step(&q, err)) > 0) {
        struct history_mark m = {
            .at_ms = query_column_i64(&q, 0),
            .kind = query_column_text(&q, 1),
            .text = query_column_text(&q, 2),
        };

        read->fn(read->owner, &m);
        history_mark_done(&m);
    }
    return r;
}
