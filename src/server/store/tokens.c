#include "server/store/tokens.h"
#include "base/alloc.h"
#include "base/random.h"
#include "server/sqlite/query.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include "server/store/secret.h"

#include <errno.h>

#define PURGE_AFTER_MS (INT64_C(24) * 60 * 60 * 1000)

enum stmt { STMT_INSERT, STMT_CONSUME, STMT_GET, STMT_REPLACED, STMT_PURGE, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_INSERT] =
        "INSERT INTO registration_tokens (token_hash, created_by, created_at_ms, "
        "expires_at_ms, max_uses, replaces_host) VALUES (:hash, :created_by, :now, :expires, "
        ":max, :host)",
    [STMT_REPLACED] = "SELECT replaces_host FROM registration_tokens WHERE token_hash = :hash",
    [STMT_CONSUME] = "UPDATE registration_tokens SET use_count = use_count + 1, "
                     "last_used_at_ms = :now WHERE token_hash = :hash AND expires_at_ms > :now "
                     "AND (max_uses IS NULL OR use_count < max_uses)",
    [STMT_GET] = "SELECT expires_at_ms > :now FROM registration_tokens WHERE token_hash = :hash",
    [STMT_PURGE] = "DELETE FROM registration_tokens WHERE expires_at_ms < :before",
};

struct new_token {
    const char *created_by, *host_id;
    bool is_multi_use;
    int64_t now_ms;
};

static int insert(struct db *s, const struct new_token *t, char **ret_token, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    char token[UUID_TEXT_SIZE], hash[SECRET_HASH_SIZE];
    int r;

    r = query_init(&q, s, sql[STMT_INSERT], err);
    if (r < 0)
        return r;
    random_uuid(token);
    secret_hash(token, hash);
    query_text(&q, ":hash", hash);
    query_text(&q, ":created_by", t->created_by);
    query_i64(&q, ":now", t->now_ms);
    query_i64(&q, ":expires", t->now_ms + TOKEN_LIFETIME_MS);
    query_i64_or_null(&q, ":max", t->is_multi_use ? 0 : 1);
    query_text(&q, ":host", t->host_id);
    r = query_run(&q, NULL, err);
    if (r < 0)
        return r;
    *ret_token = xstrdup(token);
    return 0;
}

int tokens_create(struct db *s,
                  const char *created_by,
                  bool is_multi_use,
                  int64_t now_ms,
                  char **ret_token,
                  struct error *err)
{
    const struct new_token t = {
        .created_by = created_by, .is_multi_use = is_multi_use, .now_ms = now_ms};

    return insert(s, &t, ret_token, err);
}

int tokens_create_replacing(struct db *s,
                            const struct token_replacing *o,
                            char **ret_token,
                            char **ret_name,
                            struct error *err)
{
    _cleanup_(host_done) struct host host = {0};
    _cleanup_(agent_done) struct agent agent = {0};
    struct new_token t = {.created_by = o->created_by, .now_ms = o->now_ms};
    int r;

    r = hosts_find(s, o->host, &host, err);
    if (r < 0)
        return r;
    r = agents_get_by_host(s, host.id, &agent, err);
    if (r == -ENOENT)
        return error_set(err, -EINVAL, "host `%s` has no agent to replace", host.name);
    t.host_id = host.id;
    if (r == 0)
        r = insert(s, &t, ret_token, err);
    if (r == 0)
        *ret_name = TAKE_PTR(host.name);
    return r;
}

int tokens_get_replaced(struct db *s, const char *token, char **ret_host_id, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    char hash[SECRET_HASH_SIZE];
    int r;

    secret_hash(token, hash);
    r = query_init(&q, s, sql[STMT_REPLACED], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    r = query_step(&q, err);
    *ret_host_id = r > 0 ? query_column_text(&q, 0) : NULL;
    return r < 0 ? r : 0;
}

/* Finds the reason why the token could not be used. */
static int find_reason(
    struct db *s, const char *hash, int64_t now_ms, enum token_verdict *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_GET], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    query_i64(&q, ":now", now_ms);
    r = query_step(&q, err);
    if (r < 0)
        return r;
    *ret = TOKEN_UNKNOWN;
    if (r > 0)
        *ret = query_column_i64(&q, 0) ? TOKEN_USED : TOKEN_EXPIRED;
    return 0;
}

int tokens_consume(
    struct db *s, const char *token, int64_t now_ms, enum token_verdict *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    char hash[SECRET_HASH_SIZE];
    int64_t n;
    int r;

    secret_hash(token, hash);
    r = query_init(&q, s, sql[STMT_CONSUME], err);
    if (r < 0)
        return r;
    query_text(&q, ":hash", hash);
    query_i64(&q, ":now", now_ms);
    r = query_run(&q, &n, err);
    if (r < 0)
        return r;
    if (n == 0)
        return find_reason(s, hash, now_ms, ret, err);
    *ret = TOKEN_OK;
    return 0;
}

int tokens_is_alive(struct db *s, const char *token, int64_t now_ms, struct error *err)
{
    enum token_verdict verdict;
    char hash[SECRET_HASH_SIZE];
    int r;

    secret_hash(token, hash);
    r = find_reason(s, hash, now_ms, &verdict, err);
    return r < 0 ? r : verdict == TOKEN_USED;
}

int tokens_purge(struct db *s, int64_t now_ms, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_PURGE], err);
    if (r < 0)
        return r;
    query_i64(&q, ":before", now_ms - PURGE_AFTER_MS);
    return query_run(&q, NULL, err);
}
