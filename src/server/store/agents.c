#include "server/store/agents.h"
#include "server/sqlite/query.h"

#include <errno.h>
#include <inttypes.h>

#define COLUMNS                                                                            \
    "id, host_id, engine_id, token_hash, version, proto_version, capabilities, os, arch, " \
    "force_unique, joined_with, last_seen_at_ms, registered_at_ms"

enum stmt {
    STMT_INSERT,
    STMT_UPDATE,
    STMT_GET,
    STMT_GET_BY_TOKEN_HASH,
    STMT_GET_BY_ENGINE,
    STMT_GET_BY_HOST,
    STMT_ARRIVED,
    STMT_TOUCH,
    STMT_EACH,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] = "INSERT INTO agents (" COLUMNS ") SELECT :id, :host_id, :engine_id, "
                    ":token_hash, :version, :proto_version, :capabilities, :os, :arch, "
                    ":force_unique, :joined_with, :last_seen_at_ms, :registered_at_ms "
                    "WHERE (SELECT count(*) FROM agents) < :max",
    [STMT_UPDATE] = "UPDATE agents SET host_id = :host_id, engine_id = :engine_id, "
                    "token_hash = :token_hash, version = :version, "
                    "proto_version = :proto_version, capabilities = :capabilities, os = :os, "
                    "arch = :arch, force_unique = :force_unique, joined_with = :joined_with, "
                    "last_seen_at_ms = :last_seen_at_ms, registered_at_ms = :registered_at_ms "
                    "WHERE id = :id",
    [STMT_GET] = "SELECT " COLUMNS " FROM agents WHERE id = :key",
    [STMT_GET_BY_TOKEN_HASH] = "SELECT " COLUMNS " FROM agents WHERE token_hash = :key",
    [STMT_GET_BY_ENGINE] = "SELECT " COLUMNS
                           " FROM agents WHERE engine_id = :key AND force_unique = 0",
    [STMT_GET_BY_HOST] = "SELECT " COLUMNS " FROM agents WHERE host_id = :key",
    [STMT_ARRIVED] = "UPDATE agents SET joined_with = NULL WHERE id = :id AND token_hash = :hash",
    [STMT_TOUCH] = "UPDATE agents SET last_seen_at_ms = :seen WHERE id = :id",
    [STMT_EACH] = "SELECT " COLUMNS " FROM agents ORDER BY registered_at_ms, id",
};

static const struct column columns[] = {
    {":id",               COLUMN_TEXT, offsetof(struct agent, id)              },
    {":host_id",          COLUMN_TEXT, offsetof(struct agent, host_id)         },
    {":engine_id",        COLUMN_TEXT, offsetof(struct agent, engine_id)       },
    {":token_hash",       COLUMN_TEXT, offsetof(struct agent, token_hash)      },
    {":version",          COLUMN_TEXT, offsetof(struct agent, version)         },
    {":proto_version",    COLUMN_TEXT, offsetof(struct agent, proto_version)   },
    {":capabilities",     COLUMN_TEXT, offsetof(struct agent, capabilities)    },
    {":os",               COLUMN_TEXT, offsetof(struct agent, os)              },
    {":arch",             COLUMN_TEXT, offsetof(struct agent, arch)            },
    {":force_unique",     COLUMN_BOOL, offsetof(struct agent, force_unique)    },
    {":joined_with",      COLUMN_TEXT, offsetof(struct agent, joined_with)     },
    {":last_seen_at_ms",  COLUMN_I64,  offsetof(struct agent, last_seen_at_ms) },
    {":registered_at_ms", COLUMN_I64,  offsetof(struct agent, registered_at_ms)},
};

void agent_done(struct agent *a)
{
    row_done(columns, ARRAY_LEN(columns), a);
}

int agents_insert(struct db *s, const struct agent *a, uint64_t max, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n;
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), a);
    query_i64(&q, ":max", (int64_t)max);
    r = query_run(&q, &n, err);
    if (r == 0 && n == 0)
        return error_set(err, -EDQUOT, "the limit of %" PRIu64 " agents is reached", max);
    return r;
}

int agents_update(struct db *s, const struct agent *a, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_UPDATE], err);
    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), a);
    return query_run_for_one(&q, err, "no agent `%s`", a->id);
}

static int get_by(
    struct db *s, enum stmt stmt, const char *key, struct agent *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[stmt], err);
    if (r < 0)
        return r;
    query_text(&q, ":key", key);
    r = query_step_to_one(&q, err, "no such agent");
    if (r < 0)
        return r;
    *ret = (struct agent){0};
    query_read_row(&q, columns, ARRAY_LEN(columns), ret);
    return 0;
}

int agents_get(struct db *s, const char *id, struct agent *ret, struct error *err)
{
    return get_by(s, STMT_GET, id, ret, err);
}

int agents_get_by_token_hash(struct db *s,
                             const char *token_hash,
                             struct agent *ret,
                             struct error *err)
{
    return get_by(s, STMT_GET_BY_TOKEN_HASH, token_hash, ret, err);
}

int agents_get_by_engine(struct db *s, const char *engine_id, struct agent *ret, struct error *err)
{
    return get_by(s, STMT_GET_BY_ENGINE, engine_id, ret, err);
}

int agents_get_by_host(struct db *s, const char *host_id, struct agent *ret, struct error *err)
{
    return get_by(s, STMT_GET_BY_HOST, host_id, ret, err);
}

int agents_set_arrived(struct db *s, const char *id, const char *token_hash, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_ARRIVED], err);
    if (r < 0)
        return r;
    query_text(&q, ":id", id);
    query_text(&q, ":hash", token_hash);
    return query_run(&q, NULL, err);
}

int agents_touch(struct db *s, const char *id, int64_t seen_at_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_TOUCH], err);
    if (r < 0)
        return r;
    query_text(&q, ":id", id);
    query_i64(&q, ":seen", seen_at_ms);
    return query_run_for_one(&q, err, "no agent `%s`", id);
}

int agents_each(struct db *s, agents_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    struct agent a = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &a, err)) > 0)
        fn(arg, &a);
    return r;
}
