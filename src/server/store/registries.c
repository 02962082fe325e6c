#include "server/store/registries.h"
#include "server/sqlite/query.h"

#include <errno.h>

#define COLUMNS                                                                  \
    "id, domain, username, sealed, token_host, ca_pem, security, webhook_hash, " \
    "created_at_ms, updated_at_ms"

enum stmt { STMT_INSERT, STMT_UPDATE, STMT_GET, STMT_DELETE, STMT_EACH, STMT_NUMBER, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = ("INSERT INTO registries (domain, username, sealed, token_host, ca_pem, "
                     "security, webhook_hash, created_at_ms, updated_at_ms) VALUES (:domain, "
                     ":username, :sealed, :token_host, :ca_pem, :security, :webhook_hash, "
                     ":created_at_ms, :updated_at_ms)"),
    [STMT_UPDATE] = ("UPDATE registries SET username = :username, sealed = :sealed, "
                     "token_host = :token_host, ca_pem = :ca_pem, security = :security, "
                     "webhook_hash = :webhook_hash, updated_at_ms = :updated_at_ms "
                     "WHERE id = :id"),
    [STMT_GET] = "SELECT " COLUMNS " FROM registries WHERE id = :id",
    [STMT_DELETE] = "DELETE FROM registries WHERE id = :id",
    [STMT_EACH] = "SELECT " COLUMNS " FROM registries ORDER BY domain",
    [STMT_NUMBER] = "SELECT count(*) FROM registries",
};

static const struct column columns[] = {
    {":id",            COLUMN_I64,  offsetof(struct registry, id)           },
    {":domain",        COLUMN_TEXT, offsetof(struct registry, domain)       },
    {":username",      COLUMN_TEXT, offsetof(struct registry, username)     },
    {":sealed",        COLUMN_TEXT, offsetof(struct registry, sealed)       },
    {":token_host",    COLUMN_TEXT, offsetof(struct registry, token_host)   },
    {":ca_pem",        COLUMN_TEXT, offsetof(struct registry, ca_pem)       },
    {":security",      COLUMN_TEXT, offsetof(struct registry, security)     },
    {":webhook_hash",  COLUMN_TEXT, offsetof(struct registry, webhook_hash) },
    {":created_at_ms", COLUMN_I64,  offsetof(struct registry, created_at_ms)},
    {":updated_at_ms", COLUMN_I64,  offsetof(struct registry, updated_at_ms)},
};

void registry_done(struct registry *r)
{
    row_done(columns, ARRAY_LEN(columns), r);
}

static void bind_settings(struct query *q, const struct registry *spec)
{
    query_text(q, ":username", spec->username);
    query_text(q, ":sealed", spec->sealed);
    query_text(q, ":token_host", spec->token_host);
    query_text(q, ":ca_pem", spec->ca_pem);
    query_text(q, ":security", spec->security);
    query_text(q, ":webhook_hash", spec->webhook_hash);
    query_i64(q, ":updated_at_ms", spec->updated_at_ms);
}

int registries_create(struct db *s, const struct registry *spec, int64_t *ret_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n = 0;
    int r = query_number(s, sql[STMT_NUMBER], &n, err);

    if (r < 0)
        return r;
    if (n >= REGISTRIES_MAX)
        return error_set(err, -EBUSY, "there are %d registries, the maximum", REGISTRIES_MAX);
    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_text(&q, ":domain", spec->domain);
    bind_settings(&q, spec);
    query_i64(&q, ":created_at_ms", spec->created_at_ms);
    r = query_run(&q, NULL, err);
    if (r == -EEXIST)
        return error_set(err, r, "there is a registry %s already", spec->domain);
    if (r == 0)
        *ret_id = query_last_id(&q);
    return r;
}

int registries_update(struct db *s, const struct registry *spec, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_UPDATE], err);

    if (r < 0)
        return r;
    query_i64(&q, ":id", spec->id);
    bind_settings(&q, spec);
    return query_run_for_one(&q, err, "no registry %lld", (long long)spec->id);
}

int registries_get(struct db *s, int64_t id, struct registry *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct registry row = {0};
    int r = query_init(&q, s, sql[STMT_GET], err);

    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    r = query_step_to_one(&q, err, "no registry %lld", (long long)id);
    if (r < 0)
        return r;
    query_read_row(&q, columns, ARRAY_LEN(columns), &row);
    *ret = row;
    return 0;
}

int registries_delete(struct db *s, int64_t id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_DELETE], err);

    if (r < 0)
        return r;
    query_i64(&q, ":id", id);
    return query_run_for_one(&q, err, "no registry %lld", (long long)id);
}

int registries_each(struct db *s, registry_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    _cleanup_(registry_done) struct registry row = {0};
    int r = query_init(&q, s, sql[STMT_EACH], err);

    if (r < 0)
        return r;
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &row, err)) > 0)
        fn(arg, &row);
    return r;
}
